//! The reload of members: all or nothing begins, one after another, and what became of each.

use super::deliver::{self, warning};
use crate::model::{Fate, Signal};
use crate::systemd::pod::Delivery;
use crate::systemd::unit::Active;
use crate::systemd::{job, manager};
use zbus::{Connection, Variant};

/// A member to be reloaded.
#[derive(Debug, Clone)]
pub(super) struct Reload {
    pub(super) member: String,
    pub(super) unit: String,
    pub(super) pid: u32,
    pub(super) signal: Option<Signal>,
}

impl Reload {
    fn report(&self, result: &str, detail: String) -> Delivery {
        Delivery {
            member: self.member.clone(),
            unit: self.unit.clone(),
            pid: self.pid,
            asked: String::new(),
            signal: self.signal.map(|signal| signal.to_string()).unwrap_or_default(),
            result: result.to_owned(),
            detail,
            warning: String::new(),
        }
    }
}

/// Whether a member takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Ready,
    /// It does not, and nothing is wrong with that.
    Passed(String),
    /// It should, and cannot.
    Hindered(String),
}

/// What decides whether and when a unit is reloaded, as systemd knows it, drop-ins included.
#[derive(Debug, Clone)]
struct Look {
    active: Active,
    busy: bool,
    can_reload: bool,
    after: Vec<String>,
    /// What its process would do with its reload signal, if it is reloaded by one.
    fate: Option<Fate>,
}

/// Reloads members one after another, those first that others are ordered after, and waits for each. If one of them
/// cannot be reloaded now, none is; when one fails, those behind it are left as they are. `by_name`: somebody named
/// them, so that each must have a reload.
pub(super) async fn reload(bus: Option<Connection>, members: Vec<Reload>, by_name: bool) -> Vec<Delivery> {
    let Some(bus) = bus else {
        let why = "there is no connection to the bus".to_owned();
        return members
            .iter()
            .map(|member| member.report("failed", why.clone()))
            .collect();
    };
    let mut verdicts = Vec::with_capacity(members.len());
    let mut after = Vec::with_capacity(members.len());
    for member in &members {
        match look(&bus, member).await {
            Ok(look) => {
                verdicts.push(judge(&look, member.signal, by_name));
                after.push(look.after);
            }
            Err(error) => {
                verdicts.push(Verdict::Hindered(error.to_string()));
                after.push(Vec::new());
            }
        }
    }
    let names: Vec<&str> = members.iter().map(|member| member.unit.as_str()).collect();
    let hindered = verdicts
        .iter()
        .position(|verdict| matches!(verdict, Verdict::Hindered(_)));
    let mut obstacle = hindered.map(|at| format!("nothing was reloaded: {} cannot be", members[at].member));
    let mut report = Vec::with_capacity(members.len());
    for at in in_order(&names, |at| &after[at]) {
        let member = &members[at];
        report.push(match (&verdicts[at], &obstacle) {
            (Verdict::Passed(why), _) => member.report("skipped", why.clone()),
            (Verdict::Hindered(why), _) => member.report("failed", why.clone()),
            (Verdict::Ready, Some(why)) => member.report("skipped", why.clone()),
            (Verdict::Ready, None) => match carry_out(&bus, &member.unit).await {
                Ok(()) => member.report("reloaded", String::new()),
                Err(why) => {
                    obstacle = Some(format!(
                        "not reloaded: the reload of {} before it failed",
                        member.member
                    ));
                    member.report("failed", why)
                }
            },
        });
    }
    report
}

/// systemd ends a reload that takes longer than the unit's start may (`TimeoutStartSec=`).
async fn carry_out(bus: &Connection, unit: &str) -> Result<(), String> {
    match job::run(bus, unit, job::Kind::Reload).await {
        Ok(result) if result == "done" => Ok(()),
        Ok(result) => Err(format!(
            "its reload ended as `{result}` (`systemctl status {unit}` says why)"
        )),
        Err(error) => Err(error.to_string()),
    }
}

fn judge(look: &Look, signal: Option<Signal>, by_name: bool) -> Verdict {
    if !look.can_reload {
        let why = "neither ReloadSignal= nor ReloadCmd=".to_owned();
        return if by_name {
            Verdict::Hindered(why)
        } else {
            Verdict::Passed(why)
        };
    }
    let why = match look.active {
        Active::Active if look.busy => "systemd is about to do something else with it".to_owned(),
        Active::Active => match (signal, look.fate) {
            (Some(signal), Some(fate)) if fate != Fate::Handled => {
                warning(fate, signal).unwrap_or_else(|| {
                    format!("its main process has no handler for {signal}, which does nothing")
                })
            }
            (Some(_), None) => "it has just ended".to_owned(),
            _ => return Verdict::Ready,
        },
        Active::Activating => "it is starting".to_owned(),
        Active::Deactivating => "it is stopping".to_owned(),
        Active::Inactive | Active::Failed => "it does not run".to_owned(),
    };
    Verdict::Hindered(why)
}

async fn look(bus: &Connection, member: &Reload) -> zbus::Result<Look> {
    let mut can_reload = false;
    let mut after = Vec::new();
    let unit = manager::read_unit(bus, &member.unit, |properties| {
        can_reload |= matches!(properties.get("CanReload"), Some(Variant::Bool(true)));
        if let Some(Variant::Array(units)) = properties.get("After") {
            after.extend(units.inner().iter().filter_map(|unit| match unit {
                Variant::Str(unit) => Some(unit.to_string()),
                _ => None,
            }));
        }
    });
    let unit = unit.await?;
    let status = deliver::status(unit.main_pid, &member.unit);
    Ok(Look {
        active: unit.active,
        busy: unit.job,
        can_reload,
        after,
        fate: member
            .signal
            .zip(status)
            .map(|(signal, status)| Fate::of(&status, signal)),
    })
}

/// Indices of `units`, each after those of them that it is ordered after. systemd has broken any cycle.
fn in_order<'a>(units: &[&str], after: impl Fn(usize) -> &'a [String]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(units.len());
    while order.len() < units.len() {
        let left = (0..units.len()).filter(|at| !order.contains(at));
        let waits = |at: usize| {
            after(at).iter().any(|other| {
                let other = units.iter().position(|unit| *unit == other.as_str());
                other.is_some_and(|other| other != at && !order.contains(&other))
            })
        };
        let next = left
            .clone()
            .find(|&at| !waits(at))
            .or_else(|| left.clone().next());
        order.extend(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_follow_the_order_of_units() {
        let after = [
            vec!["c".to_owned(), "x".to_owned()],
            vec!["a".to_owned()],
            Vec::new(),
        ];
        assert_eq!(in_order(&["a", "b", "c"], |at| &after[at]), [2, 0, 1]);
        let cycle = [vec!["b".to_owned()], vec!["a".to_owned()]];
        assert_eq!(in_order(&["a", "b"], |at| &cycle[at]), [0, 1]);
    }

    #[test]
    fn who_cannot_be_reloaded_now_hinders_all() {
        let up = Look {
            active: Active::Active,
            busy: false,
            can_reload: true,
            after: Vec::new(),
            fate: Some(Fate::Handled),
        };
        let hup = Some(Signal::HUP);
        assert_eq!(judge(&up, hup, false), Verdict::Ready);
        let by_command = Look {
            fate: None,
            ..up.clone()
        };
        assert_eq!(judge(&by_command, None, false), Verdict::Ready);
        let without = Look {
            can_reload: false,
            ..up.clone()
        };
        assert!(matches!(judge(&without, None, false), Verdict::Passed(_)));
        assert!(
            matches!(judge(&without, None, true), Verdict::Hindered(_)),
            "it was named"
        );
        let cases = [
            (
                Look {
                    active: Active::Inactive,
                    ..up.clone()
                },
                "does not run",
            ),
            (
                Look {
                    active: Active::Activating,
                    ..up.clone()
                },
                "starting",
            ),
            (
                Look {
                    busy: true,
                    ..up.clone()
                },
                "about to",
            ),
            (
                Look {
                    fate: Some(Fate::Ended),
                    ..up.clone()
                },
                "ends or stops it",
            ),
            (
                Look {
                    fate: Some(Fate::Harmless),
                    ..up.clone()
                },
                "does nothing",
            ),
            (Look { fate: None, ..up }, "just ended"),
        ];
        for (look, words) in cases {
            let verdict = judge(&look, hup, false);
            assert!(
                matches!(&verdict, Verdict::Hindered(why) if why.contains(words)),
                "{verdict:?}"
            );
        }
    }
}
