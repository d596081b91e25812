//! What a unit was at during its start, in the words that people read.

use super::record::Role;
use crate::timeline::Phase;
use serde::Serialize;

/// A step of a unit's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum Step {
    /// Until systemd took up the unit's start.
    Queued,
    /// Until systemd had made the unit's process, its cgroup before that.
    Spawn,
    /// Until the program in that process ran: what systemd sets up in it, and loading the program.
    Exec,
    /// Reading the pod; infra makes its folder.
    Prepare,
    /// infra makes the namespaces.
    Namespaces,
    /// infra connects the pod.
    Network,
    /// A member waits until infra has connected the pod.
    AwaitNetwork,
    /// An image is fetched.
    Fetch,
    /// A member's image is found.
    Image,
    /// A member's root file system is mounted.
    Overlay,
    /// A member's OCI configuration is made.
    Config,
    /// The OCI runtime makes the container.
    Create,
    /// A member's process becomes systemd's.
    Handover,
    /// The OCI runtime lets the program go.
    Start,
    /// The supervisor connects to the bus and reads all units.
    Bus,
    /// The supervisor waits for the members.
    AwaitMembers,
    /// The supervisor waits for listeners on the published ports.
    AwaitPorts,
    /// The supervisor gives the members a moment to fail in.
    Settle,
    /// Everything is done, and systemd or the member's own program has not yet said so.
    AwaitReady,
    /// What happened is not recorded.
    Unrecorded,
}

impl Step {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 20] = [
        Self::Queued,
        Self::Spawn,
        Self::Exec,
        Self::Prepare,
        Self::Namespaces,
        Self::Network,
        Self::Fetch,
        Self::Image,
        Self::Overlay,
        Self::Config,
        Self::Create,
        Self::Handover,
        Self::AwaitNetwork,
        Self::Start,
        Self::Bus,
        Self::AwaitMembers,
        Self::AwaitPorts,
        Self::Settle,
        Self::AwaitReady,
        Self::Unrecorded,
    ];

    /// What a program called it; `None` when its work was done.
    pub fn of(role: Role, phase: Phase) -> Option<Self> {
        Some(match phase {
            Phase::Prepare => Self::Prepare,
            Phase::Namespaces => Self::Namespaces,
            Phase::Network if role == Role::Infra => Self::Network,
            Phase::Network => Self::AwaitNetwork,
            Phase::Image => Self::Image,
            Phase::Overlay => Self::Overlay,
            Phase::Config => Self::Config,
            Phase::Create => Self::Create,
            Phase::Handover => Self::Handover,
            Phase::Start => Self::Start,
            Phase::Bus => Self::Bus,
            Phase::Members => Self::AwaitMembers,
            Phase::Ports => Self::AwaitPorts,
            Phase::Settle => Self::Settle,
            Phase::Done => return None,
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Spawn => "spawn",
            Self::Exec => "exec",
            Self::Prepare => "prepare",
            Self::Namespaces => "namespaces",
            Self::Network => "network",
            Self::AwaitNetwork => "waiting for network",
            Self::Fetch => "fetch",
            Self::Image => "image",
            Self::Overlay => "overlay",
            Self::Config => "config",
            Self::Create => "runtime create",
            Self::Handover => "handover",
            Self::Start => "runtime start",
            Self::Bus => "bus",
            Self::AwaitMembers => "waiting for members",
            Self::AwaitPorts => "waiting for ports",
            Self::Settle => "settle",
            Self::AwaitReady => "waiting for ready",
            Self::Unrecorded => "not recorded",
        }
    }

    /// Whether the unit itself does nothing meanwhile.
    pub fn is_wait(self) -> bool {
        matches!(
            self,
            Self::Queued | Self::AwaitNetwork | Self::AwaitMembers | Self::AwaitPorts | Self::AwaitReady
        )
    }
}

impl From<Step> for &'static str {
    fn from(step: Step) -> Self {
        step.name()
    }
}
