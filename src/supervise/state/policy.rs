//! What becomes of the pod when a member that it needs has failed for good (`OnFailure=`).

use super::{Infra, Machine, Phase, Standing, standing};
use crate::model::FailurePolicy;
use crate::supervise::event::{Action, PodState, Role};
use std::time::Duration;

/// Before the pod is stopped: a member that was killed by the end of infra is seen before infra.
const GRACE: Duration = Duration::from_millis(200);
/// Before the pod is restarted, the first time and at most; doubled each time.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// A pod that has been ready for so long is restarted as if for the first time.
const FORGET: Duration = Duration::from_secs(600);

/// `OnFailure=` at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    on_failure: FailurePolicy,
    /// Restarts of the pod that are not forgotten.
    restarts: u32,
    /// What is due when [`Action::Alarm`] is over.
    due: Option<Due>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// What the policy says.
    Act,
    /// The restarts are forgotten.
    Forget,
}

impl Policy {
    pub(super) fn new(on_failure: FailurePolicy) -> Self {
        Self {
            on_failure,
            restarts: 0,
            due: None,
        }
    }

    fn delay(&self, due: Due) -> Duration {
        match (due, self.on_failure) {
            (Due::Forget, _) => FORGET,
            (Due::Act, FailurePolicy::RestartPod) => {
                let doubled = BACKOFF.0.saturating_mul(1 << self.restarts.min(16));
                doubled.min(BACKOFF.1)
            }
            (Due::Act, FailurePolicy::StopPod | FailurePolicy::Isolate) => GRACE,
        }
    }
}

impl Machine {
    /// Sees to it that the policy comes to its turn, and not when what it was for is over.
    pub(super) fn watch(&mut self, actions: &mut Vec<Action>) {
        let due = match self.policy.on_failure {
            FailurePolicy::Isolate => None,
            _ if self.failed_for_good().is_some() => Some(Due::Act),
            _ if self.policy.restarts > 0 && self.state() == PodState::Ready => Some(Due::Forget),
            _ => None,
        };
        if due != self.policy.due {
            self.policy.due = due;
            actions.push(Action::Alarm(due.map(|due| self.policy.delay(due))));
        }
    }

    /// The time of [`Action::Alarm`] is over.
    pub(super) fn alarm(&mut self, actions: &mut Vec<Action>) {
        let due = self.policy.due.take();
        // What is not known for sure now will be asked for again.
        if !self.synced {
            return;
        }
        match (due, self.failed_for_good()) {
            (Some(Due::Forget), _) => self.policy.restarts = 0,
            (Some(Due::Act), Some(why)) => match self.policy.on_failure {
                FailurePolicy::Isolate => {}
                FailurePolicy::StopPod => {
                    self.give_up(format!("{why} (OnFailure=stop-pod)"));
                    actions.push(Action::Stopping);
                }
                FailurePolicy::RestartPod => {
                    let text = format!("{why}: the pod is restarted (OnFailure=restart-pod)");
                    actions.extend([Action::Warn(text), Action::RestartUnit(Role::Infra)]);
                    self.policy.restarts += 1;
                    self.recovering = true;
                    self.renew = true;
                }
            },
            (Some(Due::Act), None) | (None, _) => {}
        }
    }

    /// The member that has failed in this life of the pod and is not started again by itself, and why.
    fn failed_for_good(&self) -> Option<String> {
        let infra = &self.infra;
        let is_steady = self.phase == Phase::Up
            && standing::infra(infra) == Infra::Up
            && !infra.job
            && self.attached == infra.invocation;
        let mut members = self.members.iter().filter(|member| {
            is_steady
                && member.essential
                && !member.unit.job
                && member.unit.inactive_enter >= infra.active_enter
        });
        members.find_map(|member| match member.standing(infra) {
            Standing::Failed { why, again: false } => Some(format!("{} failed: {why}", member.title())),
            _ => None,
        })
    }

    /// What the policy is about to do, in words.
    pub(in crate::supervise) fn intention(&self) -> Option<String> {
        let due = self.policy.due.filter(|due| *due == Due::Act)?;
        let delay = self.policy.delay(due).as_secs();
        Some(match self.policy.on_failure {
            FailurePolicy::RestartPod => format!("the pod is restarted in {delay}s"),
            FailurePolicy::StopPod | FailurePolicy::Isolate => "the pod is stopped".to_owned(),
        })
    }

    /// Whether the whole pod is about to be restarted, or is just being.
    pub(super) fn is_renewed(&self) -> bool {
        let is_due = self.policy.due == Some(Due::Act) && self.policy.on_failure == FailurePolicy::RestartPod;
        is_due || self.renew
    }
}
