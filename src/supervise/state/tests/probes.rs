//! What probes say of members.

use super::*;

/// What probes say of the member `b` in its life 3.
pub(super) fn probed(unready: Option<&str>) -> Probed {
    Probed {
        life: 3,
        unready: unready.map(str::to_owned),
        ..Probed::default()
    }
}

fn starting(invocation: u128) -> Unit {
    Unit {
        active: Active::Activating,
        ..up(invocation)
    }
}

#[test]
fn a_start_waits_for_probes_and_readiness_falls_and_returns() {
    let mut pod = Pod::new(None, up(1), [up(2), starting(3)]);
    let step = |pod: &mut Pod, probed| pod.step(Event::Probed(1, Box::new(probed)));
    step(&mut pod, probed(Some("no")));
    assert_eq!(pod.status(), "1/2 ready: b is starting: no");
    pod.member(1, up(3));
    let actions = step(&mut pod, probed(Some("unhealthy")));
    assert!(!actions.contains(&Action::LookAtPorts), "{actions:?}");
    assert_eq!(pod.status(), "1/2 ready: b is not ready: unhealthy");
    step(&mut pod, probed(None));
    pod.step(settled());
    assert!(pod.step(Event::Ports(Vec::new())).contains(&Action::Ready));
    let actions = step(&mut pod, probed(Some("no")));
    assert_eq!(pod.machine.state(), PodState::Degraded);
    assert_eq!(actions.len(), 2, "a status and a warning: {actions:?}");
    step(&mut pod, probed(None));
    assert_eq!(
        (pod.status(), pod.machine.state()),
        ("2/2 ready", PodState::Ready)
    );
    // Started again, it has to pass anew; what was said of its last life says nothing.
    pod.member(1, starting(4));
    step(&mut pod, probed(Some("old")));
    assert_eq!(pod.status(), "1/2 ready: b is starting");
    step(
        &mut pod,
        Probed {
            life: 4,
            ..probed(Some("no"))
        },
    );
    assert_eq!(pod.machine.state(), PodState::Degraded);
}

#[test]
fn time_that_a_probe_gives_is_not_the_pods() {
    let mut pod = Pod::new(None, up(1), [up(2), starting(3)]);
    let patient = Probed {
        is_patient: true,
        ..probed(Some("no"))
    };
    let actions = pod.step(Event::Probed(1, Box::new(patient)));
    assert!(actions.contains(&Action::Clock { runs: false }), "{actions:?}");
    assert_eq!(pod.step(Event::Deadline), []);
    let actions = pod.step(Event::Probed(1, Box::new(probed(Some("no")))));
    assert!(actions.contains(&Action::Clock { runs: true }), "{actions:?}");
    pod.step(Event::Deadline);
    assert_eq!(
        pod.status(),
        "not ready in time (TimeoutStartSec=): b is starting: no"
    );
}

#[test]
fn a_member_that_its_probes_have_ended_has_failed_for_their_reason() {
    let ended = Probed {
        ended: Some("it was unhealthy".to_owned()),
        ..probed(Some("unhealthy"))
    };
    for unit in [failed("signal", 9), down(0)] {
        let mut pod = Pod::ready();
        pod.step(Event::Probed(1, Box::new(ended.clone())));
        pod.member(
            1,
            Unit {
                invocation: 3,
                ..unit
            },
        );
        assert_eq!(
            (pod.status(), pod.machine.state()),
            ("1/2 ready: b failed, it was unhealthy", PodState::Degraded)
        );
    }
    let mut pod = Pod::new(None, up(1), [up(2), starting(3)]);
    pod.step(Event::Probed(1, Box::new(probed(Some("no")))));
    pod.member(
        1,
        Unit {
            invocation: 3,
            ..failed("timeout", 15)
        },
    );
    assert_eq!(pod.status(), "b failed: a time limit of its unit ran out; no");
}
