//! The state machine of a pod: events in, actions out, no I/O. Whatever happens, the whole picture is judged anew, so
//! that a supervisor that starts late, or again, takes the same path as one that saw everything.

mod stop;
#[cfg(test)]
mod tests;

use super::event::{Action, Event, Fetch, Health, PodState, Probed, Role};
use super::standing::{self, Infra, Standing};
use crate::systemd::manager::Listed;
use crate::systemd::unit::{Active, Unit};
pub(super) use stop::Stop;

/// A member that was killed this long before infra left was killed by infra's end: the kernel kills everything in a
/// process ID namespace whose PID 1 ends. In microseconds.
const KILLED_WITH_INFRA: u64 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Up,
    Stopping(Stop),
}

/// The look at all units just before `READY=1` or a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recheck {
    None,
    Asked,
    Same,
}

/// Whether members have had their moment to fail in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settle {
    Unasked,
    Asked,
    Done,
}

/// The published ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ports {
    Unseen,
    Silent(Vec<u16>),
    Open,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) unit: Unit,
    /// Whether it ran, or was about to, when infra was last seen up: what a recovery brings back.
    wanted: bool,
    /// Automatic restarts that followed an end with success, and so are no failures.
    excused: u32,
    /// The image that it waits for, by its place in the pod.
    image: Option<usize>,
    /// What its probes last said, perhaps of an earlier life.
    probed: Probed,
}

impl Member {
    /// What its probes say of the life that it has, or had last.
    fn probed(&self) -> Option<&Probed> {
        Some(&self.probed).filter(|probed| probed.life == self.unit.invocation)
    }

    fn standing(&self, infra: &Unit) -> Standing {
        let standing = standing::member(&self.unit, infra);
        match self.probed() {
            Some(probed) => standing.with_probes(probed),
            None => standing,
        }
    }
}

/// An image that members wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    reference: String,
    fetch: Fetch,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub(super) infra: Unit,
    pub(super) members: Vec<Member>,
    images: Vec<Image>,
    /// The time for the start stands still.
    held: bool,
    pub(super) phase: Phase,
    synced: bool,
    /// Left by an earlier supervisor: the life of infra in which the pod was last known to be ready.
    marker: Option<u128>,
    /// Whether this supervisor takes over a pod that has been ready before. `None` until the units are known.
    adopted: Option<bool>,
    /// The life of infra for which members were attached, 0 for none.
    attached: u128,
    pub(super) ports: Ports,
    settle: Settle,
    recheck: Recheck,
    status: String,
    told: PodState,
}

impl Machine {
    /// A pod of which nothing is known yet. `members` are names, `ports` tells whether TCP ports are published,
    /// `settle` whether a member counts as ready as soon as it runs, `marker` is what [`Action::Remember`] last left
    /// on disk.
    pub fn new(members: Vec<String>, ports: bool, settle: bool, marker: Option<u128>) -> Self {
        let unseen = |name| Member {
            name,
            unit: Unit::default(),
            wanted: false,
            excused: 0,
            image: None,
            probed: Probed::default(),
        };
        Self {
            infra: Unit::default(),
            members: members.into_iter().map(unseen).collect(),
            images: Vec::new(),
            held: false,
            phase: Phase::Starting,
            synced: false,
            marker,
            adopted: None,
            attached: 0,
            ports: if ports { Ports::Unseen } else { Ports::Open },
            settle: if settle { Settle::Unasked } else { Settle::Done },
            recheck: Recheck::None,
            status: String::new(),
            told: PodState::Starting,
        }
    }

    /// The same pod with images that are fetched, by their references, and which of these each member waits for.
    #[must_use]
    pub fn with_images(mut self, references: Vec<String>, of_members: &[Option<usize>]) -> Self {
        let image = |reference| Image {
            reference,
            fetch: Fetch::default(),
        };
        self.images = references.into_iter().map(image).collect();
        for (member, image) in self.members.iter_mut().zip(of_members) {
            member.image = *image;
        }
        self
    }

    /// Infra's unit as last seen.
    pub fn infra(&self) -> &Unit {
        &self.infra
    }

    /// A member's unit as last seen.
    pub fn member(&self, member: usize) -> &Unit {
        &self.members[member].unit
    }

    /// How a member stands.
    pub fn standing(&self, member: usize) -> Standing {
        self.members[member].standing(&self.infra)
    }

    /// A member's health, if it runs and has a health check.
    pub fn health(&self, member: usize) -> Option<Health> {
        let member = &self.members[member];
        member.probed().filter(|_| !member.unit.is_down())?.health
    }

    /// Why a member that is being started is not ready yet, by its probes.
    pub(super) fn not_yet(&self, member: usize) -> Option<&str> {
        let member = &self.members[member];
        let starts = member.unit.active == Active::Activating && !member.unit.restarting;
        member.probed().filter(|_| starts)?.unready.as_deref()
    }

    /// The last `STATUS=`.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// Whether the pod is still on its way to its first `READY=1`.
    pub fn is_starting(&self) -> bool {
        self.phase == Phase::Starting
    }

    /// Whether the pod is being stopped, or has been.
    pub fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping(_))
    }

    /// The state for users.
    pub fn state(&self) -> PodState {
        let failed = |at| matches!(self.standing(at), Standing::Failed { .. } | Standing::Unready(_));
        match &self.phase {
            Phase::Starting => PodState::Starting,
            Phase::Up if standing::infra(&self.infra) != Infra::Up => PodState::Recovering,
            Phase::Up if (0..self.members.len()).any(failed) => PodState::Degraded,
            Phase::Up => PodState::Ready,
            Phase::Stopping(Stop { failure: Some(_), .. }) => PodState::Failed,
            Phase::Stopping(_) => PodState::Stopping,
        }
    }

    /// Takes an event and says what to do about it.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Syncing => {
                self.synced = false;
                self.recheck = Recheck::None;
            }
            Event::Synced => self.resynced(),
            Event::Unit(role, unit) => self.take(role, *unit),
            Event::Image(at, fetch) => {
                if let Some(image) = self.images.get_mut(at) {
                    image.fetch = fetch;
                }
            }
            Event::Probed(at, probed) => self.members[at].probed = *probed,
            Event::Rechecked(listed) => self.rechecked(&listed, &mut actions),
            Event::Ports(silent) if silent.is_empty() => self.ports = Ports::Open,
            Event::Ports(silent) => self.ports = Ports::Silent(silent),
            Event::Settled => self.settle = Settle::Done,
            Event::Deadline => self.deadline(&mut actions),
            Event::Stop if self.is_stopping() => {}
            Event::Stop => self.stop(None),
        }
        if self.synced {
            self.judge(&mut actions);
        }
        self.time(&mut actions);
        self.tell(&mut actions);
        actions
    }

    fn take(&mut self, role: Role, unit: Unit) {
        self.recheck = Recheck::None;
        match role {
            Role::Pod => {}
            Role::Infra => self.infra = unit,
            Role::Member(at) => {
                let member = &mut self.members[at];
                if unit.restarting && unit.result == "success" {
                    member.excused = unit.restarts + 1;
                }
                member.unit = unit;
            }
        }
    }

    /// Everything was read. What was asked of systemd on an earlier connection may have been lost: a stop in
    /// progress is settled anew.
    fn resynced(&mut self) {
        self.synced = true;
        if let Phase::Stopping(stop) = &mut self.phase {
            stop.settled = false;
        }
    }

    /// The image that a member waits for, and how its fetch stands.
    pub(super) fn awaited_image(&self, member: usize) -> Option<(&str, &Fetch)> {
        let member = self.members.get(member)?;
        // One that is up, or on its way, has what it wants.
        if !member.unit.is_down() && !member.unit.restarting {
            return None;
        }
        let image = self.images.get(member.image?)?;
        (member.unit.job && image.fetch.under_way).then_some((image.reference.as_str(), &image.fetch))
    }

    /// Lets the time for the start run, or stand still while an image is fetched that a member waits for, and while the
    /// definition itself gives a member more time.
    fn time(&mut self, actions: &mut Vec<Action>) {
        let is_fetching = (0..self.members.len()).any(|at| self.awaited_image(at).is_some());
        let is_patient = |member: &Member| {
            let probed = member.probed().filter(|probed| probed.is_patient);
            probed.is_some() && member.unit.active == Active::Activating && !member.unit.restarting
        };
        let held = self.is_starting() && (is_fetching || self.members.iter().any(is_patient));
        if held != self.held {
            self.held = held;
            actions.push(Action::Clock { runs: !held });
        }
    }

    fn deadline(&mut self, actions: &mut Vec<Action>) {
        if self.is_starting() && self.adopted != Some(true) && !self.held {
            let why = format!(
                "not ready in time (TimeoutStartSec=): {}",
                self.waits_for().join("; ")
            );
            self.give_up(why, actions);
        }
    }

    fn judge(&mut self, actions: &mut Vec<Action>) {
        if self.adopted.is_none() {
            self.adopted = Some(self.was_ready_before());
        }
        self.track_wanted();
        match self.phase {
            Phase::Starting => self.starting(actions),
            Phase::Up => self.up(actions),
            Phase::Stopping(_) => {}
        }
        self.stopping(actions);
    }

    /// A marker of the life of infra that runs now is that of this pod, and so is one from before a crash out of
    /// which systemd brings infra back. Any other was left behind by a pod that is over.
    fn was_ready_before(&self) -> bool {
        self.marker
            .is_some_and(|life| life == self.infra.invocation || self.infra_restarted())
    }

    /// Whether infra failed since somebody started it, and systemd starts it again. (Of a unit that is down the
    /// counter is that of its last life.)
    fn infra_restarted(&self) -> bool {
        self.infra.restarting || (self.infra.restarts > 0 && !self.infra.is_down())
    }

    fn track_wanted(&mut self) {
        let infra = &self.infra;
        let steady = standing::infra(infra) == Infra::Up && infra.invocation == self.attached;
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

    fn starting(&mut self, actions: &mut Vec<Action>) {
        let adopted = self.adopted == Some(true);
        match standing::infra(&self.infra) {
            Infra::Gone { .. } => {
                if self.is_rechecked(actions) {
                    self.give_up(self.infra_failure(), actions);
                }
                return;
            }
            // Somebody waits for this start: a failure is told at once, not after many tries.
            Infra::Coming if !adopted && self.infra_restarted() => {
                return self.give_up(self.infra_failure(), actions);
            }
            Infra::Coming => return,
            Infra::Up => {}
        }
        self.attach(actions);
        if !adopted {
            if let Some(why) = self
                .members
                .iter()
                .find_map(|member| start_failure(member, &self.infra))
            {
                return self.give_up(why, actions);
            }
            if (0..self.members.len())
                .any(|at| matches!(self.standing(at), Standing::Pending(_) | Standing::Unready(_)))
            {
                return;
            }
            if self.ports == Ports::Unseen {
                self.ports = Ports::Silent(Vec::new());
                actions.push(Action::LookAtPorts);
            }
            if self.settle == Settle::Unasked {
                self.settle = Settle::Asked;
                actions.push(Action::Settle);
            }
            let open = self.ports == Ports::Open && self.settle == Settle::Done;
            if !open || !self.is_rechecked(actions) {
                return;
            }
        }
        self.phase = Phase::Up;
        actions.extend([Action::Ready, Action::Remember(self.infra.invocation)]);
    }

    /// Whether all units have just been looked at and nothing had changed; asks for that look. What cannot be taken
    /// back is done only then.
    fn is_rechecked(&mut self, actions: &mut Vec<Action>) -> bool {
        if self.recheck == Recheck::None {
            self.recheck = Recheck::Asked;
            actions.push(Action::Recheck);
        }
        self.recheck == Recheck::Same
    }

    fn up(&mut self, actions: &mut Vec<Action>) {
        match standing::infra(&self.infra) {
            Infra::Up => self.attach(actions),
            Infra::Coming => {}
            // systemd before 254 says that a unit has failed, and at once that it starts it again.
            Infra::Gone { .. } if !self.is_rechecked(actions) => {}
            Infra::Gone { failed: true } => {
                self.give_up(self.infra_failure(), actions);
                actions.push(Action::Stopping);
            }
            Infra::Gone { failed: false } => {
                actions.push(Action::Warn("infra was stopped, so the pod stops".to_owned()));
                self.stop(None);
            }
        }
    }

    /// Infra is up. If this is a life of it that was not seen before: attaches to the members, and after a crash
    /// brings back those that it took down.
    fn attach(&mut self, actions: &mut Vec<Action>) {
        if self.attached == self.infra.invocation {
            return;
        }
        self.attached = self.infra.invocation;
        actions.push(Action::Attach);
        if self.phase == Phase::Starting {
            return;
        }
        actions.push(Action::Remember(self.infra.invocation));
        for (at, member) in self.members.iter().enumerate() {
            let unit = &member.unit;
            if member.wanted && unit.is_down() && !unit.job && unit.result != "start-limit-hit" {
                actions.push(Action::StartUnit(Role::Member(at)));
            }
        }
    }

    fn rechecked(&mut self, listed: &[Listed], actions: &mut Vec<Action>) {
        if self.recheck != Recheck::Asked {
            return;
        }
        if matches!(&self.phase, Phase::Stopping(stop) if !stop.settled) {
            self.recheck = Recheck::Same;
            return self.settle_stop(listed, actions);
        }
        let [_, infra, members @ ..] = listed else {
            return;
        };
        let units = std::iter::once(&self.infra).chain(self.members.iter().map(|member| &member.unit));
        let same = units
            .zip(std::iter::once(infra).chain(members))
            .all(|(unit, listed)| {
                (unit.active, unit.restarting, unit.job) == (listed.active, listed.restarting, listed.job)
            });
        if same {
            self.recheck = Recheck::Same;
        } else {
            self.recheck = Recheck::None;
            self.synced = false;
            actions.push(Action::Sync);
        }
    }

    fn tell(&mut self, actions: &mut Vec<Action>) {
        if self.adopted.is_none() {
            return;
        }
        let status = self.describe();
        if status != self.status {
            self.status.clone_from(&status);
            actions.push(Action::Status(status));
        }
        let state = self.state();
        if state != self.told && matches!(state, PodState::Degraded | PodState::Recovering) {
            actions.push(Action::Warn(format!(
                "the pod is {}: {}",
                state.word(),
                self.status
            )));
        }
        self.told = state;
    }
}

/// Why a member keeps a new pod from becoming ready for good, if it does.
fn start_failure(member: &Member, infra: &Unit) -> Option<String> {
    let name = &member.name;
    match member.standing(infra) {
        Standing::Failed { why, .. } => Some(format!("{name} failed: {why}")),
        Standing::Stopped(why) => {
            let why = why.unwrap_or("its start was cancelled, or something that it requires failed");
            Some(format!("{name} was not started: {why}"))
        }
        // systemd sends changes together: a failure and the restart after it may be seen as one.
        _ if !member.unit.is_down() && member.unit.restarts > member.excused => Some(format!(
            "{name} failed: it was restarted before the pod was ready, its journal says why"
        )),
        _ => None,
    }
}
