//! The way to the first `READY=1`.

use super::*;

#[test]
fn a_start_waits_for_members_ports_and_a_moment() {
    let mut pod = Pod::new(None, waiting(), [waiting(), waiting()]);
    assert_eq!(pod.status(), "0/2 ready: infra is not up");
    assert!(pod.infra(up(1)).contains(&Action::Attach));
    pod.member(0, up(2));
    assert_eq!(pod.status(), "1/2 ready: b waits for its turn");
    let actions = pod.member(1, up(3));
    assert!(actions.contains(&Action::LookAtPorts) && actions.contains(&Action::Settle));
    pod.step(Event::Ports(vec![80]));
    assert_eq!(pod.status(), "2/2 ready: port 80/tcp has no listener");
    assert!(!pod.step(settled()).contains(&Action::Ready));
    let actions = pod.step(Event::Ports(Vec::new()));
    assert!(
        actions.contains(&Action::Ready) && actions.contains(&Action::Remember(1)),
        "{actions:?}"
    );
    assert_eq!(pod.status(), "2/2 ready");
}

#[test]
fn a_change_seen_in_the_last_look_holds_readiness_back() {
    let mut pod = Pod::new(None, up(1), [up(2), up(3)]);
    pod.step(settled());
    let mut machine = pod.machine.clone();
    assert!(machine.step(Event::Ports(Vec::new())).contains(&Action::Recheck));
    let mut list = pod.list();
    list[3].active = Active::Failed;
    assert_eq!(machine.step(Event::Rechecked(list)), [Action::Sync]);
    machine.step(Event::Unit(Role::Member(1), Box::new(failed("exit-code", 1))));
    let actions = machine.step(Event::Synced);
    let text = "the pod has failed: b failed: exit status 1".to_owned();
    assert!(actions.contains(&Action::Warn(text)), "{actions:?}");
}

#[test]
fn a_member_that_fails_fails_the_start_and_everything_goes_down() {
    for unit in [failed("exit-code", 1), restarting(1)] {
        let mut pod = Pod::new(None, up(1), [up(2), waiting()]);
        let actions = pod.member(1, unit);
        assert!(actions.contains(&Action::StopUnit(Role::Infra)), "{actions:?}");
        assert_eq!(
            (pod.status(), pod.machine.state()),
            ("b failed: exit status 1", PodState::Failed)
        );
        pod.member(1, down(0));
        pod.infra(down(0));
        assert_eq!(pod.member(0, down(0)), [Action::Exit(1)]);
    }
}

#[test]
fn a_restart_that_was_not_seen_fails_the_start() {
    let mut pod = Pod::new(None, up(1), [up(2), waiting()]);
    pod.member(1, Unit { restarts: 1, ..up(4) });
    assert_eq!(pod.machine.state(), PodState::Failed);
    // After an end with success it is no failure.
    let mut pod = Pod::new(None, up(1), [up(2), waiting()]);
    pod.member(
        1,
        Unit {
            result: "success".to_owned(),
            ..restarting(0)
        },
    );
    pod.member(1, Unit { restarts: 1, ..up(4) });
    assert_eq!(pod.machine.state(), PodState::Starting);
    // The counter of a unit that only waits is that of its last life.
    let pod = Pod::new(
        None,
        up(1),
        [
            up(2),
            Unit {
                restarts: 7,
                ..waiting()
            },
        ],
    );
    assert_eq!(pod.machine.state(), PodState::Starting);
}

#[test]
fn a_member_that_was_skipped_holds_nothing_up() {
    let mut skipped = Unit {
        active_enter: 0,
        ..down(0)
    };
    skipped.condition.at = 120;
    let mut pod = Pod::new(None, up(1), [up(2), skipped]);
    pod.step(settled());
    pod.step(Event::Ports(Vec::new()));
    assert_eq!(
        (pod.status(), pod.machine.state()),
        (
            "1/1 ready: b was skipped, a condition of its unit is not met",
            PodState::Ready
        )
    );
}

#[test]
fn a_member_that_ends_too_early_fails_the_start_and_degrades_a_pod_that_was_ready() {
    let mut pod = Pod::new(None, up(1), [up(2), up(3)]);
    pod.member(1, ended());
    assert_eq!(pod.machine.state(), PodState::Failed);
    for word in ["b ended with exit status 0", "Init=true", "Essential=no"] {
        assert!(pod.status().contains(word), "{}", pod.status());
    }
    let mut pod = Pod::ready();
    let actions = pod.member(1, ended());
    let text = "the pod is degraded: 1/2 ready: b ended with exit status 0".to_owned();
    assert!(actions.contains(&Action::Warn(text)), "{actions:?}");
    let actions = pod.member(1, up(4));
    let text = "the pod is ready again: 2/2 ready".to_owned();
    assert!(actions.contains(&Action::Note(text)), "{actions:?}");
}

#[test]
fn what_the_pod_does_not_need_neither_holds_it_up_nor_degrades_it() {
    let mut pod = Pod::of(
        [main("a"), needless("b")],
        FailurePolicy::StopPod,
        None,
        up(1),
        [up(2), waiting()],
    );
    pod.step(settled());
    pod.step(Event::Ports(Vec::new()));
    assert_eq!(pod.machine.state(), PodState::Ready);
    pod.member(1, failed("exit-code", 3));
    assert_eq!(
        (pod.status(), pod.machine.state()),
        (
            "1/1 ready: b failed, exit status 3 (not essential)",
            PodState::Ready
        )
    );
    assert!(
        !pod.actions
            .iter()
            .any(|action| matches!(action, Action::Alarm(_)))
    );
    let pod = Pod::starting([main("a"), needless("b")], [up(2), ended()]);
    assert_eq!(pod.machine.state(), PodState::Starting);
}

#[test]
fn an_init_member_is_done_when_it_has_ended_with_success() {
    let mut pod = Pod::starting([init("a"), main("b")], [running(), waiting()]);
    assert_eq!(pod.status(), "0/1 ready: init a is running; b waits for its turn");
    pod.member(0, done());
    pod.member(1, up(3));
    pod.step(settled());
    pod.step(Event::Ports(Vec::new()));
    assert_eq!(
        (pod.status(), pod.machine.state()),
        ("1/1 ready", PodState::Ready)
    );
}

#[test]
fn an_init_member_that_fails_is_named_and_not_those_that_wait_for_it() {
    let mut pod = Pod::starting([main("a"), init("b")], [waiting(), running()]);
    // systemd may tell of the cancelled start first: before that is judged, all units are read again.
    let actions = pod.machine.step(Event::Unit(Role::Member(0), Box::new(down(0))));
    assert!(
        actions.contains(&Action::Recheck) && !pod.machine.is_stopping(),
        "{actions:?}"
    );
    pod.member(1, failed("exit-code", 7));
    assert_eq!(pod.status(), "init b failed: exit status 7");
    assert!(pod.actions.contains(&Action::StopUnit(Role::Infra)));
}

#[test]
fn a_start_that_takes_too_long_says_what_it_waited_for() {
    let starting = Unit {
        active: Active::Activating,
        ..up(3)
    };
    let mut pod = Pod::new(None, up(1), [up(2), starting]);
    pod.step(Event::Deadline);
    assert_eq!(
        pod.status(),
        "not ready in time (TimeoutStartSec=): b is starting"
    );
    assert!(pod.actions.contains(&Action::StopUnit(Role::Infra)));
    let mut pod = Pod::ready();
    assert_eq!(pod.step(Event::Deadline), []);
}

pub(super) fn fetching(status: &str) -> Event {
    let fetch = Fetch {
        under_way: true,
        status: status.to_owned(),
    };
    Event::Image(0, fetch)
}

/// A pod that starts; a needs no image and b waits for the only one there is.
fn fetching_pod() -> Pod {
    let mut pod = Pod::new(None, waiting(), [waiting(), waiting()]);
    pod.machine = pod
        .machine
        .with_images(vec!["nginx".to_owned()], &[None, Some(0)]);
    pod.infra(up(1));
    pod.member(0, up(2));
    pod
}

#[test]
fn the_time_that_a_registry_takes_is_not_the_pods() {
    let mut pod = fetching_pod();
    assert_eq!(
        pod.step(fetching("")),
        [
            Action::Clock { runs: false },
            Action::Status("1/2 ready: b waits for its image nginx".to_owned())
        ]
    );
    pod.step(fetching("3 MB of 7 MB"));
    assert_eq!(
        pod.status(),
        "1/2 ready: b waits for its image nginx: 3 MB of 7 MB"
    );
    assert_eq!(pod.step(Event::Deadline), []);
    let actions = pod.step(Event::Image(0, Fetch::default()));
    assert!(actions.contains(&Action::Clock { runs: true }), "{actions:?}");
    pod.step(Event::Deadline);
    assert_eq!(
        pod.status(),
        "not ready in time (TimeoutStartSec=): b waits for its turn"
    );
}

#[test]
fn a_fetch_that_nobody_waits_for_changes_nothing() {
    // Another pod's, of the same image.
    let mut pod = fetching_pod();
    pod.member(1, up(3));
    assert_eq!(pod.step(fetching("")), []);
    pod.step(Event::Deadline);
    assert_eq!(pod.machine.state(), PodState::Failed);
    let mut pod = fetching_pod();
    pod.step(fetching(""));
    let actions = pod.step(Event::Stop);
    assert!(actions.contains(&Action::Clock { runs: true }), "{actions:?}");
    assert!(pod.machine.is_stopping());
}
