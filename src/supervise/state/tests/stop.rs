//! The end of a pod.

use super::*;

#[test]
fn an_init_member_that_is_stopped_while_it_runs_has_not_failed() {
    let mut pod = Pod::starting([init("a"), main("b")], [running(), waiting()]);
    pod.own = Active::Deactivating;
    pod.step(Event::Stop);
    let actions = pod.member(0, failed("signal", 15));
    assert_eq!(actions, [Action::Forget(Role::Member(0))]);
}

#[test]
fn a_stop_by_systemd_is_waited_for_and_nothing_is_stopped_twice() {
    let mut pod = Pod::ready();
    pod.own = Active::Deactivating;
    pod.infra(Unit { job: true, ..up(1) });
    let actions = pod.step(Event::Stop);
    assert!(
        !actions.iter().any(|action| matches!(action, Action::StopUnit(_))),
        "{actions:?}"
    );
    assert!(actions.contains(&Action::Stopping));
    pod.member(0, down(0));
    pod.member(1, down(0));
    assert_eq!(pod.infra(down(0)), [Action::Exit(0)]);
    assert_eq!(pod.step(Event::Stop), []);
}

#[test]
fn a_stop_ends_without_a_bus_when_nothing_is_left() {
    let mut pod = Pod::ready();
    assert_eq!(pod.step(Event::Vanished), [], "nobody stops it");
    pod.own = Active::Deactivating;
    pod.step(Event::Stop);
    pod.step(Event::Syncing);
    assert_eq!(pod.step(Event::Vanished), [Action::Exit(0)]);
    assert_eq!(pod.step(Event::Vanished), []);
}

#[test]
fn a_signal_from_elsewhere_stops_the_pod_as_systemctl_would() {
    let mut pod = Pod::ready();
    let actions = pod.step(Event::Stop);
    assert!(actions.contains(&Action::StopUnit(Role::Pod)), "{actions:?}");
    let mut pod = Pod::ready();
    pod.own = Active::Deactivating;
    let actions = pod.step(Event::Stop);
    assert!(
        actions.contains(&Action::StopUnit(Role::Infra)),
        "a stop without dependencies: {actions:?}"
    );
}

#[test]
fn a_start_in_the_middle_of_a_stop_leaves_what_runs_to_the_next_supervisor() {
    let stopping = |invocation| Unit {
        job: true,
        ..up(invocation)
    };
    let mut pod = Pod::ready();
    pod.own = Active::Deactivating;
    pod.infra(stopping(1));
    pod.member(0, stopping(2));
    pod.member(1, stopping(3));
    pod.step(Event::Stop);
    pod.member(0, down(0));
    // The start comes.
    pod.starts = true;
    let actions = pod.infra(up(1));
    assert!(
        !actions.contains(&Action::Exit(0)),
        "a member is still stopping: {actions:?}"
    );
    let actions = pod.member(1, up(3));
    assert!(actions.ends_with(&[Action::Exit(0)]), "{actions:?}");

    // Or it came before anything was seen of the stop.
    let mut pod = Pod::ready();
    (pod.own, pod.starts) = (Active::Deactivating, true);
    let actions = pod.step(Event::Stop);
    let stops = actions.iter().any(|action| matches!(action, Action::StopUnit(_)));
    assert!(!stops, "{actions:?}");
    assert!(actions.ends_with(&[Action::Exit(0)]), "{actions:?}");
}

#[test]
fn a_restart_does_not_touch_the_new_infra() {
    let mut pod = Pod::ready();
    pod.own = Active::Deactivating;
    pod.infra(Unit { job: true, ..up(1) });
    pod.step(Event::Stop);
    pod.member(0, waiting());
    pod.member(1, waiting());
    let actions = pod.infra(Unit {
        active: Active::Activating,
        ..up(5)
    });
    assert_eq!(actions, [Action::Exit(0)]);
}

#[test]
fn a_stop_before_anything_is_known_waits_for_the_units() {
    let mut machine = Machine::new(vec![main("a")], false, FailurePolicy::Isolate, None);
    assert_eq!(machine.step(Event::Stop), []);
    machine.step(Event::Unit(Role::Infra, Box::new(up(1))));
    machine.step(Event::Unit(Role::Member(0), Box::new(up(2))));
    assert!(machine.step(Event::Synced).contains(&Action::Recheck));
}
