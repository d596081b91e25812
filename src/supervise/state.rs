//! The state machine of a pod: events in, actions out, no I/O. Whatever happens, the whole picture is judged anew, so
//! that a supervisor that starts late, or again, takes the same path as one that saw everything.

mod policy;
mod start;
mod stop;
#[cfg(test)]
mod tests;
mod up;

use super::event::{Action, Event, Fetch, Health, PodState, Probed, Role};
use super::standing::{self, Infra, Standing};
use crate::model::{ExitPolicy, FailurePolicy};
use crate::systemd::manager::Listed;
use crate::systemd::unit::{Active, Unit};
use policy::Policy;
pub(super) use stop::Stop;

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

/// The published ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ports {
    Unseen,
    Silent(Vec<u16>),
    Open,
}

/// What a member is to the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Whether the pod needs it.
    pub essential: bool,
    /// Whether it runs to its end before others start.
    pub init: bool,
    /// Whether it counts as ready as soon as it runs.
    pub settles: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    name: String,
    pub(super) essential: bool,
    pub(super) init: bool,
    settles: bool,
    pub(super) unit: Unit,
    /// Whether it ran, or was about to, when infra was last seen up: what a recovery brings back.
    wanted: bool,
    /// Automatic restarts that followed an end with success, and so are no failures.
    excused: u32,
    /// The image that it waits for, by its place in the pod.
    image: Option<usize>,
    /// Its start was asked for, and systemd has not begun with it: when it last did, before.
    asked: Option<u64>,
    /// What is known of its launcher, at which stage of its unit.
    launch: Option<(Stage, Launch)>,
    /// What its probes last said, perhaps of an earlier life.
    probed: Probed,
}

/// The life of a unit, by its invocation, and whether systemd calls it active already.
type Stage = (u128, Active);

/// What is known of a member's launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Launch {
    /// It is looked at in a moment.
    Asked,
    /// It has let the member's program begin.
    LetGo,
    /// It was killed before, and something is done about the member.
    Killed,
}

impl Member {
    fn new(part: Part) -> Self {
        Self {
            name: part.name,
            essential: part.essential,
            init: part.init,
            settles: part.settles,
            unit: Unit::default(),
            wanted: false,
            excused: 0,
            image: None,
            asked: None,
            launch: None,
            probed: Probed::default(),
        }
    }

    /// What it is called in messages.
    pub(super) fn title(&self) -> String {
        match self.init {
            true => format!("init {}", self.name),
            false => self.name.clone(),
        }
    }

    /// What its probes say of the life that it has, or had last.
    fn probed(&self) -> Option<&Probed> {
        Some(&self.probed).filter(|probed| probed.life == self.unit.invocation)
    }

    /// Whether it is being started, as far as its own process is concerned.
    fn is_coming(&self) -> bool {
        self.unit.active == Active::Activating && !self.unit.restarting
    }

    /// Whether its probes give it time for the start that is not the pod's.
    pub(super) fn is_patient(&self) -> bool {
        self.is_coming() && self.probed().is_some_and(|probed| probed.is_patient)
    }

    pub(super) fn standing(&self, infra: &Unit) -> Standing {
        let standing = standing::member(&self.unit, infra);
        let standing = match self.probed() {
            Some(probed) => standing.with_probes(probed),
            None => standing,
        };
        match standing {
            Standing::Up if self.init => Standing::Done,
            Standing::Pending("is starting") if self.init => Standing::Pending("is running"),
            standing => standing,
        }
    }

    /// Whether the pod has nothing to miss in it.
    fn is_fine(&self, infra: &Unit) -> bool {
        !self.essential
            || matches!(
                self.standing(infra),
                Standing::Up | Standing::Done | Standing::Skipped
            )
    }

    fn take(&mut self, unit: Unit) {
        if unit.restarting && unit.result == "success" {
            self.excused = unit.restarts + 1;
        }
        self.asked
            .take_if(|before| unit.job || !unit.is_down() || unit.condition.at != *before);
        self.unit = unit;
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
    /// The life of infra in which every init member is done, 0 for none.
    complete: u128,
    /// The pod was up, and members are still to come back.
    recovering: bool,
    /// In infra's next life all members start, whatever they did before.
    renew: bool,
    policy: Policy,
    pub(super) ports: Ports,
    recheck: Recheck,
    status: String,
    told: PodState,
}

impl Machine {
    /// A pod of which nothing is known yet. `ports` tells whether TCP ports are published, `marker` is what
    /// [`Action::Remember`] last left on disk.
    pub fn new(members: Vec<Part>, ports: bool, on_failure: FailurePolicy, marker: Option<u128>) -> Self {
        Self {
            infra: Unit::default(),
            members: members.into_iter().map(Member::new).collect(),
            images: Vec::new(),
            held: false,
            phase: Phase::Starting,
            synced: false,
            marker,
            adopted: None,
            attached: 0,
            complete: 0,
            recovering: false,
            renew: false,
            policy: Policy::new(on_failure),
            ports: if ports { Ports::Unseen } else { Ports::Open },
            recheck: Recheck::None,
            status: String::new(),
            told: PodState::Starting,
        }
    }

    /// The same pod with what becomes of it when all members have ended.
    #[must_use]
    pub fn with_exit_policy(mut self, on_end: ExitPolicy) -> Self {
        self.policy.on_end = on_end;
        self
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
        member.probed().filter(|_| member.is_coming())?.unready.as_deref()
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
        match &self.phase {
            Phase::Starting => PodState::Starting,
            Phase::Up if standing::infra(&self.infra) != Infra::Up => PodState::Recovering,
            Phase::Up if self.recovering || self.is_renewed() => PodState::Recovering,
            Phase::Up if self.is_frozen() => PodState::Frozen,
            Phase::Up if self.members.iter().all(|member| member.is_fine(&self.infra)) => PodState::Ready,
            Phase::Up => PodState::Degraded,
            Phase::Stopping(Stop { failure: Some(_), .. }) => PodState::Failed,
            Phase::Stopping(_) => PodState::Stopping,
        }
    }

    /// Whether everything of the pod that runs is held still.
    pub fn is_frozen(&self) -> bool {
        let mut members = self.members.iter().map(|member| &member.unit);
        self.infra.frozen && members.all(|unit| unit.frozen || unit.active != Active::Active)
    }

    /// Whether anything of the pod is held still.
    pub fn is_held(&self) -> bool {
        self.infra.frozen || self.members.iter().any(|member| member.unit.frozen)
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
            Event::Settled(launchers) => self.settled(&launchers, &mut actions),
            Event::Vanished => self.vanished(&mut actions),
            Event::Alarm => self.alarm(&mut actions),
            Event::Deadline => self.deadline(),
            Event::Stop if self.is_stopping() => {}
            Event::Stop => self.stop(None, None),
        }
        if self.synced {
            self.judge(&mut actions);
            self.watch(&mut actions);
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
            Role::Member(at) => self.members[at].take(unit),
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

    fn judge(&mut self, actions: &mut Vec<Action>) {
        if self.adopted.is_none() {
            self.adopted = Some(self.was_ready_before());
            if self.adopted == Some(false) && self.is_starting() {
                self.forget_members(actions);
            }
        }
        self.track_wanted();
        match self.phase {
            Phase::Starting => self.starting(actions),
            Phase::Up => self.up(actions),
            Phase::Stopping(_) => {}
        }
        if !self.is_stopping() {
            self.follow_init(actions);
            self.end_recovery();
            self.look_at_launchers(actions);
        }
        self.stopping(actions);
    }

    /// A marker of the life of infra that runs now is that of this pod, and so is one from before a crash out of
    /// which systemd brings infra back. Any other was left behind by a pod that is over.
    fn was_ready_before(&self) -> bool {
        self.marker
            .is_some_and(|life| life == self.infra.invocation || self.infra_restarted())
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
        let before = std::mem::replace(&mut self.told, state);
        if state == before {
            return;
        }
        let (word, status) = (state.word(), &self.status);
        actions.push(match state {
            PodState::Ready if before == PodState::Starting => Action::Note("the pod is ready".to_owned()),
            PodState::Ready => Action::Note(format!("the pod is ready again: {status}")),
            PodState::Starting | PodState::Frozen | PodState::Stopping => {
                Action::Note(format!("the pod is {status}"))
            }
            PodState::Degraded | PodState::Recovering => Action::Warn(format!("the pod is {word}: {status}")),
            PodState::Failed => Action::Warn(format!("the pod has failed: {status}")),
        });
    }
}
