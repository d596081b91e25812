//! A frozen pod whose PID 1 ends. systemd (from 255 on) starts `ExecStopPost=` of infra right in its cgroup, and waits
//! until the process has begun: in a frozen cgroup that is for ever, and all of systemd waits with it. So whoever
//! froze the pod, the supervisor, which is outside of it, lets it go on then.

use super::Supervisor;
use super::jobs::{freeze, look};
use crate::supervise::event::Role;
use crate::sys::{cgroup, pidfd, reactor};
use crate::systemd::journal::Priority;
use crate::systemd::unit::Active;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use tokio::io::unix::AsyncFd;

/// PID 1 of a pod that is frozen.
#[derive(Debug)]
pub(super) struct Frozen {
    pid: u32,
    /// None once its end was seen.
    process: Option<AsyncFd<OwnedFd>>,
    /// What freezes infra and the slice, and lets them go on (cgroups(7), `cgroup.freeze`): systemd writes to both.
    freezers: [PathBuf; 2],
}

impl Frozen {
    fn watch(pid: u32) -> io::Result<Self> {
        let process = pidfd::open(i32::try_from(pid).map_err(io::Error::other)?)?;
        let group = cgroup::of(&pid.to_string()).unwrap_or_default();
        let slice = group.rsplit_once('/').map_or("", |(slice, _)| slice);
        Ok(Self {
            pid,
            process: Some(reactor::readable(process)?),
            freezers: [&group, slice].map(|group| format!("/sys/fs/cgroup{group}/cgroup.freeze").into()),
        })
    }

    /// Returns when the process has ended.
    pub(super) async fn ended(&self) {
        match &self.process {
            Some(process) if process.readable().await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }
}

impl Supervisor {
    /// Watches over PID 1 of the pod as long as the pod is frozen.
    pub(super) fn watch_frozen(&mut self) {
        let infra = self.machine.infra();
        let pid = Some(infra.main_pid).filter(|&pid| pid != 0 && infra.frozen);
        if self.frozen.as_ref().map(|frozen| frozen.pid) != pid {
            self.frozen = pid.and_then(|pid| Frozen::watch(pid).ok());
        }
        self.correct_frozen();
    }

    /// systemd 252 keeps calling a unit frozen that was killed while it was, also when it has started anew. Asked to thaw
    /// it then, it looks at the cgroup.
    fn correct_frozen(&mut self) {
        let mut killed = std::mem::take(&mut self.killed_frozen);
        killed.retain(|&(role, invocation)| {
            let unit = match role {
                Role::Member(at) => self.machine.member(at),
                Role::Infra | Role::Pod => self.machine.infra(),
            };
            let is_back = unit.active == Active::Active && !unit.job && unit.invocation != invocation;
            if is_back && unit.frozen {
                self.thaw(self.unit_name(role));
            }
            !is_back
        });
        self.killed_frozen = killed;
    }

    /// Has systemd let a unit go on, and looks what has become of it.
    fn thaw(&self, unit: String) {
        let Some(bus) = self.bus.as_ref().map(|bus| bus.connection().clone()) else {
            return;
        };
        let (log, requests) = (self.log.clone(), self.requests.0.clone());
        tokio::spawn(async move {
            match freeze(&bus, &unit, false).await {
                Ok(()) => look(&requests).await,
                Err(why) => log.line(Priority::Warning, &why),
            }
        });
    }

    /// It has ended. systemd itself cannot be asked before this is done, and is told after.
    pub(super) fn thaw_by_hand(&mut self) {
        let Some(frozen) = &mut self.frozen else { return };
        frozen.process = None;
        let written = frozen
            .freezers
            .each_ref()
            .map(|freezer| std::fs::write(freezer, "0"));
        let text = match written.into_iter().find_map(Result::err) {
            None => "the pod's PID 1 has ended while the pod was frozen: the pod goes on".to_owned(),
            Some(error) => format!("the pod cannot go on, and systemd may wait for ever: {error}"),
        };
        self.log.line(Priority::Warning, &text);
        self.thaw(self.plan.name.slice());
        let members = (0..self.plan.members.len()).map(|at| (Role::Member(at), self.machine.member(at)));
        let units = std::iter::once((Role::Infra, self.machine.infra())).chain(members);
        self.killed_frozen = units.map(|(role, unit)| (role, unit.invocation)).collect();
    }
}
