//! One check, from its beginning to its outcome.

use super::track::Outcome;
use super::{exec, http, tcp, unix};
use crate::model::{Check, MemberName, Paths, PodName, Probe, ProbeKind};
use crate::supervise::launcher::Launcher;
use crate::sys::cgroup;
use std::io;
use tokio::time::timeout;
use zbus::Connection;

/// What is looked at.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) paths: Paths,
    pub(super) pod: PodName,
    pub(super) member: MemberName,
    /// The main process that systemd has for the member.
    pub(super) pid: u32,
    pub(super) kind: ProbeKind,
    pub(super) probe: Probe,
}

impl Subject {
    /// What is said of a check that took too long.
    pub(super) fn too_late(&self) -> String {
        format!("no answer within {:?}", self.probe.timeout)
    }

    /// Makes the check. A member that is only being made, or is frozen, is left alone.
    pub(super) async fn check(&self, bus: Option<&Connection>) -> Outcome {
        if !self.is_let_go() || self.is_frozen() {
            return Outcome::Postponed;
        }
        let outcome = match (&self.probe.check, bus) {
            (Check::Exec(_) | Check::Shell(_), None) => {
                Outcome::Unknown("there is no connection to systemd".to_owned())
            }
            (Check::Exec(_) | Check::Shell(_), Some(bus)) => exec::look(bus, self).await,
            _ => match timeout(self.probe.timeout, self.look()).await {
                Ok(Ok(())) => Outcome::Passed,
                Ok(Err(why)) => Outcome::Failed(why),
                Err(_) => Outcome::Failed(self.too_late()),
            },
        };
        match outcome {
            // Frozen meanwhile, it could not answer.
            Outcome::Failed(_) if self.is_frozen() => Outcome::Postponed,
            outcome => outcome,
        }
    }

    /// A check that needs no process.
    async fn look(&self) -> Result<(), String> {
        match &self.probe.check {
            Check::Tcp(port) => {
                let connected = tcp::connect(self.pid, None, *port).await;
                connected.map(drop).map_err(|error| tcp::words(*port, &error))
            }
            Check::Http(http) => http::look(self.pid, http).await,
            Check::Unix(path) => unix::look(self.pid, path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => format!("there is no {path}"),
                io::ErrorKind::ConnectionRefused => format!("nothing listens on {path}"),
                _ => format!("no connection to {path}: {error}"),
            }),
            Check::Exec(_) | Check::Shell(_) => Ok(()),
        }
    }

    /// Whether the main process is the container's own, and its program was started: before, it is the launcher, which
    /// is in the host's network.
    fn is_let_go(&self) -> bool {
        Launcher::of(&self.paths, &self.pod, &self.member, self.pid) == Launcher::Done
    }

    /// Whether the process is in a frozen cgroup, its own or one above.
    fn is_frozen(&self) -> bool {
        i32::try_from(self.pid).is_ok_and(cgroup::is_frozen)
    }
}
