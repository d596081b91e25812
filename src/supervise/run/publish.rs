//! What the D-Bus interface shows, kept up to date.

use super::Supervisor;
use crate::supervise::event::{Health, PodState};
use crate::supervise::service::Description;
use crate::systemd::pod::MemberState;
use std::time::SystemTime;

impl Supervisor {
    /// Makes known how the pod is now.
    pub(super) fn publish(&self) {
        let state = self.machine.state();
        let last = self.description.borrow();
        let since = match state.word() == last.state {
            true => last.since,
            false => self.since(state, last.state),
        };
        drop(last);
        let description = Description {
            state: state.word(),
            status: self.machine.status().to_owned(),
            since,
            ready: u32::try_from(self.machine.count(true)).unwrap_or(u32::MAX),
            members: (0..self.plan.members.len()).map(|at| self.member(at)).collect(),
        };
        self.description.send_if_modified(|last| {
            let changed = *last != description;
            *last = description;
            changed
        });
    }

    /// Since when the pod is in a state that this supervisor has not told of: a pod that was found ready has been so since
    /// the mark was made that it is, and one that has just become ready has its mark since then.
    fn since(&self, state: PodState, before: &str) -> u64 {
        let first = before.is_empty() || before == PodState::Starting.word();
        let ready = self.paths.pod(&self.plan.name).ready();
        let marked = (first && state == PodState::Ready).then(|| ready.metadata()?.modified());
        let since = marked
            .and_then(std::io::Result::ok)
            .unwrap_or_else(SystemTime::now);
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or_default()
    }

    fn member(&self, at: usize) -> MemberState {
        let (plan, unit) = (&self.plan.members[at], self.machine.member(at));
        MemberState {
            name: plan.name.to_string(),
            unit: plan.unit.clone(),
            main_pid: unit.main_pid,
            state: self.machine.member_state(at).to_owned(),
            since: unit.since,
            restarts: unit.restarts,
            detail: self.machine.detail(at).unwrap_or_default(),
            health: self.machine.health(at).map_or("", Health::word).to_owned(),
            exit_code: unit.exit_code,
            exit_status: unit.exit_status,
        }
    }
}
