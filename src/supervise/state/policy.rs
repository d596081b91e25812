//! What becomes of the pod when a member that it needs has failed for good (`OnFailure=`), or when all have ended
//! (`ExitPolicy=`).

use super::{Infra, Machine, Phase, Standing, standing};
use crate::model::{ExitPolicy, FailurePolicy};
use crate::supervise::event::{Action, PodState, Role};
use std::time::Duration;

/// Before the pod is stopped: a member that was killed by the end of infra is seen before infra.
const GRACE: Duration = Duration::from_millis(200);
/// Before the pod is restarted, the first time and at most; doubled each time.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// A pod that has been ready for so long is restarted as if for the first time.
const FORGET: Duration = Duration::from_secs(600);

/// `OnFailure=` and `ExitPolicy=` at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    on_failure: FailurePolicy,
    pub(super) on_end: ExitPolicy,
    /// Restarts of the pod that are not forgotten.
    restarts: u32,
    /// What is due when [`Action::Alarm`] is over.
    due: Option<Due>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// What `OnFailure=` says.
    Act,
    /// The pod is stopped, since all members have ended.
    End,
    /// The restarts are forgotten.
    Forget,
}

impl Policy {
    pub(super) fn new(on_failure: FailurePolicy) -> Self {
        Self {
            on_failure,
            on_end: ExitPolicy::Continue,
            restarts: 0,
            due: None,
        }
    }

    fn delay(&self, due: Due) -> Duration {
        match (due, self.on_failure) {
            (Due::Forget, _) => FORGET,
            (Due::End, _) => GRACE,
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
            FailurePolicy::RestartPod | FailurePolicy::StopPod if self.failed_for_good().is_some() => {
                Some(Due::Act)
            }
            _ if self.have_all_ended() => Some(Due::End),
            FailurePolicy::Isolate => None,
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
            (Some(Due::End), failure) if self.have_all_ended() => match failure {
                // A success of the pod it would not be.
                Some(why) => {
                    self.give_up(format!("all containers have ended, and {why} (ExitPolicy=stop)"));
                    actions.push(Action::Stopping);
                }
                None => self.stop(None, Some("all containers have ended (ExitPolicy=stop)")),
            },
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
            (Some(Due::Act), None) | (Some(Due::End) | None, _) => {}
        }
    }

    /// Whether the pod is up, and nothing changes about its namespaces.
    fn is_steady(&self) -> bool {
        self.phase == Phase::Up
            && standing::infra(&self.infra) == Infra::Up
            && !self.infra.job
            && self.attached == self.infra.invocation
    }

    /// Whether `ExitPolicy=` has come to its turn: in this life of the pod every container has ended, and none is about
    /// to start.
    fn have_all_ended(&self) -> bool {
        let mut members = self.members.iter().filter(|member| !member.init);
        self.policy.on_end == ExitPolicy::Stop
            && self.is_steady()
            && self.complete == self.infra.invocation
            && !self.recovering
            && self.members.iter().any(|member| !member.init)
            && members.all(|member| {
                let unit = &member.unit;
                let has_ended = unit.is_down() && !unit.job && member.asked.is_none();
                // What is not there, or was left out by a condition, has nothing to end.
                has_ended && (unit.inactive_enter >= self.infra.active_enter || !member.essential)
            })
    }

    /// The member that has failed in this life of the pod and is not started again by itself, and why.
    fn failed_for_good(&self) -> Option<String> {
        let infra = &self.infra;
        let is_steady = self.is_steady();
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
