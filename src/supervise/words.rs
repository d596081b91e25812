//! The pod's state in words: `STATUS=`, and reasons.

use super::standing::{self, Infra, Standing};
use super::state::{Machine, Phase, Ports, Stop};

/// How many members a status names before it only counts.
const NAMED: usize = 8;

impl Machine {
    /// The text of `STATUS=`: true at this moment, one line.
    pub(super) fn describe(&self) -> String {
        match &self.phase {
            Phase::Starting => self.counted(self.waits_for()),
            Phase::Up => match standing::infra(&self.infra) {
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
    fn count(&self, ready: bool) -> usize {
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

    fn remarks(&self) -> Vec<String> {
        (0..self.members.len()).filter_map(|at| self.remark(at)).collect()
    }

    /// What is to be said of a member, unless it is simply up.
    pub(super) fn remark(&self, at: usize) -> Option<String> {
        let member = &self.members[at];
        let name = member.title();
        let needless = if member.essential { "" } else { " (not essential)" };
        let remark = match self.standing(at) {
            Standing::Up | Standing::Done => None,
            Standing::Unready(why) => Some(format!("{name} is not ready: {why}")),
            Standing::Pending(what) => Some(match self.awaited_image(at) {
                None => match self.not_yet(at) {
                    Some(why) => format!("{name} {what}: {why}"),
                    None => format!("{name} {what}"),
                },
                Some((image, fetch)) if fetch.status.is_empty() => {
                    format!("{name} waits for its image {image}")
                }
                Some((image, fetch)) => format!("{name} waits for its image {image}: {}", fetch.status),
            }),
            Standing::Ended => Some(format!("{name} {}", member.unit.ending())),
            Standing::Skipped => Some(format!("{name} was skipped, a condition of its unit is not met")),
            Standing::Stopped(None) => Some(format!("{name} is stopped")),
            Standing::Stopped(Some(why)) => Some(format!("{name} is stopped, {why}")),
            Standing::Failed { why, again: false } => Some(format!("{name} failed, {why}")),
            Standing::Failed { why, again: true } => {
                Some(format!("{name} failed, {why}, and {}", member.unit.waiting()))
            }
        };
        remark.map(|remark| remark + needless)
    }
}
