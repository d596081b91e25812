//! The founding scenario: from a definition file to a stopped unit.

use crate::machine::Machine;

const PODS: [&str; 3] = [
    "pod-my-shared-pod-infra",
    "pod-my-shared-pod-nginx-server",
    "pod-my-shared-pod-busybox-client",
];

#[test]
fn founding_pod_from_start_to_stop() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };

    // Ready means that the published port works: no second try.
    assert!(
        machine
            .ok("curl -sS --max-time 5 localhost:8080")
            .contains("nginx")
    );
    for unit in PODS {
        assert_eq!(machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    assert_eq!(machine.property("pod-my-shared-pod", "StatusText"), "2/2 ready");

    machine
        .run("podunit ps")
        .exits(0)
        .says(&["my-shared-pod", "nginx-server", "busybox-client", "8080"]);
    machine
        .run("podunit ps --format json")
        .exits(0)
        .says(&["\"nginx-server\""]);
    machine
        .run("podunit status my-shared-pod")
        .exits(0)
        .says(&["ready", "nginx-server", "busybox-client"]);
    machine
        .run("podunit inspect my-shared-pod")
        .exits(0)
        .says(&["docker.io/library/nginx"]);
    machine
        .run("systemctl status --no-pager pod-my-shared-pod")
        .exits(0)
        .says(&["2/2 ready"]);

    let page = machine.ok("podunit exec my-shared-pod/busybox-client wget -qO- http://localhost:80");
    assert!(page.contains("nginx"), "{page}");
    let processes = machine.ok("podunit exec my-shared-pod/busybox-client ps aux");
    for expected in ["nginx: master process", "nginx: worker process", "wget"] {
        assert!(processes.contains(expected), "{expected}\n{processes}");
    }
    let first = processes
        .lines()
        .find(|line| line.trim_start().starts_with("1 "))
        .expect("a PID 1");
    assert!(first.contains("podunit-pause"), "PID 1 is the pod's own: {first}");

    // The container's own process is the main process of its own unit, in the unit's own cgroup.
    let main = machine.property("pod-my-shared-pod-nginx-server", "MainPID");
    assert!(
        machine
            .ok(&format!("tr '\\0' ' ' < /proc/{main}/cmdline"))
            .starts_with("nginx: master process")
    );
    let cgroup = machine.property("pod-my-shared-pod-nginx-server", "ControlGroup");
    assert!(
        cgroup.ends_with("/pod-my-shared-pod-nginx-server.service"),
        "{cgroup}"
    );
    assert!(cgroup.contains("pods-my\\x2dshared\\x2dpod.slice"), "{cgroup}");
    let parent = machine.ok(&format!("awk '/^PPid/ {{ print $2 }}' /proc/{main}/status"));
    assert_eq!(parent, "1", "the container's process is systemd's own child");
    // Nothing of ours stays beside the payload but the supervisor and the pod's PID 1.
    machine.until_prints("pgrep -c podunit", "2");
    assert_eq!(
        machine.ok("grep -c overlay /proc/self/mountinfo"),
        machine.ok("grep -c ' / / ' /proc/self/mountinfo")
    );

    stop_and_look(&machine);
}

fn stop_and_look(machine: &Machine) {
    // What members print stands under their own units, with nginx's files being /dev/stdout and /dev/stderr.
    machine.until("journalctl --no-pager -u pod-my-shared-pod-nginx-server", |ran| {
        ran.stdout.contains("GET / HTTP/1.1")
    });
    machine.until(
        "journalctl --no-pager -u pod-my-shared-pod-busybox-client",
        |ran| ran.stdout.contains("nginx"),
    );
    machine
        .run("journalctl --no-pager -u 'pod-my-shared-pod*'")
        .exits(0)
        .says(&[
            "GET / HTTP/1.1",
            "the pod is ready",
            "Started pod-my-shared-pod.service",
        ]);
    machine
        .run("podunit logs my-shared-pod/nginx-server")
        .exits(0)
        .says(&["GET / HTTP/1.1"]);

    machine.ok("systemctl stop pod-my-shared-pod");
    for unit in PODS.iter().chain(&["pod-my-shared-pod"]) {
        assert_eq!(machine.property(unit, "ActiveState"), "inactive", "{unit}");
    }
    assert_eq!(
        machine.ok("systemctl is-system-running"),
        "running",
        "a plain start and stop fails nothing"
    );
    machine.run("curl -sS --max-time 5 localhost:8080").exits(7);
    machine.nothing_is_left();
    // And again: a start finds nothing in its way.
    machine.ok("systemctl start pod-my-shared-pod && curl -sS --max-time 5 localhost:8080 && systemctl restart pod-my-shared-pod && curl -sS --max-time 5 localhost:8080 && systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}

#[test]
fn the_same_pod_as_quadlet_files() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write(
        "/etc/podunit/my-shared-pod.pod",
        "[Pod]\nShare=net pid\nPublishPort=8080:80\n",
    );
    machine.write(
        "/etc/podunit/nginx-server.container",
        "[Unit]\nDescription=The server\n[Container]\nPod=my-shared-pod.pod\nImage=docker.io/library/nginx\n",
    );
    machine.define(
        "busybox-client.container",
        "[Unit]\nAfter=nginx-server.container\n[Container]\nPod=my-shared-pod.pod\nImage=docker.io/library/busybox\n\
         Exec=sh -c \"while true; do wget -O - http://localhost:80/ || echo failed; sleep 5; done\"\n",
    );
    machine.ok("systemctl start pod-my-shared-pod && curl -sS --max-time 5 localhost:8080");
    assert_eq!(
        machine.property("pod-my-shared-pod-nginx-server", "Description"),
        "The server"
    );
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}

#[test]
fn generated_units_pass_systemds_own_check() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define("my-shared-pod.pod", crate::FOUNDING);
    let ran = machine
        .run("systemd-analyze verify --man=no /run/systemd/generator/pod-my-shared-pod*.service")
        .exits(0);
    assert_eq!(ran.all(), "");
}

#[test]
fn a_member_restarts_alone() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let others = [
        "pod-my-shared-pod",
        "pod-my-shared-pod-infra",
        "pod-my-shared-pod-busybox-client",
    ];
    let before = machine.pids(&others);
    let old = machine.property("pod-my-shared-pod-nginx-server", "MainPID");
    machine.ok("systemctl restart pod-my-shared-pod-nginx-server");
    assert_ne!(machine.property("pod-my-shared-pod-nginx-server", "MainPID"), old);
    assert_eq!(machine.pids(&others), before);
    machine.until("curl -sS --max-time 5 localhost:8080", |ran| ran.status == 0);
    machine.until_prints("systemctl show -P StatusText pod-my-shared-pod", "2/2 ready");
}

#[test]
fn the_default_share_needs_no_pid_1() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define("plain.pod", "[Pod]\nPublishPort=8080:80\n[Container web]\nImage=nginx\n[Container cli]\nImage=busybox\nStopSignal=KILL\nExec=sleep infinity\n");
    machine.ok("systemctl start pod-plain && curl -sS --max-time 5 localhost:8080");
    // Two of them: the supervisor alone stays.
    machine.until_prints("pgrep -c podunit", "1");
    let processes = machine.ok("podunit exec plain/cli ps");
    assert!(!processes.contains("nginx"), "{processes}");
    assert_eq!(machine.ok("podunit exec plain/cli hostname"), "plain");
    machine.ok("podunit exec plain/web sh -c 'echo shared > /dev/shm/note' 2>/dev/null || true");
    machine.ok("podunit exec plain/cli sh -c 'echo x > /dev/shm/from-cli'");
    let (web, cli) = (
        machine.property("pod-plain-web", "MainPID"),
        machine.property("pod-plain-cli", "MainPID"),
    );
    for (namespace, shared) in [
        ("net", true),
        ("ipc", true),
        ("uts", true),
        ("pid", false),
        ("mnt", false),
    ] {
        let same = machine
            .run(&format!(
                "test /proc/{web}/ns/{namespace} -ef /proc/{cli}/ns/{namespace}"
            ))
            .status
            == 0;
        assert_eq!(same, shared, "{namespace}");
    }
    machine.ok(&format!("test -e /proc/{web}/root/dev/shm/from-cli"));
    machine.ok("systemctl stop pod-plain");
    machine.nothing_is_left();
}
