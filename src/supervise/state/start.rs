//! The way of a pod to its first `READY=1`.

use super::{Infra, Launch, Machine, Member, Phase, Ports, Recheck, Standing, standing};
use crate::supervise::event::{Action, Role};
use crate::systemd::unit::{Active, Unit};

/// Why a start cannot succeed.
enum Obstacle {
    /// A member has failed.
    Failure(String),
    /// A member is down. One that failed may be the cause, and known in a moment.
    Absence(String),
}

impl Machine {
    pub(super) fn starting(&mut self, actions: &mut Vec<Action>) {
        let adopted = self.adopted == Some(true);
        match standing::infra(&self.infra) {
            Infra::Gone { .. } => {
                if self.is_rechecked(actions) {
                    self.give_up(self.infra_failure());
                }
                return;
            }
            // Somebody waits for this start: a failure is told at once, not after many tries.
            Infra::Coming if !adopted && self.infra_restarted() => {
                return self.give_up(self.infra_failure());
            }
            Infra::Coming => return,
            Infra::Up => {}
        }
        self.attach(actions);
        if !adopted {
            let obstacles = || {
                self.members
                    .iter()
                    .filter_map(|member| obstacle(member, &self.infra))
            };
            let failure = obstacles().find(|obstacle| matches!(obstacle, Obstacle::Failure(_)));
            match failure.or_else(|| obstacles().next()) {
                Some(Obstacle::Failure(why)) => return self.give_up(why),
                Some(Obstacle::Absence(why)) if self.is_rechecked(actions) => {
                    return self.give_up(why);
                }
                Some(Obstacle::Absence(_)) => return,
                None => {}
            }
            if !self.members.iter().all(|member| member.is_fine(&self.infra)) {
                return;
            }
            if self.ports == Ports::Unseen {
                self.ports = Ports::Silent(Vec::new());
                actions.push(Action::LookAtPorts);
            }
            let settled = self.members.iter().all(Member::has_settled);
            if !settled || self.ports != Ports::Open || !self.is_rechecked(actions) {
                return;
            }
            // How often somebody starts and stops a pod that can be started is none of systemd's limits.
            actions.extend([Role::Pod, Role::Infra].map(Action::Forget));
        }
        self.phase = Phase::Up;
        actions.extend([Action::Ready, Action::Remember(self.infra.invocation)]);
    }

    /// The same for the members, before they start: of one that runs, systemd would forget the failure that it is about
    /// to act on, too.
    pub(super) fn forget_members(&self, actions: &mut Vec<Action>) {
        let is_down = |at: &usize| self.members[*at].unit.is_down() && !self.members[*at].unit.restarting;
        let members = (0..self.members.len()).filter(is_down);
        actions.extend(members.map(Role::Member).map(Action::Forget));
    }

    /// Whether all units have just been looked at and nothing had changed; asks for that look. What cannot be taken
    /// back is done only then.
    pub(super) fn is_rechecked(&mut self, actions: &mut Vec<Action>) -> bool {
        if self.recheck == Recheck::None {
            self.recheck = Recheck::Asked;
            actions.push(Action::Recheck);
        }
        self.recheck == Recheck::Same
    }

    /// Whether infra failed since somebody started it, and systemd starts it again. (Of a unit that is down the
    /// counter is that of its last life.)
    pub(super) fn infra_restarted(&self) -> bool {
        self.infra.restarting || (self.infra.restarts > 0 && !self.infra.is_down())
    }

    pub(super) fn deadline(&mut self) {
        if self.is_starting() && self.adopted != Some(true) && !self.held {
            let why = format!(
                "not ready in time (TimeoutStartSec=): {}",
                self.waits_for().join("; ")
            );
            self.give_up(why);
        }
    }

    /// Lets the time for the start run, or stand still while an image is fetched that a member waits for, and while the
    /// definition itself gives a member more time.
    pub(super) fn time(&mut self, actions: &mut Vec<Action>) {
        let is_fetching = (0..self.members.len()).any(|at| self.awaited_image(at).is_some());
        let held = self.is_starting() && (is_fetching || self.members.iter().any(Member::is_patient));
        if held != self.held {
            self.held = held;
            actions.push(Action::Clock { runs: !held });
        }
    }
}

/// What of a member keeps a new pod from becoming ready for good, if anything does.
fn obstacle(member: &Member, infra: &Unit) -> Option<Obstacle> {
    if !member.essential {
        return None;
    }
    let name = member.title();
    match member.standing(infra) {
        Standing::Failed { why, .. } => Some(Obstacle::Failure(format!("{name} failed: {why}"))),
        Standing::Stopped(why) => {
            let why = why.unwrap_or("its start was cancelled, or something that it requires failed");
            Some(Obstacle::Absence(format!("{name} was not started: {why}")))
        }
        Standing::Ended => Some(Obstacle::Absence(format!(
            "{name} {} before the pod was ready; write Init=true for a member that is to end before others start, \
             Essential=no for one that the pod can be without",
            member.unit.ending()
        ))),
        // systemd sends changes together: a failure and the restart after it may be seen as one.
        _ if !member.unit.is_down() && member.unit.restarts > member.excused => Some(Obstacle::Failure(
            format!("{name} failed: it was restarted before the pod was ready, its journal says why"),
        )),
        _ => None,
    }
}

impl Member {
    /// Whether it has had its moment to fail in, if it needs one.
    fn has_settled(&self) -> bool {
        let needs = self.essential && self.settles && self.unit.active == Active::Active;
        !needs || self.launch == Some((self.stage(), Launch::LetGo))
    }
}
