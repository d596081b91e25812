//! How one unit stands, in the pod's terms. Pure.

use super::event::Probed;
use crate::systemd::unit::{Active, Unit};

/// How a member stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Active, and ready.
    Up,
    /// Active, but not ready; the words say why.
    Unready(String),
    /// An init member that has ended with success.
    Done,
    /// Active, and held still.
    Frozen,
    /// On its way; the words say what it waits for.
    Pending(&'static str),
    /// Was up in this life of the pod and ended with success.
    Ended,
    /// Its start was passed over, which systemd counts as success (`ConditionPathExists=` …).
    Skipped,
    /// Not running in this life of the pod; the words say why it cannot be started, if it cannot.
    Stopped(Option<&'static str>),
    /// Ended badly; `again` if systemd is about to start it again.
    Failed {
        /// Why.
        why: String,
        /// Whether an automatic restart is pending.
        again: bool,
    },
}

impl Standing {
    /// The same, with what the member's probes say of this life.
    #[must_use]
    pub fn with_probes(self, probed: &Probed) -> Self {
        match (self, &probed.ended, &probed.unready) {
            (Self::Up, _, Some(why)) => Self::Unready(why.clone()),
            (Self::Failed { again, .. }, Some(why), _) => Self::Failed {
                why: why.clone(),
                again,
            },
            (Self::Ended | Self::Stopped(_), Some(why), _) => Self::Failed {
                why: why.clone(),
                again: false,
            },
            // What a member that was not ready in time waited for.
            (Self::Failed { why, again }, None, Some(unready)) => Self::Failed {
                why: format!("{why}; {unready}"),
                again,
            },
            (standing, ..) => standing,
        }
    }
}

/// Judges a member by its unit. `infra` is the unit that owns the pod's namespaces: what the member did before infra last became
/// active belongs to an earlier life of the pod.
pub fn member(unit: &Unit, infra: &Unit) -> Standing {
    let failed = |again| Standing::Failed {
        why: unit.failure(),
        again,
    };
    match unit.active {
        Active::Active if unit.frozen => Standing::Frozen,
        Active::Active => Standing::Up,
        _ if unit.restarting && matches!(unit.result.as_str(), "" | "success") => {
            Standing::Pending("has ended and is started again")
        }
        _ if unit.restarting => failed(true),
        Active::Activating => Standing::Pending("is starting"),
        Active::Deactivating => Standing::Pending("is stopping"),
        _ if unit.job => Standing::Pending("waits for its turn"),
        Active::Failed => failed(false),
        Active::Inactive => at_rest(unit, infra),
    }
}

fn at_rest(unit: &Unit, infra: &Unit) -> Standing {
    let tried_last = |at: u64| at > unit.active_enter && at >= infra.active_enter;
    match unit.load.as_str() {
        "" | "loaded" => {}
        "masked" => return Standing::Stopped(Some("its unit is masked")),
        "not-found" => return Standing::Stopped(Some("its unit does not exist")),
        _ => return Standing::Stopped(Some("its unit cannot be loaded, `systemctl status` says why")),
    }
    if tried_last(unit.condition.at) && !unit.condition.met || unit.result == "exec-condition" {
        return Standing::Skipped;
    }
    if tried_last(unit.assertion.at) && !unit.assertion.met {
        return Standing::Failed {
            why: "an assertion of its unit (Assert…=) is not met".to_owned(),
            again: false,
        };
    }
    if unit.active_enter > 0 && unit.active_enter >= infra.active_enter {
        Standing::Ended
    } else {
        Standing::Stopped(None)
    }
}

/// How the unit that owns the namespaces stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Infra {
    /// Active.
    Up,
    /// Not active, and systemd is at it.
    Coming,
    /// Not active, and nothing will change that; `failed` tells a failure from a stop.
    Gone {
        /// Whether it failed.
        failed: bool,
    },
}

/// Judges infra.
pub fn infra(unit: &Unit) -> Infra {
    match unit.active {
        Active::Active => Infra::Up,
        _ if unit.restarting || unit.job => Infra::Coming,
        Active::Failed => Infra::Gone { failed: true },
        Active::Inactive => Infra::Gone { failed: false },
        Active::Activating | Active::Deactivating => Infra::Coming,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(at: u64) -> Unit {
        Unit {
            active: Active::Active,
            active_enter: at,
            load: "loaded".to_owned(),
            ..Unit::default()
        }
    }

    #[test]
    fn a_member_at_rest_is_told_truthfully() {
        let infra = up(100);
        let rest = Unit {
            load: "loaded".to_owned(),
            result: "success".to_owned(),
            ..Unit::default()
        };
        assert_eq!(member(&rest, &infra), Standing::Stopped(None));
        let earlier = Unit {
            active_enter: 50,
            ..rest.clone()
        };
        assert_eq!(
            member(&earlier, &infra),
            Standing::Stopped(None),
            "an earlier life"
        );
        let ended = Unit {
            active_enter: 150,
            ..rest.clone()
        };
        assert_eq!(member(&ended, &infra), Standing::Ended);
        let mut skipped = rest.clone();
        skipped.condition.at = 120;
        assert_eq!(member(&skipped, &infra), Standing::Skipped);
        let waiting = Unit {
            job: true,
            ..rest.clone()
        };
        assert_eq!(member(&waiting, &infra), Standing::Pending("waits for its turn"));
        let masked = Unit {
            load: "masked".to_owned(),
            ..rest
        };
        assert_eq!(
            member(&masked, &infra),
            Standing::Stopped(Some("its unit is masked"))
        );
    }

    #[test]
    fn a_failure_with_a_restart_pending_is_a_failure() {
        let unit = Unit {
            active: Active::Activating,
            restarting: true,
            result: "exit-code".to_owned(),
            exit_code: 1,
            exit_status: 1,
            ..Unit::default()
        };
        assert_eq!(
            member(&unit, &up(1)),
            Standing::Failed {
                why: "exit status 1".to_owned(),
                again: true
            }
        );
        let ended = Unit {
            result: "success".to_owned(),
            ..unit
        };
        assert!(matches!(member(&ended, &up(1)), Standing::Pending(_)));
    }

    #[test]
    fn infra_is_gone_only_when_nothing_is_queued() {
        let failed = Unit {
            active: Active::Failed,
            ..Unit::default()
        };
        assert_eq!(infra(&failed), Infra::Gone { failed: true });
        assert_eq!(
            infra(&Unit {
                job: true,
                ..failed.clone()
            }),
            Infra::Coming
        );
        assert_eq!(
            infra(&Unit {
                restarting: true,
                ..failed
            }),
            Infra::Coming
        );
    }
}
