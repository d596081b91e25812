//! Probes: how it is found out whether a member has started, is ready, and is healthy.

use super::{Ready, duration};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// The probes of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// `StartupProbe=` or `HealthStartupCmd=`: until it has passed, the others do not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// `ReadyProbe=`: the member is ready as long as it passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Probe>,
    /// `LiveProbe=` or `HealthCmd=`: the member's health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Probe>,
    /// `HealthOnFailure=` or `LiveOnFailure=`: what is done about a member that has become unhealthy.
    #[serde(default, skip_serializing_if = "OnFailure::is_none")]
    pub on_failure: OnFailure,
}

impl Probes {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The probe of this kind.
    pub fn get(&self, kind: ProbeKind) -> Option<&Probe> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Ready => self.ready.as_ref(),
            ProbeKind::Live => self.live.as_ref(),
        }
    }

    /// Whether one of them has to pass before a member with this `Notify=` is ready.
    pub fn are_gate(&self, ready: Ready) -> bool {
        ready == Ready::Healthy || self.startup.is_some() || self.ready.is_some()
    }

    /// All that there are.
    pub fn iter(&self) -> impl Iterator<Item = &Probe> {
        ProbeKind::ALL.into_iter().filter_map(|kind| self.get(kind))
    }
}

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    /// Whether the member has started.
    Startup,
    /// Whether it is ready.
    Ready,
    /// Whether it is healthy.
    Live,
}

impl ProbeKind {
    /// All kinds, in the order in which they begin.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Ready, Self::Live];

    /// The word for it in names of files and units.
    pub fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Ready => "ready",
            Self::Live => "live",
        }
    }
}

impl std::str::FromStr for ProbeKind {
    type Err = &'static str;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let mut kinds = Self::ALL.into_iter();
        let known = kinds.find(|kind| kind.word() == word);
        known.ok_or("write startup, ready or live")
    }
}

/// A check that is made again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What is looked at.
    pub check: Check,
    /// From the end of one check to the next.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// How long a check may take; one that takes longer has failed.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// So many failures in a row are one of the member. 0 for a startup probe that may fail without end.
    pub retries: u32,
    /// So many passes in a row are needed, at least 1.
    pub success: u32,
    /// How long failures do not count after the member's start, until it has passed once.
    #[serde(with = "duration", default, skip_serializing_if = "Duration::is_zero")]
    pub start_period: Duration,
}

impl Probe {
    /// How long the member may take until this probe passes, by what the definition says; nothing if it does not say.
    pub fn budget(&self) -> Option<Duration> {
        let tries = self.interval.saturating_add(self.timeout);
        (self.retries > 0).then(|| {
            self.start_period
                .saturating_add(tries.saturating_mul(self.retries))
        })
    }
}

/// What a probe looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// A program in the container and its arguments, `%` and `$` unexpanded: it must end with status 0.
    Exec(Vec<String>),
    /// A line for `/bin/sh -c` in the container, likewise.
    Shell(String),
    /// A port that must take a connection.
    Tcp(u16),
    /// A page that must be there.
    Http(Http),
    /// A socket in the container's file system, by its absolute path, that must take a connection.
    Unix(String),
}

impl Check {
    /// Whether a process is started for it.
    pub fn is_exec(&self) -> bool {
        matches!(self, Self::Exec(_) | Self::Shell(_))
    }

    /// Whether it needs the pod's network.
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Http(_))
    }
}

/// `http://[HOST]:PORT/PATH`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where the server is; the member's own loopback if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Path and query, as they are sent.
    pub path: String,
}

/// What is done about a member that has become unhealthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is said, and nothing more.
    #[default]
    None,
    /// Its process is killed; `Restart=` says what comes then.
    Kill,
    /// It is stopped as always, and started again.
    Restart,
    /// It is stopped.
    Stop,
}

impl OnFailure {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What a check came to that needed a process, as that leaves it for the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checked {
    /// The command ended with status 0.
    Passed,
    /// It did not; one line says how it ended, and what it wrote last.
    Failed(String),
    /// It could not be run; one line says why.
    Unknown(String),
}
