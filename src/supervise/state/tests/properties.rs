//! What holds whatever happens.

use super::probes::probed;
use super::start::fetching;
use super::*;

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
