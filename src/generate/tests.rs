//! What must hold for the units of any pod. Whole units, word by word, are in `tests/fixtures/generate`.

use super::images::Images;
use super::{UnitSet, stub, units};
use crate::model::{
    Container, ContainerKind, Directive, Escalation, FailurePolicy, ImageSource, MemberName, Network, Owner,
    Passthrough, Pod, PodName, Ready, Request, SCHEMA_VERSION, Share, Signal,
};
use std::path::Path;
use std::time::Duration;

/// The unit that fetches the image of every container here.
const IMAGE: &str = "podunit-image@97639deb2daa2a5f0907db2cd2045bc2.service";

fn lines(lines: &[(&str, &str)]) -> Vec<Directive> {
    lines
        .iter()
        .map(|(key, value)| Directive {
            key: (*key).into(),
            value: (*value).into(),
        })
        .collect()
}

pub(super) fn container(name: &str) -> Container {
    Container {
        name: MemberName::new(name).unwrap(),
        source: "/etc/podunit/x.pod".into(),
        service_name: None,
        image: ImageSource::Image(Request::new("docker.io/library/nginx")),
        auto_update: None,
        exec: None,
        entrypoint: None,
        environment: Vec::new(),
        environment_files: Vec::new(),
        user: None,
        working_dir: None,
        binds: Vec::new(),
        volumes: Vec::new(),
        tmpfs: Vec::new(),
        devpts: Vec::new(),
        read_only: false,
        no_tmpfs: false,
        shm_size: None,
        process: Default::default(),
        linux: Default::default(),
        add_capabilities: Vec::new(),
        drop_capabilities: Vec::new(),
        stop_signal: None,
        stop_timeout: Duration::from_secs(10),
        pre_stop: None,
        stop_escalate: Vec::new(),
        stop_repeat: 0,
        reload_signal: None,
        reload_cmd: None,
        signal_map: Default::default(),
        ready: Ready::Started,
        probes: crate::model::Probes::default(),
        kind: ContainerKind::Main,
        essential: true,
        labels: Default::default(),
        annotations: Default::default(),
        units: Passthrough::default(),
    }
}

pub(super) fn pod(unit: &[(&str, &str)], service: &[(&str, &str)]) -> Pod {
    Pod {
        version: SCHEMA_VERSION,
        name: PodName::new("x").unwrap(),
        source: "/etc/podunit/x.pod".into(),
        service_name: None,
        share: Share {
            pid: true,
            ..Share::default()
        },
        hostname: None,
        network: Network::Bridge,
        hosts: Vec::new(),
        resolver: Default::default(),
        ports: Vec::new(),
        instance_ports: Vec::new(),
        shm_size: 64 << 20,
        labels: Default::default(),
        start_timeout: None,
        on_failure: FailurePolicy::Isolate,
        exit_policy: Default::default(),
        members: vec![container("a"), container("b")],
        units: Passthrough {
            unit: lines(unit),
            service: lines(service),
            install: lines(&[("Alias", "x-pod.service")]),
        },
    }
}

/// All values of a key in one of the units.
fn values<'a>(set: &'a UnitSet, unit: &str, key: &str) -> Vec<&'a str> {
    let file = set.files.iter().find(|file| file.name == unit).unwrap();
    file.text
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect()
}

#[test]
fn nothing_orders_the_supervisor_towards_its_own_pod() {
    let mut pod = pod(
        &[
            ("After", "pod-x-a.service db.service pod-x-infra.service"),
            ("Before", "pod-x-b.service"),
        ],
        &[],
    );
    pod.members[0].units.unit = lines(&[
        ("After", "x-pod.service pod-x-b.service"),
        ("Before", "pod-x.service"),
    ]);
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    assert_eq!(
        values(&set, "pod-x.service", "After"),
        ["dbus.service dbus-broker.service", "db.service"]
    );
    assert!(values(&set, "pod-x.service", "Before").is_empty());
    assert_eq!(
        values(&set, "pod-x-a.service", "After"),
        ["pod-x-infra.service", IMAGE, "pod-x-b.service"]
    );
    assert!(values(&set, "pod-x-a.service", "Before").is_empty());
}

#[test]
fn what_the_pod_waits_for_keeps_infra_too() {
    let conditions = [
        ("Requires", "db.service"),
        ("ConditionPathExists", "/srv"),
        ("OnFailure", "mail.service"),
    ];
    let set = units::of(&pod(&conditions, &[]), &mut Images::shared(None)).unwrap();
    for (key, infra, member) in [
        ("Requires", 1, 1),
        ("ConditionPathExists", 1, 1),
        ("OnFailure", 0, 0),
    ] {
        assert_eq!(values(&set, "pod-x.service", key).len(), 1, "{key}");
        assert_eq!(values(&set, "pod-x-infra.service", key).len(), infra, "{key}");
        assert_eq!(values(&set, "pod-x-a.service", key).len(), member, "{key}");
    }
    assert_eq!(
        values(&set, "pod-x-a.service", "Requires"),
        ["pod-x-infra.service"]
    );
}

#[test]
fn limits_of_the_pod_are_the_slices() {
    let mut pod = pod(&[], &[("MemoryMax", "1G"), ("Environment", "A=b")]);
    pod.members[0].units.service = lines(&[("MemoryMax", "10M")]);
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    assert_eq!(values(&set, "pods-x.slice", "MemoryMax"), ["1G"]);
    assert_eq!(values(&set, "pod-x-a.service", "MemoryMax"), ["10M"]);
    assert!(values(&set, "pod-x.service", "MemoryMax").is_empty());
    assert_eq!(values(&set, "pod-x.service", "Environment"), ["A=b"]);
}

#[test]
fn a_stop_has_time_for_its_last_step() {
    let mut pod = pod(&[], &[]);
    pod.members[1].stop_signal = Some(Signal::INT);
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    assert_eq!(
        values(&set, "pod-x-a.service", "ExecStop"),
        ["/usr/bin/podunit member stop x a"]
    );
    assert_eq!(values(&set, "pod-x-a.service", "TimeoutStopSec"), ["15s"]);
    assert!(values(&set, "pod-x-b.service", "ExecStop").is_empty());
    assert_eq!(values(&set, "pod-x-b.service", "KillSignal"), ["SIGINT"]);
    assert_eq!(
        values(&set, "pod-x-b.service", "SuccessExitStatus"),
        ["130 SIGINT"]
    );
    assert_eq!(values(&set, "pod-x-b.service", "TimeoutStopSec"), ["10s"]);
    // 0 would be no limit at all.
    pod.members[1].stop_timeout = Duration::ZERO;
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    assert_eq!(
        values(&set, "pod-x-b.service", "ExecStop"),
        ["/usr/bin/podunit member stop x b"]
    );
    assert_eq!(values(&set, "pod-x-b.service", "TimeoutStopSec"), ["5s"]);
    // One after the other, then infra.
    assert_eq!(values(&set, "pod-x.service", "TimeoutStopSec"), ["1min 5s"]);
}

#[test]
fn a_stop_that_is_more_than_one_signal_is_a_step() {
    let plain = |pod: &mut Pod| pod.members[1].stop_signal = Some(Signal::INT);
    let changes: [fn(&mut Pod); 5] = [
        |pod| pod.members[1].pre_stop = Some("true".to_owned()),
        |pod| pod.members[1].stop_repeat = 1,
        |pod| {
            let (signal, after) = (Signal::QUIT, Duration::from_secs(7));
            pod.members[1].stop_escalate = vec![Escalation { signal, after }];
        },
        // It can put off systemd's limit.
        |pod| pod.members[1].ready = Ready::Notify,
        // PID 1 of its own namespace: what it has no handler for yet is sent again.
        |pod| pod.share.pid = false,
    ];
    for change in changes {
        let mut pod = pod(&[], &[]);
        plain(&mut pod);
        change(&mut pod);
        let set = units::of(&pod, &mut Images::shared(None)).unwrap();
        assert_eq!(values(&set, "pod-x-b.service", "ExecStop").len(), 1);
        assert_eq!(values(&set, "pod-x-b.service", "KillSignal"), ["SIGINT"]);
        assert_eq!(values(&set, "pod-x-b.service", "TimeoutStopSec"), ["15s"]);
    }
}

#[test]
fn a_member_that_is_stopped_by_sigkill_comes_back_from_any_other() {
    let mut pod = pod(&[], &[]);
    pod.members[1].stop_signal = Some(Signal::KILL);
    let forced = |pod: &Pod| {
        let set = units::of(pod, &mut Images::default()).unwrap();
        assert_eq!(
            values(&set, "pod-x-b.service", "SuccessExitStatus"),
            ["137 SIGKILL"]
        );
        !values(&set, "pod-x-b.service", "RestartForceExitStatus").is_empty()
    };
    assert!(forced(&pod));
    for (restart, comes_back) in [("no", false), ("always", true), ("on-watchdog", false)] {
        pod.members[1].units.service = lines(&[("Restart", restart)]);
        assert_eq!(forced(&pod), comes_back, "{restart}");
    }
}

#[test]
fn no_budget_is_too_long_for_systemd() {
    let mut pod = pod(&[], &[]);
    for member in &mut pod.members {
        member.stop_timeout = Duration::from_micros(u64::MAX - 1);
    }
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    for unit in ["pod-x-a.service", "pod-x.service"] {
        assert_eq!(values(&set, unit, "TimeoutStopSec"), ["infinity"]);
    }
}

#[test]
fn a_command_reloads_as_a_signal_does() {
    let mut pod = pod(&[], &[]);
    pod.members[0].reload_cmd = Some("nginx -s reload".to_owned());
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    assert_eq!(
        values(&set, "pod-x-a.service", "ExecReload"),
        ["/usr/bin/podunit member reload x a"]
    );
    assert!(values(&set, "pod-x-b.service", "ExecReload").is_empty());
}

#[test]
fn a_member_keeps_its_own_restart() {
    let mut pod = pod(&[], &[]);
    pod.members[0].units.service = lines(&[("Restart", "always")]);
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    assert_eq!(values(&set, "pod-x-a.service", "Restart"), ["always"]);
    assert_eq!(values(&set, "pod-x-b.service", "Restart"), ["on-failure"]);
}

#[test]
fn members_with_files_of_their_own_have_quadlets_names() {
    let mut pod = pod(&[("After", "a.service db.service")], &[]);
    assert!(
        units::of(&pod, &mut Images::shared(None))
            .unwrap()
            .links
            .iter()
            .all(|link| link.path == "x-pod.service")
    );
    pod.members[0].source = "/etc/podunit/a.container".into();
    pod.members[1].units.unit = lines(&[("After", "a.service x-pod.service")]);
    let set = units::of(&pod, &mut Images::shared(None)).unwrap();
    let shown: Vec<String> = set
        .links
        .iter()
        .map(|link| format!("{} -> {}", link.path, link.target))
        .collect();
    assert_eq!(
        shown,
        ["a.service -> pod-x-a.service", "x-pod.service -> pod-x.service"]
    );
    assert_eq!(
        values(&set, "pod-x.service", "After"),
        ["dbus.service dbus-broker.service", "db.service"]
    );
    assert_eq!(
        values(&set, "pod-x-b.service", "After"),
        ["pod-x-infra.service", IMAGE, "a.service"]
    );
}

#[test]
fn nothing_can_add_a_line() {
    for hostile in ["a\nExecStart=/bin/sh", "a\r", "a\\", "a\0b"] {
        assert!(
            units::of(&pod(&[("Description", hostile)], &[]), &mut Images::shared(None)).is_err(),
            "{hostile:?}"
        );
        assert!(
            stub::of(
                Owner::Pod(PodName::new("x").unwrap()),
                Path::new(&format!("/{hostile}")),
                &[]
            )
            .is_err(),
            "{hostile:?}"
        );
    }
    assert!(
        units::of(
            &pod(&[("Description=x\nAfter", "a")], &[]),
            &mut Images::shared(None)
        )
        .is_err()
    );
    assert!(units::of(&pod(&[("After", "a.service")], &[]), &mut Images::shared(None)).is_ok());
}
