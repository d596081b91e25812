//! The end of a pod: stopped by somebody, or given up.

use super::{Infra, Machine, Phase, Recheck, standing};
use crate::supervise::event::{Action, Role};
use crate::systemd::manager::Listed;
use crate::systemd::unit::{Active, Unit};

/// A stop in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::supervise) struct Stop {
    /// Why the pod is given up; `None` if somebody asked for the stop.
    pub(in crate::supervise) failure: Option<String>,
    /// What else made it stop.
    pub(in crate::supervise) cause: Option<&'static str>,
    /// Init members that ran when the stop began: to be stopped is no failure of theirs.
    pub(super) inits: Vec<usize>,
    /// Whether it is known who stops infra, by a look at all units after the stop began.
    pub(super) settled: bool,
    /// Invocations of infra and members when the stop began, `None` for those that have ended since. Empty until
    /// the units are known.
    pub(super) waiting: Vec<Option<u128>>,
    /// Which of these were about to be stopped, by a job or by what was asked of systemd since.
    asked: Vec<bool>,
    /// Everything has ended, and [`Action::Exit`] was given.
    pub(super) over: bool,
}

impl Stop {
    fn end(&mut self, actions: &mut Vec<Action>) {
        actions.push(Action::Exit(u8::from(self.failure.is_some())));
        self.over = true;
    }
}

impl Machine {
    pub(super) fn stop(&mut self, failure: Option<String>, cause: Option<&'static str>) {
        let runs = |at: &usize| self.members[*at].init && self.members[*at].unit.active == Active::Activating;
        let inits = (0..self.members.len()).filter(runs).collect();
        let waiting = if self.synced { self.lives() } else { Vec::new() };
        self.recheck = Recheck::None;
        self.phase = Phase::Stopping(Stop {
            failure,
            cause,
            inits,
            settled: false,
            asked: vec![false; 1 + self.members.len()],
            waiting,
            over: false,
        });
    }

    /// Infra and the members have ended; how, nobody says.
    pub(super) fn vanished(&mut self, actions: &mut Vec<Action>) {
        if let Phase::Stopping(stop) = &mut self.phase
            && !stop.over
        {
            stop.end(actions);
        }
    }

    fn lives(&self) -> Vec<Option<u128>> {
        self.followed().map(|unit| Some(unit.invocation)).collect()
    }

    /// Infra and members.
    fn followed(&self) -> impl Iterator<Item = &Unit> {
        std::iter::once(&self.infra).chain(self.members.iter().map(|member| &member.unit))
    }

    /// The pod cannot be, or cannot go on: infra is stopped, which takes the members along, and when all is down
    /// the supervisor fails. Were infra left up, its `Upholds=` would start the pod again, for ever.
    pub(super) fn give_up(&mut self, why: String) {
        self.stop(Some(why), None);
    }

    pub(super) fn stopping(&mut self, actions: &mut Vec<Action>) {
        let Phase::Stopping(mut stop) = self.phase.clone() else {
            return;
        };
        if stop.over {
            return;
        }
        if stop.waiting.is_empty() {
            stop.waiting = self.lives();
        }
        for (at, unit) in self.followed().enumerate() {
            // A restart of the pod may have infra running anew before its end was seen.
            let anew = stop.failure.is_none() && stop.waiting[at].is_some_and(|life| life != unit.invocation);
            if unit.is_down() || anew {
                stop.waiting[at] = None;
            }
            // A job to stop what is frozen comes to nothing (systemd 257), and is asked for again.
            stop.asked[at] = (stop.asked[at] || unit.job) && !unit.frozen;
        }
        stop.inits.retain(|&at| {
            let unit = &self.members[at].unit;
            let stopped = unit.active == Active::Failed && unit.result == "signal";
            if stopped {
                actions.push(Action::Forget(Role::Member(at)));
            }
            !stopped
        });
        if !stop.settled {
            if stop.failure.is_some() {
                self.stop_everything(actions);
                stop.settled = true;
            } else {
                stop.settled = self.is_rechecked(actions);
            }
            if stop.settled {
                // What is found out later is looked at anew.
                self.recheck = Recheck::None;
            }
        }
        if stop.settled {
            self.take_back(&mut stop, actions);
        }
        if stop.settled && stop.waiting.iter().all(Option::is_none) {
            stop.end(actions);
        }
        self.phase = Phase::Stopping(stop);
    }

    /// A start that was asked for while the pod stops takes back the stop of what still runs, and itself waits for
    /// this supervisor: so it must not wait for that in turn. The next one takes over what runs.
    fn take_back(&mut self, stop: &mut Stop, actions: &mut Vec<Action>) {
        let stays = |at: usize, unit: &Unit| {
            let is_up = unit.active == Active::Active && !unit.job && !unit.frozen;
            stop.waiting[at].is_some() && stop.asked[at] && is_up
        };
        let staying: Vec<bool> = self
            .followed()
            .enumerate()
            .map(|(at, unit)| stays(at, unit))
            .collect();
        if staying.contains(&true) && self.is_rechecked(actions) {
            for (life, _) in stop.waiting.iter_mut().zip(staying).filter(|(_, stays)| *stays) {
                *life = None;
            }
        }
    }

    fn stop_everything(&self, actions: &mut Vec<Action>) {
        actions.push(Action::StopUnit(Role::Infra));
        // A failed infra takes nobody along.
        if standing::infra(&self.infra) != Infra::Up {
            let running = self
                .members
                .iter()
                .enumerate()
                .filter(|(_, member)| !member.unit.is_down());
            actions.extend(running.map(|(at, _)| Action::StopUnit(Role::Member(at))));
        }
    }

    /// Who stops what: a look at all units (pod, infra, members) after the stop began.
    pub(super) fn settle_stop(&mut self, listed: &[Listed], actions: &mut Vec<Action>) {
        let ([pod, infra, ..], Phase::Stopping(stop)) = (listed, &mut self.phase) else {
            return;
        };
        let takes_back = pod.active == Active::Deactivating && pod.starts;
        for (asked, unit) in stop.asked.iter_mut().zip(&listed[1..]) {
            *asked |= unit.job || takes_back;
        }
        // systemd stops this unit and with it infra (`PartOf=`), unless the signal came from elsewhere or the
        // stop was asked for without its dependencies, or infra is frozen: systemd 257 gives up such a job at once.
        let infra_stays = !(infra.is_down() || infra.job)
            && stop.waiting.first().copied().flatten() == Some(self.infra.invocation);
        if pod.active != Active::Deactivating {
            actions.push(Action::StopUnit(Role::Pod));
        } else if infra_stays && !takes_back {
            actions.push(Action::StopUnit(Role::Infra));
        }
        actions.push(Action::Stopping);
    }
}
