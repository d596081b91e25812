//! The state machine's words: what it is told, what it wants done, and the state that users see.

use super::launcher::Launcher;
use crate::systemd::manager::Listed;
use crate::systemd::unit::Unit;
use std::time::Duration;

/// Which unit of the pod; members by their place in the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `pod-X.service`, the supervisor's own.
    Pod,
    /// `pod-X-infra.service`.
    Infra,
    /// `pod-X-a.service`.
    Member(usize),
}

/// What the world tells the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Units are being read again: nothing is judged until [`Event::Synced`].
    Syncing,
    /// A unit (infra or a member), whole, as systemd has it.
    Unit(Role, Box<Unit>),
    /// A unit that fetches an image, by the image's place in the pod.
    Image(usize, Fetch),
    /// What a member's probes say of it now.
    Probed(usize, Box<Probed>),
    /// Every unit was read.
    Synced,
    /// The answer to [`Action::Recheck`]: pod, infra, members, in this order.
    Rechecked(Vec<Listed>),
    /// Published ports of the pod, by their number in the pod, that have no listener; empty when all work.
    Ports(Vec<u16>),
    /// There is no connection to systemd, and no unit in the pod's slice: infra and the members have ended.
    Vanished,
    /// The moment of [`Action::Settle`] or [`Action::WatchLaunchers`] is over; how each member's launcher stands. Comes
    /// again while one is at work.
    Settled(Vec<Launcher>),
    /// The time of [`Action::Alarm`] is over.
    Alarm,
    /// The time for the start is over.
    Deadline,
    /// SIGTERM or SIGINT.
    Stop,
}

/// How the fetch of an image stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// Its unit is being started, or is about to be.
    pub under_way: bool,
    /// What the unit says of itself.
    pub status: String,
}

/// What the probes of a member say of one life of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probed {
    /// That life: its unit's invocation ID.
    pub life: u128,
    /// Its health, where it has a health check.
    pub health: Option<Health>,
    /// Why it is not ready although it runs.
    pub unready: Option<String>,
    /// Why a probe has ended it.
    pub ended: Option<String>,
    /// Whether it still has time for its start that its probes give it, beyond what its unit and the pod have.
    pub is_patient: bool,
}

/// A member's health, in Podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No check has passed, and not enough have failed.
    Starting,
    /// The checks pass.
    Healthy,
    /// They fail.
    Unhealthy,
}

impl Health {
    /// The word for users.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Look at the states of all units at one moment ([`Event::Rechecked`]).
    Recheck,
    /// Read every unit again ([`Event::Syncing`], [`Event::Synced`]).
    Sync,
    /// Infra is up, perhaps anew: open the members' FIFOs, bind their notify sockets.
    Attach,
    /// Look at the published ports until all have a listener ([`Event::Ports`]).
    LookAtPorts,
    /// Give members that count as ready as soon as they run a moment to fail in, from when their launchers have ended
    /// ([`Event::Settled`]): a process that cannot do its work most often ends at once. A moment that is not over
    /// begins anew.
    Settle,
    /// Look at the launchers in a while, unless that is to be done anyway ([`Event::Settled`]): one that is killed now
    /// leaves a member that waits for ever.
    WatchLaunchers,
    /// Say when so much time is over ([`Event::Alarm`]); `None` if that is no matter any more.
    Alarm(Option<Duration>),
    /// The time for the start runs, or stands still: what a registry takes is not the pod's.
    Clock {
        /// Whether it runs.
        runs: bool,
    },
    /// `READY=1`.
    Ready,
    /// Keep on disk that this pod has been ready in this life of infra, for a successor.
    Remember(u128),
    /// `STOPPING=1`.
    Stopping,
    /// `STATUS=`.
    Status(String),
    /// A line in the journal.
    Note(String),
    /// A line in the journal that something is wrong.
    Warn(String),
    /// Queue a stop of the unit.
    StopUnit(Role),
    /// Queue a start of the unit.
    StartUnit(Role),
    /// The same, after [`Action::Forget`].
    StartAnew(Role),
    /// Queue a restart of the unit, and of those that require it.
    RestartUnit(Role),
    /// SIGKILL to the unit's main process.
    KillUnit(Role),
    /// Have systemd forget that the unit has failed, and how often it was started of late.
    Forget(Role),
    /// Write out what is left of the output and end with this exit status.
    Exit(u8),
}

/// State of a pod as users see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    /// Not ready yet.
    Starting,
    /// Ready, and nothing is wrong.
    Ready,
    /// Ready before; now a member that it needs is not.
    Degraded,
    /// Ready before; now every member of it is held still.
    Frozen,
    /// Infra died, or the pod is restarted as a whole; members are coming back.
    Recovering,
    /// Being stopped.
    Stopping,
    /// Given up; what still runs is being stopped.
    Failed,
}

impl PodState {
    /// The word for users.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Frozen => "frozen",
            Self::Recovering => "recovering",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}
