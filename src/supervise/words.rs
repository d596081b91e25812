//! The pod's state in words: `STATUS=`, and reasons.

use super::standing::{self, Infra, Standing};
use super::state::{Machine, Phase, Ports, Stop};
use crate::systemd::unit::Active;

/// How many members a status names before it only counts.
const NAMED: usize = 8;

impl Machine {
    /// The text of `STATUS=`: true at this moment, one line.
    pub(super) fn describe(&self) -> String {
        match &self.phase {
            Phase::Starting => self.counted(self.waits_for()),
            Phase::Up => match standing::infra(&self.infra) {
                Infra::Up if self.is_frozen() => "frozen".to_owned(),
                Infra::Up => self.counted(self.remarks().into_iter().chain(self.intention()).collect()),
                _ if self.infra.restarting => format!("infra is started again: {}", self.infra.failure()),
                _ => format!("infra is {}", self.infra.active.word()),
            },
            Phase::Stopping(Stop {
                failure: Some(why), ..
            }) => why.clone(),
            Phase::Stopping(Stop {
                cause: Some(cause), ..
            }) => format!("stopping: {cause}"),
            Phase::Stopping(_) => "stopping".to_owned(),
        }
    }

    /// Why infra is not there.
    pub(super) fn infra_failure(&self) -> String {
        match standing::infra(&self.infra) {
            Infra::Gone { failed: false } => "infra was not started: its unit is inactive".to_owned(),
            _ => format!("infra failed: {}", self.infra.failure()),
        }
    }

    /// What the start of the pod still waits for.
    pub(super) fn waits_for(&self) -> Vec<String> {
        if standing::infra(&self.infra) != Infra::Up {
            return vec!["infra is not up".to_owned()];
        }
        let mut waits = self.remarks();
        if let Ports::Silent(ports) = &self.ports {
            waits.extend(
                ports
                    .iter()
                    .map(|port| format!("port {port}/tcp has no listener")),
            );
        }
        waits
    }

    fn counted(&self, mut remarks: Vec<String>) -> String {
        let counted = format!("{}/{} ready", self.count(true), self.count(false));
        if remarks.is_empty() {
            return counted;
        }
        let more = remarks.len().saturating_sub(NAMED);
        remarks.truncate(NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{counted}: {}{more}", remarks.join("; "))
    }

    /// How many members the pod is to run with, all of them or those that are ready.
    pub fn count(&self, ready: bool) -> usize {
        let counts = |standing: &Standing| match ready {
            true => *standing == Standing::Up,
            false => *standing != Standing::Skipped,
        };
        let meant = self
            .members
            .iter()
            .filter(|member| member.essential && !member.init);
        meant
            .map(|member| member.standing(&self.infra))
            .filter(counts)
            .count()
    }

    /// How a member stands, in one word for users.
    pub fn member_state(&self, at: usize) -> &'static str {
        match self.standing(at) {
            Standing::Up => "ready",
            Standing::Unready(_) => "unready",
            Standing::Done => "done",
            Standing::Frozen => "frozen",
            Standing::Pending(_) if self.members[at].unit.active == Active::Deactivating => "stopping",
            Standing::Pending(_) => "starting",
            Standing::Ended => "ended",
            Standing::Skipped => "skipped",
            Standing::Stopped(_) => "stopped",
            Standing::Failed { again: true, .. } => "restarting",
            Standing::Failed { again: false, .. } => "failed",
        }
    }

    fn remarks(&self) -> Vec<String> {
        (0..self.members.len()).filter_map(|at| self.remark(at)).collect()
    }

    /// What is to be said of a member, unless all is well with it.
    pub(super) fn remark(&self, at: usize) -> Option<String> {
        let member = &self.members[at];
        let needless = if member.essential { "" } else { " (not essential)" };
        let detail = self.detail(at)?;
        Some(format!("{} {detail}{needless}", member.title()))
    }

    /// The same, behind its name.
    pub fn detail(&self, at: usize) -> Option<String> {
        let unit = &self.members[at].unit;
        match self.standing(at) {
            Standing::Up | Standing::Done => None,
            Standing::Unready(why) => Some(format!("is not ready: {why}")),
            Standing::Frozen => Some("is frozen".to_owned()),
            Standing::Pending(what) => Some(match self.awaited_image(at) {
                None => match self.not_yet(at) {
                    Some(why) => format!("{what}: {why}"),
                    None => what.to_owned(),
                },
                Some((image, fetch)) if fetch.status.is_empty() => format!("waits for its image {image}"),
                Some((image, fetch)) => format!("waits for its image {image}: {}", fetch.status),
            }),
            Standing::Ended => Some(unit.ending()),
            Standing::Skipped => Some("was skipped, a condition of its unit is not met".to_owned()),
            Standing::Stopped(None) => Some("is stopped".to_owned()),
            Standing::Stopped(Some(why)) => Some(format!("is stopped, {why}")),
            Standing::Failed { why, again: false } => Some(format!("failed, {why}")),
            Standing::Failed { why, again: true } => Some(format!("failed, {why}, and {}", unit.waiting())),
        }
    }
}
