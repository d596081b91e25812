//! A pod that has been ready: adoption, crashes, failures, frozen pods.

use super::*;

#[test]
fn members_that_needed_an_init_member_come_back_when_it_is_done() {
    let mut pod = Pod::ready_of([init("a"), main("b")], FailurePolicy::Isolate);
    pod.infra(restarting(9));
    pod.member(0, waiting());
    pod.member(1, waiting());
    pod.infra(Unit {
        active_enter: 300,
        ..up(7)
    });
    // systemd gives up the start of what requires it.
    pod.member(0, restarting(1));
    pod.member(1, down(0));
    assert_eq!(pod.machine.state(), PodState::Degraded);
    pod.actions.clear();
    pod.member(0, running());
    assert!(!pod.actions.contains(&Action::StartUnit(Role::Member(1))));
    pod.member(0, done());
    assert!(
        pod.actions.contains(&Action::StartUnit(Role::Member(1))),
        "{:?}",
        pod.actions
    );
    pod.member(1, up(8));
    assert_eq!(pod.machine.state(), PodState::Ready);
}

#[test]
fn a_member_whose_launcher_was_killed_is_restarted() {
    for mut pod in [Pod::new(None, up(1), [up(2), up(3)]), Pod::ready()] {
        let was_starting = pod.machine.is_starting();
        pod.step(Event::Ports(Vec::new()));
        let actions = pod.member(1, up(4));
        assert!(actions.contains(&Action::Settle), "{actions:?}");
        pod.step(Event::Settled(vec![Launcher::Done, Launcher::AtWork]));
        let actions = pod.step(Event::Settled(vec![Launcher::Done, Launcher::Killed]));
        assert!(
            actions.contains(&Action::RestartUnit(Role::Member(1))),
            "{actions:?}"
        );
        assert!(!actions.contains(&Action::Ready));
        assert_eq!(
            pod.step(Event::Settled(vec![Launcher::Done, Launcher::Killed])),
            []
        );
        pod.member(
            1,
            Unit {
                job: true,
                active: Active::Deactivating,
                ..up(4)
            },
        );
        pod.member(1, up(5));
        let actions = pod.step(settled());
        assert_eq!(actions.contains(&Action::Ready), was_starting);
        assert_eq!(pod.machine.state(), PodState::Ready);
    }
}

#[test]
fn the_start_of_a_member_whose_launcher_was_killed_fails() {
    let mut pod = Pod::ready();
    let on_its_way = Unit {
        active: Active::Activating,
        job: true,
        ..up(4)
    };
    let actions = pod.member(1, on_its_way.clone());
    assert!(actions.contains(&Action::WatchLaunchers) && !actions.contains(&Action::Settle));
    assert_eq!(
        pod.step(Event::Settled(vec![Launcher::Done, Launcher::AtWork])),
        []
    );
    let actions = pod.step(Event::Settled(vec![Launcher::Done, Launcher::Killed]));
    assert!(
        actions.contains(&Action::KillUnit(Role::Member(1))),
        "{actions:?}"
    );
    assert_eq!(
        pod.step(Event::Settled(vec![Launcher::Done, Launcher::Killed])),
        []
    );
    // One that comes up has its moment as ever.
    let mut pod = Pod::ready();
    pod.member(1, on_its_way);
    assert!(pod.member(1, up(4)).contains(&Action::Settle));
}

#[test]
fn a_pod_that_is_to_stop_with_its_member_does() {
    let mut pod = Pod::ready_of([main("a"), main("b")], FailurePolicy::StopPod);
    assert!(
        !pod.member(1, restarting(1))
            .iter()
            .any(|action| matches!(action, Action::Alarm(_)))
    );
    let actions = pod.member(
        1,
        Unit {
            inactive_enter: 200,
            ..failed("exit-code", 1)
        },
    );
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Alarm(Some(_)))),
        "{actions:?}"
    );
    // Killed by the end of infra, which is seen later: that is another matter.
    let mut crashed = Pod {
        machine: pod.machine.clone(),
        own: pod.own,
        starts: false,
        actions: Vec::new(),
    };
    let actions = crashed.infra(restarting(9));
    assert!(actions.contains(&Action::Alarm(None)), "{actions:?}");
    assert_eq!(crashed.step(Event::Alarm), []);
    pod.step(Event::Alarm);
    assert_eq!(
        (pod.status(), pod.machine.state()),
        ("b failed: exit status 1 (OnFailure=stop-pod)", PodState::Failed)
    );
    assert!(pod.actions.contains(&Action::StopUnit(Role::Infra)));
}

#[test]
fn a_pod_that_is_to_restart_with_its_member_does_after_a_pause_that_grows() {
    let gone = |at| Unit {
        inactive_enter: at,
        ..failed("exit-code", 1)
    };
    let mut pod = Pod::ready_of([main("a"), main("b")], FailurePolicy::RestartPod);
    for (life, pause) in [(1_u32, 1), (2, 2), (3, 4)] {
        let at = u64::from(life) * 1000;
        let actions = pod.member(1, gone(at + 100));
        assert!(
            actions.contains(&Action::Alarm(Some(Duration::from_secs(pause)))),
            "{actions:?}"
        );
        assert_eq!(
            pod.status(),
            format!("1/2 ready: b failed, exit status 1; the pod is restarted in {pause}s")
        );
        assert_eq!(pod.machine.state(), PodState::Recovering);
        let actions = pod.step(Event::Alarm);
        assert!(actions.contains(&Action::RestartUnit(Role::Infra)), "{actions:?}");
        let old = u128::from(life);
        pod.infra(Unit {
            active: Active::Deactivating,
            job: true,
            ..up(old)
        });
        pod.member(0, waiting());
        let actions = pod.infra(Unit {
            active_enter: at + 1000,
            ..up(old + 1)
        });
        assert!(
            actions.contains(&Action::StartAnew(Role::Member(1))),
            "{actions:?}"
        );
        assert_eq!(pod.machine.state(), PodState::Recovering);
        pod.member(0, up(20 + old));
        pod.member(1, waiting());
        assert_eq!(pod.machine.state(), PodState::Recovering);
        pod.member(1, up(30 + old));
        assert_eq!(pod.machine.state(), PodState::Ready);
    }
    // A long time without a failure: as if nothing had been.
    pod.step(Event::Alarm);
    let actions = pod.member(1, gone(9000));
    assert!(
        actions.contains(&Action::Alarm(Some(Duration::from_secs(1)))),
        "{actions:?}"
    );
}

#[test]
fn a_frozen_pod_says_so_and_is_not_ready() {
    let mut pod = Pod::ready();
    pod.member(0, frozen(2));
    assert_eq!(
        (pod.machine.state(), pod.status()),
        (PodState::Degraded, "1/2 ready: a is frozen")
    );
    pod.infra(frozen(1));
    pod.member(1, frozen(3));
    assert_eq!((pod.machine.state(), pod.status()), (PodState::Frozen, "frozen"));
    pod.infra(up(1));
    assert_eq!(pod.machine.state(), PodState::Degraded);
    pod.member(0, up(2));
    pod.member(1, up(3));
    assert_eq!(pod.machine.state(), PodState::Ready);
    // A member that is frozen while the pod starts holds it up.
    let mut pod = Pod::new(None, up(1), [up(2), frozen(3)]);
    pod.step(Event::Settled(vec![Launcher::Done; 2]));
    pod.step(Event::Ports(Vec::new()));
    assert_eq!(pod.machine.state(), PodState::Starting);
}

#[test]
fn a_successor_adopts_and_touches_nothing() {
    let mut pod = Pod::new(Some(1), up(1), [up(2), failed("exit-code", 1)]);
    assert!(pod.actions.contains(&Action::Ready));
    assert_eq!(
        (pod.status(), pod.machine.state()),
        ("1/2 ready: b failed, exit status 1", PodState::Degraded)
    );
    let touches = |action: &Action| matches!(action, Action::StopUnit(_) | Action::StartUnit(_));
    assert!(!pod.actions.iter().any(touches));
    pod.step(Event::Deadline);
    assert_eq!(pod.machine.state(), PodState::Degraded);
}

#[test]
fn a_marker_of_a_pod_that_is_over_is_no_adoption() {
    let mut pod = Pod::new(Some(99), waiting(), [waiting(), waiting()]);
    pod.infra(up(1));
    pod.member(0, failed("exit-code", 1));
    assert_eq!(pod.machine.state(), PodState::Failed);
}

#[test]
fn after_a_crash_of_infra_what_ran_is_started_and_what_was_stopped_is_not() {
    let mut pod = Pod::ready();
    pod.member(1, down(150));
    assert_eq!(pod.status(), "1/2 ready: b ended");
    // The kernel kills the members of a dead process ID namespace; that may be seen before infra's end.
    pod.member(
        0,
        Unit {
            inactive_enter: 199_999_000,
            ..failed("signal", 9)
        },
    );
    assert_eq!(pod.machine.state(), PodState::Degraded);
    pod.infra(Unit {
        active_exit: 200_000_000,
        ..restarting(9)
    });
    assert_eq!(pod.machine.state(), PodState::Recovering);
    let actions = pod.infra(Unit {
        active_enter: 300_000_000,
        ..up(7)
    });
    assert!(actions.contains(&Action::Attach) && actions.contains(&Action::Remember(7)));
    let started: Vec<_> = actions
        .iter()
        .filter(|action| matches!(action, Action::StartUnit(_)))
        .collect();
    assert_eq!(started, [&Action::StartUnit(Role::Member(0))]);
    assert_eq!(
        pod.actions
            .iter()
            .filter(|action| **action == Action::Ready)
            .count(),
        1
    );
}

#[test]
fn infra_that_is_started_again_at_once_does_not_end_the_pod() {
    let mut pod = Pod::ready();
    let told = pod
        .machine
        .step(Event::Unit(Role::Infra, Box::new(failed("signal", 9))));
    assert!(told.contains(&Action::Recheck), "{told:?}");
    let again = restarting(9);
    let list = pod.list();
    let now = list.iter().enumerate().map(|(at, unit)| match at {
        1 => listed(&again),
        _ => unit.clone(),
    });
    let told = pod.machine.step(Event::Rechecked(now.collect()));
    assert_eq!(told, [Action::Sync]);
    pod.infra(again);
    pod.step(Event::Synced);
    assert_eq!(pod.machine.state(), PodState::Recovering);
    assert!(!pod.actions.contains(&Action::StopUnit(Role::Infra)));
}

#[test]
fn infra_that_fails_for_good_ends_the_pod() {
    let mut pod = Pod::ready();
    let actions = pod.infra(failed("start-limit-hit", 0));
    for wanted in [Role::Infra, Role::Member(0), Role::Member(1)] {
        assert!(actions.contains(&Action::StopUnit(wanted)), "{actions:?}");
    }
    pod.member(0, down(0));
    assert_eq!(pod.member(1, down(0)), [Action::Exit(1)]);
}
