//! A pod that has been ready: what belongs to it is brought back after a crash of infra, and what was never let go.

use super::{Infra, Launch, Machine, Member, Phase, Stage, Standing, standing};
use crate::supervise::event::{Action, Role};
use crate::supervise::launcher::Launcher;
use crate::systemd::unit::Active;

/// A member that was killed this long before infra left was killed by infra's end: the kernel kills everything in a
/// process ID namespace whose PID 1 ends. In microseconds.
const KILLED_WITH_INFRA: u64 = 1_000_000;

impl Machine {
    pub(super) fn up(&mut self, actions: &mut Vec<Action>) {
        match standing::infra(&self.infra) {
            Infra::Up => self.attach(actions),
            Infra::Coming => self.recovering = true,
            // systemd before 254 says that a unit has failed, and at once that it starts it again.
            Infra::Gone { .. } if !self.is_rechecked(actions) => self.recovering = true,
            Infra::Gone { failed: true } => {
                self.give_up(self.infra_failure());
                actions.push(Action::Stopping);
            }
            Infra::Gone { failed: false } => self.stop(None, Some("infra was stopped")),
        }
    }

    /// Infra is up. If this is a life of it that was not seen before: attaches to the members, and after a crash
    /// brings back those that it took down.
    pub(super) fn attach(&mut self, actions: &mut Vec<Action>) {
        if self.attached == self.infra.invocation {
            return;
        }
        self.attached = self.infra.invocation;
        actions.push(Action::Attach);
        if self.phase != Phase::Starting {
            actions.push(Action::Remember(self.infra.invocation));
            self.revive(actions);
        }
    }

    /// Starts the members that are missing: init members, and those that ran; after `OnFailure=restart-pod` all.
    fn revive(&mut self, actions: &mut Vec<Action>) {
        let renew = std::mem::take(&mut self.renew);
        for (at, member) in self.members.iter_mut().enumerate() {
            let unit = &member.unit;
            let is_there = matches!(unit.load.as_str(), "" | "loaded");
            if !unit.is_down() || unit.job || member.asked.is_some() || !is_there {
                continue;
            }
            if renew {
                actions.push(Action::StartAnew(Role::Member(at)));
            } else if (member.wanted || member.init) && unit.result != "start-limit-hit" {
                actions.push(Action::StartUnit(Role::Member(at)));
            } else {
                continue;
            }
            member.asked = Some(unit.condition.at);
        }
    }

    /// Members that need init members which have failed are down with them. When these are done at last, it is their
    /// turn.
    pub(super) fn follow_init(&mut self, actions: &mut Vec<Action>) {
        let mut inits = self.members.iter().filter(|member| member.init);
        let done = standing::infra(&self.infra) == Infra::Up
            && self.attached == self.infra.invocation
            && inits.all(|member| member.is_fine(&self.infra));
        let life = if done { self.infra.invocation } else { 0 };
        let before = std::mem::replace(&mut self.complete, life);
        if before != life && done && self.phase == Phase::Up {
            self.revive(actions);
        }
    }

    /// What is there, or about to be, is to be brought back after a crash of infra; what goes down while all is well is
    /// not.
    pub(super) fn track_wanted(&mut self) {
        let infra = &self.infra;
        let steady = standing::infra(infra) == Infra::Up && infra.invocation == self.complete;
        for member in &mut self.members {
            let unit = &member.unit;
            let killed = unit.result == "signal" && unit.exit_status == 9;
            if !unit.is_down() || unit.job {
                member.wanted = true;
            } else if steady {
                member.wanted = false;
            } else if killed && unit.inactive_enter.saturating_add(KILLED_WITH_INFRA) >= infra.active_exit {
                member.wanted = true;
            }
        }
    }

    /// A recovery is over when every member that the pod needs has come up, or will not.
    pub(super) fn end_recovery(&mut self) {
        let comes = |member: &Member| {
            let standing = member.standing(&self.infra);
            member.essential && (member.asked.is_some() || matches!(standing, Standing::Pending(_)))
        };
        if standing::infra(&self.infra) == Infra::Up && !self.members.iter().any(comes) {
            self.recovering = false;
        }
    }

    /// Members that have a process now, but were not seen to be let go by their launchers in this life of theirs, are
    /// looked at in a moment; those that are still on their way, in a while.
    pub(super) fn look_at_launchers(&mut self, actions: &mut Vec<Action>) {
        let (mut settle, mut watch) = (false, false);
        for member in &mut self.members {
            let now = member.stage();
            let seen = member.launch.is_some_and(|(then, _)| then == now);
            if seen || !member.is_launched() {
                continue;
            }
            member.launch = Some((now, Launch::Asked));
            match member.unit.active == Active::Active || member.init {
                true => settle = true,
                false => watch = true,
            }
        }
        if settle {
            actions.push(Action::Settle);
        } else if watch {
            actions.push(Action::WatchLaunchers);
        }
    }

    /// The moment is over. A member that was never let go would wait for ever.
    pub(super) fn settled(&mut self, launchers: &[Launcher], actions: &mut Vec<Action>) {
        let is_stopping = self.is_stopping();
        for (at, (member, launcher)) in self.members.iter_mut().zip(launchers).enumerate() {
            let now = member.stage();
            if !member.is_launched() || member.launch != Some((now, Launch::Asked)) {
                continue;
            }
            match launcher {
                Launcher::AtWork => {}
                Launcher::Done => member.launch = Some((now, Launch::LetGo)),
                Launcher::Killed if is_stopping => {}
                Launcher::Killed => {
                    member.launch = Some((now, Launch::Killed));
                    // The start of one that is on its way fails, as it does when its launcher is killed earlier.
                    let (what, action) = match member.unit.active == Active::Active {
                        true => ("it is restarted", Action::RestartUnit(Role::Member(at))),
                        false => ("its start fails", Action::KillUnit(Role::Member(at))),
                    };
                    actions.push(Action::Warn(format!(
                        "{} has a process but does not run: what started it was killed before its program began; \
                         {what}",
                        member.title()
                    )));
                    actions.push(action);
                }
            }
        }
    }
}

impl Member {
    pub(super) fn stage(&self) -> Stage {
        (self.unit.invocation, self.unit.active)
    }

    /// Whether systemd has a process of it, which may be its launcher.
    fn is_launched(&self) -> bool {
        matches!(self.unit.active, Active::Active | Active::Activating) && self.unit.main_pid != 0
    }
}
