//! `ExitPolicy=`.

use super::*;
use crate::model::ExitPolicy;

fn ready(parts: [Part; 2]) -> Pod {
    let mut pod = Pod::ready_of(parts, FailurePolicy::Isolate);
    pod.machine = pod.machine.with_exit_policy(ExitPolicy::Stop);
    pod
}

fn is_due(actions: &[Action]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, Action::Alarm(Some(_))))
}

#[test]
fn a_pod_stops_when_all_of_its_members_have_ended() {
    let mut pod = ready([main("a"), main("b")]);
    assert!(!is_due(&pod.member(0, ended())));
    assert!(is_due(&pod.member(1, ended())));
    pod.step(Event::Alarm);
    assert_eq!(pod.machine.state(), PodState::Stopping);
    // Nobody else stops it.
    assert!(pod.machine.is_stopping() && !pod.actions.contains(&Action::Exit(1)));

    // Without the policy it stays.
    let mut pod = Pod::ready();
    pod.member(0, ended());
    assert!(!is_due(&pod.member(1, ended())));
    assert_eq!(pod.machine.state(), PodState::Degraded);
}

#[test]
fn a_failure_among_them_is_one_of_the_pod() {
    let mut pod = ready([main("a"), main("b")]);
    pod.member(0, ended());
    pod.member(
        1,
        Unit {
            inactive_enter: 200,
            ..failed("exit-code", 3)
        },
    );
    pod.step(Event::Alarm);
    assert_eq!(pod.machine.state(), PodState::Failed);
    assert_eq!(
        pod.status(),
        "all containers have ended, and b failed: exit status 3 (ExitPolicy=stop)"
    );
}

#[test]
fn what_comes_back_keeps_the_pod() {
    let mut pod = ready([main("a"), main("b")]);
    pod.member(0, ended());
    assert!(!is_due(&pod.member(1, restarting(1))));
    assert!(is_due(&pod.member(1, ended())));
    // Killed by the end of infra, which is seen later.
    let actions = pod.infra(restarting(9));
    assert!(actions.contains(&Action::Alarm(None)), "{actions:?}");
    assert_eq!(pod.step(Event::Alarm), []);
    assert!(!pod.machine.is_stopping());
}

#[test]
fn init_members_are_no_reason_to_stay() {
    let mut pod = ready([init("a"), main("b")]);
    assert!(is_due(&pod.member(1, ended())));
}
