//! The state machine by example and by property.

mod exit;
mod probes;
mod properties;
mod start;
mod stop;
mod up;

use super::*;
use crate::supervise::launcher::Launcher;
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

    /// A pod of these members that starts, its namespaces up.
    fn starting(parts: [Part; 2], members: [Unit; 2]) -> Self {
        Self::of(parts, FailurePolicy::Isolate, None, up(1), members)
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

fn ended() -> Unit {
    Unit {
        active_enter: 150,
        exit_code: 1,
        ..down(200)
    }
}

fn frozen(invocation: u128) -> Unit {
    Unit {
        frozen: true,
        ..up(invocation)
    }
}
