//! The state machine by example and by property.

use super::*;
use crate::supervise::event::Launcher;
use proptest::prelude::*;
use std::time::Duration;

fn up(invocation: u128) -> Unit {
    Unit {
        load: "loaded".to_owned(),
        active: Active::Active,
        invocation,
        main_pid: 40,
        result: "success".to_owned(),
        active_enter: 100,
        ..Unit::default()
    }
}

fn waiting() -> Unit {
    Unit {
        load: "loaded".to_owned(),
        job: true,
        ..Unit::default()
    }
}

fn failed(result: &str, status: i32) -> Unit {
    let exit_code = if result == "signal" { 2 } else { 1 };
    Unit {
        active: Active::Failed,
        result: result.to_owned(),
        exit_code,
        exit_status: status,
        ..down(0)
    }
}

fn restarting(status: i32) -> Unit {
    Unit {
        active: Active::Activating,
        restarting: true,
        ..failed("exit-code", status)
    }
}

fn down(at: u64) -> Unit {
    Unit {
        active: Active::Inactive,
        main_pid: 0,
        inactive_enter: at,
        ..up(1)
    }
}

fn listed(unit: &Unit) -> Listed {
    Listed {
        name: String::new(),
        load: unit.load.clone(),
        active: unit.active,
        restarting: unit.restarting,
        job: unit.job,
        starts: false,
    }
}

fn main(name: &str) -> Part {
    Part {
        name: name.to_owned(),
        essential: true,
        init: false,
        settles: true,
    }
}

fn init(name: &str) -> Part {
    Part {
        init: true,
        settles: false,
        ..main(name)
    }
}

fn needless(name: &str) -> Part {
    Part {
        essential: false,
        ..main(name)
    }
}

/// An init member that has done its work.
fn done() -> Unit {
    Unit {
        main_pid: 0,
        exit_code: 1,
        ..up(2)
    }
}

/// An init member at work.
fn running() -> Unit {
    Unit {
        active: Active::Activating,
        job: true,
        ..up(2)
    }
}

fn settled() -> Event {
    Event::Settled(vec![Launcher::Done; 2])
}

/// A machine with its world: what systemd would say if asked.
struct Pod {
    machine: Machine,
    own: Active,
    /// Whether a start of the pod waits for the end of its stop.
    starts: bool,
    actions: Vec<Action>,
}

impl Pod {
    fn new(marker: Option<u128>, infra: Unit, members: [Unit; 2]) -> Self {
        Self::of(
            [main("a"), main("b")],
            FailurePolicy::Isolate,
            marker,
            infra,
            members,
        )
    }

    fn of(
        parts: [Part; 2],
        on_failure: FailurePolicy,
        marker: Option<u128>,
        infra: Unit,
        members: [Unit; 2],
    ) -> Self {
        let mut pod = Self {
            machine: Machine::new(parts.to_vec(), true, on_failure, marker),
            own: Active::Activating,
            starts: false,
            actions: Vec::new(),
        };
        pod.infra(infra);
        let [a, b] = members;
        pod.member(0, a);
        pod.member(1, b);
        pod.step(Event::Synced);
        pod
    }

    /// Takes a step and answers what can be answered at once.
    fn step(&mut self, event: Event) -> Vec<Action> {
        let mut new = self.machine.step(event);
        let mut at = 0;
        while at < new.len() {
            let answer = match &new[at] {
                Action::Recheck => Some(Event::Rechecked(self.list())),
                Action::Sync => Some(Event::Synced),
                _ => None,
            };
            if let Some(answer) = answer {
                let more = self.machine.step(answer);
                new.extend(more);
            }
            at += 1;
        }
        self.actions.extend(new.iter().cloned());
        new
    }

    fn list(&self) -> Vec<Listed> {
        let own = Unit {
            active: self.own,
            ..Unit::default()
        };
        let units = [
            &own,
            self.machine.infra(),
            self.machine.member(0),
            self.machine.member(1),
        ];
        let mut list: Vec<Listed> = units.into_iter().map(listed).collect();
        list[0].starts = self.starts;
        list
    }

    fn infra(&mut self, unit: Unit) -> Vec<Action> {
        self.step(Event::Unit(Role::Infra, Box::new(unit)))
    }

    fn member(&mut self, at: usize, unit: Unit) -> Vec<Action> {
        self.step(Event::Unit(Role::Member(at), Box::new(unit)))
    }

    fn status(&self) -> &str {
        self.machine.status()
    }

    /// A pod that is ready.
    fn ready() -> Self {
        Self::ready_of([main("a"), main("b")], FailurePolicy::Isolate)
    }

    fn ready_of(parts: [Part; 2], on_failure: FailurePolicy) -> Self {
        let units = parts.clone().map(|part| if part.init { done() } else { up(3) });
        let mut pod = Self::of(parts, on_failure, None, up(1), units);
        pod.step(settled());
        pod.step(Event::Ports(Vec::new()));
        assert_eq!(pod.machine.state(), PodState::Ready);
        pod.own = Active::Active;
        pod
    }
}

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

fn ended() -> Unit {
    Unit {
        active_enter: 150,
        exit_code: 1,
        ..down(200)
    }
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
    let pod = Pod::of(
        [main("a"), needless("b")],
        FailurePolicy::Isolate,
        None,
        up(1),
        [up(2), ended()],
    );
    assert_eq!(pod.machine.state(), PodState::Starting);
}

#[test]
fn an_init_member_is_done_when_it_has_ended_with_success() {
    let mut pod = Pod::of(
        [init("a"), main("b")],
        FailurePolicy::Isolate,
        None,
        up(1),
        [running(), waiting()],
    );
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
    let mut pod = Pod::of(
        [main("a"), init("b")],
        FailurePolicy::Isolate,
        None,
        up(1),
        [waiting(), running()],
    );
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
fn an_init_member_that_is_stopped_while_it_runs_has_not_failed() {
    let mut pod = Pod::of(
        [init("a"), main("b")],
        FailurePolicy::Isolate,
        None,
        up(1),
        [running(), waiting()],
    );
    pod.own = Active::Deactivating;
    pod.step(Event::Stop);
    let actions = pod.member(0, failed("signal", 15));
    assert_eq!(actions, [Action::Forget(Role::Member(0))]);
}

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

fn frozen(invocation: u128) -> Unit {
    Unit {
        frozen: true,
        ..up(invocation)
    }
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

fn fetching(status: &str) -> Event {
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

/// What probes say of the member `b` in its life 3.
fn probed(unready: Option<&str>) -> Probed {
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

fn any_unit() -> impl Strategy<Value = Unit> {
    let active = prop::sample::select(vec![
        Active::Inactive,
        Active::Activating,
        Active::Active,
        Active::Deactivating,
        Active::Failed,
    ]);
    let result = prop::sample::select(vec![
        "",
        "success",
        "exit-code",
        "signal",
        "start-limit-hit",
        "timeout",
    ]);
    let facts = (any::<bool>(), any::<bool>(), 0_u128..4, 0_u32..3);
    (active, result, facts, 0_u64..3, 0_u64..3).prop_map(
        |(active, result, facts, active_enter, inactive_enter)| {
            let (restarting, job, invocation, restarts) = facts;
            Unit {
                load: "loaded".to_owned(),
                active,
                restarting: restarting && active == Active::Activating,
                job,
                invocation,
                restarts,
                result: result.to_owned(),
                exit_code: 2,
                exit_status: 9,
                active_enter,
                inactive_enter,
                ..Unit::default()
            }
        },
    )
}

fn any_part() -> impl Strategy<Value = Part> {
    (any::<bool>(), prop::bool::weighted(0.3)).prop_map(|(essential, is_init)| Part {
        essential,
        ..if is_init { init("a") } else { main("a") }
    })
}

#[derive(Debug, Clone)]
enum Step {
    Unit(Role, Box<Unit>),
    Known(bool),
    Rechecked {
        own: Active,
        true_list: bool,
    },
    Ports(bool),
    Image(bool),
    Probed {
        unready: bool,
        ended: bool,
        is_patient: bool,
    },
    Settled([Launcher; 2]),
    Alarm,
    Deadline,
    Stop,
}

fn any_step() -> impl Strategy<Value = Step> {
    let role = prop::sample::select(vec![Role::Infra, Role::Member(0), Role::Member(1)]);
    let launcher = prop::sample::select(vec![
        Launcher::AtWork,
        Launcher::Done,
        Launcher::Done,
        Launcher::Killed,
    ]);
    let own = prop::sample::select(vec![Active::Activating, Active::Active, Active::Deactivating]);
    let up = prop::sample::select(vec![Role::Infra, Role::Member(0), Role::Member(1)])
        .prop_map(|r| Step::Unit(r, Box::new(up(1))));
    prop_oneof![
        6 => (role, any_unit()).prop_map(|(role, unit)| Step::Unit(role, Box::new(unit))),
        6 => up,
        2 => prop::bool::weighted(0.9).prop_map(Step::Known),
        4 => (own, prop::bool::weighted(0.8)).prop_map(|(own, true_list)| Step::Rechecked { own, true_list }),
        3 => any::<bool>().prop_map(Step::Ports),
        3 => prop::array::uniform2(launcher).prop_map(Step::Settled),
        2 => Just(Step::Alarm),
        3 => any::<bool>().prop_map(Step::Image),
        3 => any::<(bool, bool, bool)>().prop_map(|(unready, ended, is_patient)| Step::Probed { unready, ended, is_patient }),
        1 => Just(Step::Deadline),
        1 => Just(Step::Stop),
    ]
}

fn event(step: Step, pod: &mut Pod) -> Event {
    match step {
        Step::Unit(role, unit) => Event::Unit(role, unit),
        Step::Known(true) => Event::Synced,
        Step::Known(false) => Event::Syncing,
        Step::Rechecked { own, true_list } => {
            pod.own = own;
            let mut list = pod.list();
            if !true_list {
                list[2].active = Active::Failed;
            }
            Event::Rechecked(list)
        }
        Step::Probed {
            unready,
            ended,
            is_patient,
        } => {
            let life = pod.machine.member(1).invocation;
            let ended = ended.then(|| "it was unhealthy".to_owned());
            let unready = probed(unready.then_some("no"));
            Event::Probed(
                1,
                Box::new(Probed {
                    life,
                    ended,
                    is_patient,
                    ..unready
                }),
            )
        }
        Step::Image(true) => fetching(""),
        Step::Image(false) => Event::Image(0, Fetch::default()),
        Step::Ports(silent) => Event::Ports(if silent { vec![80] } else { Vec::new() }),
        Step::Settled(launchers) => Event::Settled(launchers.to_vec()),
        Step::Alarm => Event::Alarm,
        Step::Deadline => Event::Deadline,
        Step::Stop => Event::Stop,
    }
}

proptest! {
    #[test]
    fn whatever_happens(
        parts in prop::array::uniform2(any_part()),
        on_failure in prop::sample::select(vec![FailurePolicy::Isolate, FailurePolicy::RestartPod, FailurePolicy::StopPod]),
        marker in prop::option::of(0_u128..4), steps in prop::collection::vec(any_step(), 0..60)) {
        let machine = Machine::new(parts.to_vec(), true, on_failure, marker)
            .with_images(vec!["nginx".to_owned()], &[None, Some(0)]);
        let mut pod = Pod { machine, own: Active::Activating, starts: false, actions: Vec::new() };
        let (mut ready, mut over, mut held) = (false, false, false);
        let (mut alarm, mut least) = (None, Duration::from_secs(1));
        for step in steps {
            let asked_to_stop = matches!(step, Step::Stop);
            let was_stopping = pod.machine.is_stopping();
            let too_late = held && matches!(step, Step::Deadline);
            if matches!(step, Step::Alarm) && alarm.is_none() {
                // Nobody asked for one.
                continue;
            }
            let rung = matches!(step, Step::Alarm).then(|| alarm.take()).flatten();
            let event = event(step, &mut pod);
            let actions = pod.machine.step(event);
            prop_assert!(!over || actions.is_empty(), "{actions:?} after the end");
            for action in &actions {
                match action {
                    Action::Ready => {
                        prop_assert!(!ready, "READY=1 twice");
                        ready = true;
                        prop_assert_eq!(standing::infra(pod.machine.infra()), Infra::Up);
                        let good = |at: usize| !parts[at].essential || matches!(
                            pod.machine.standing(at), Standing::Up | Standing::Done | Standing::Skipped);
                        let adopted = pod.machine.adopted == Some(true);
                        prop_assert!(adopted || (good(0) && good(1) && pod.machine.ports == Ports::Open));
                    }
                    Action::StopUnit(_) => prop_assert!(pod.machine.is_stopping()),
                    Action::Alarm(pause) => {
                        prop_assert!(!pod.machine.is_stopping() || pause.is_none());
                        alarm = *pause;
                    }
                    Action::RestartUnit(Role::Infra) => {
                        // Never faster than its pauses, which only grow until they are forgotten.
                        prop_assert!(on_failure == FailurePolicy::RestartPod && !was_stopping);
                        prop_assert!(rung.is_some_and(|pause| pause >= least), "{rung:?} and not {least:?}");
                        least = (least * 2).min(Duration::from_secs(300));
                    }
                    Action::RestartUnit(Role::Member(at)) => {
                        prop_assert!(!was_stopping && pod.machine.member(*at).main_pid != 0);
                    }
                    Action::StartAnew(Role::Member(_)) => prop_assert!(on_failure == FailurePolicy::RestartPod),
                    Action::StartUnit(Role::Member(at)) => {
                        let unit = pod.machine.member(*at);
                        prop_assert!(ready && unit.is_down() && !unit.job);
                    }
                    Action::StartUnit(_) | Action::StartAnew(_) | Action::RestartUnit(Role::Pod) => {
                        prop_assert!(false, "only members are started");
                    }
                    Action::Clock { runs } => {
                        prop_assert_eq!(*runs, held, "it runs and stands still in turn");
                        held = !runs;
                    }
                    Action::Status(text) => prop_assert!(!text.contains('\n')),
                    Action::Exit(status) => {
                        over = true;
                        prop_assert!(*status == 0 || pod.machine.state() == PodState::Failed);
                    }
                    _ => {}
                }
            }
            if rung.is_some_and(|pause| pause == Duration::from_secs(600)) {
                least = Duration::from_secs(1);
            }
            prop_assert!(!too_late || actions.is_empty(), "{actions:?} while time stood still");
            let awaits = pod.machine.awaited_image(1).is_some();
            let waits = awaits || pod.machine.members[1].is_patient();
            prop_assert_eq!(held, waits && pod.machine.is_starting());
            if !was_stopping && pod.machine.is_stopping() && !asked_to_stop && pod.machine.adopted == Some(true) {
                let gone = matches!(standing::infra(pod.machine.infra()), Infra::Gone { .. });
                prop_assert!(gone || rung.is_some() && on_failure == FailurePolicy::StopPod, "an adopted pod goes on");
            }
        }
        // Whatever happened: when everything is down after a stop, the supervisor ends, and only once.
        if !over {
            pod.own = Active::Deactivating;
            pod.actions.clear();
            pod.step(Event::Synced);
            pod.step(Event::Stop);
            pod.infra(down(0));
            pod.member(0, down(0));
            pod.member(1, down(0));
            let exits = pod.actions.iter().filter(|action| matches!(action, Action::Exit(_))).count();
            prop_assert_eq!(exits, 1);
        }
    }
}
