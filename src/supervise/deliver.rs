//! Signals and reloads carried to members through systemd, and the report of each.

use super::plan::MemberPlan;
use super::signals;
use crate::model::Signal;
use crate::systemd::pod::Delivery;
use crate::systemd::unit::Active;
use crate::systemd::{job, manager};
use zbus::{Connection, Variant};

/// A signal for one member, or why it gets none.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) member: String,
    pub(super) unit: String,
    pub(super) pid: u32,
    /// `main` or `all` (`systemctl kill --kill-whom=`).
    pub(super) whom: &'static str,
    pub(super) signal: Result<Signal, String>,
}

impl Order {
    /// A signal sent to the pod, as the member's map decides; to its main process `pid` (0 for none).
    pub(super) fn routed(member: &MemberPlan, pid: u32, signal: Signal) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .ok()
            .filter(|_| pid != 0);
        Self::to(
            member,
            pid,
            "main",
            signals::route(member, signal, status.as_deref()),
        )
    }

    /// Exactly this signal.
    pub(super) fn exact(member: &MemberPlan, pid: u32, whom: &'static str, signal: Signal) -> Self {
        let nobody = pid == 0 && whom == "main";
        let signal = if nobody {
            Err("it has no main process".to_owned())
        } else {
            Ok(signal)
        };
        Self::to(member, pid, whom, signal)
    }

    fn to(member: &MemberPlan, pid: u32, whom: &'static str, signal: Result<Signal, String>) -> Self {
        Self {
            member: member.name.to_string(),
            unit: member.unit.clone(),
            pid,
            whom,
            signal,
        }
    }

    fn report(&self, result: &str, detail: String) -> Delivery {
        let signal = self.signal.as_ref().map(Signal::to_string).unwrap_or_default();
        Delivery {
            member: self.member.clone(),
            pid: self.pid,
            signal,
            result: result.to_owned(),
            detail,
        }
    }
}

/// Carries out orders. A process that has ended meanwhile is reported, and is no error.
pub(super) async fn deliver(bus: Option<Connection>, orders: Vec<Order>) -> Vec<Delivery> {
    let mut report = Vec::with_capacity(orders.len());
    for order in orders {
        report.push(match (&order.signal, &bus) {
            (Err(reason), _) => order.report("skipped", reason.clone()),
            (Ok(_), None) => order.report("failed", "there is no connection to the bus".to_owned()),
            (Ok(signal), Some(bus)) => {
                match manager::kill_unit(bus, &order.unit, order.whom, signal.number()).await {
                    Ok(()) => order.report("sent", String::new()),
                    Err(error) if is_gone(&error) => order.report("skipped", "it has just ended".to_owned()),
                    Err(error) => order.report("failed", error.to_string()),
                }
            }
        });
    }
    report
}

fn is_gone(error: &zbus::Error) -> bool {
    let gone = [
        "org.freedesktop.systemd1.NoSuchProcess",
        "org.freedesktop.systemd1.NoSuchUnit",
    ];
    matches!(error, zbus::Error::MethodError(name, ..) if gone.contains(&name.as_str()))
}

/// A member to be reloaded.
#[derive(Debug, Clone)]
pub(super) struct Reload {
    pub(super) member: String,
    pub(super) unit: String,
    pub(super) pid: u32,
    pub(super) signal: Option<Signal>,
}

/// Reloads members one after another, those first that others are ordered after, and waits for each.
pub(super) async fn reload(bus: Option<Connection>, members: Vec<Reload>) -> Vec<Delivery> {
    let mut found = Vec::with_capacity(members.len());
    for member in members {
        let look = match &bus {
            Some(bus) => look(bus, &member.unit).await.map_err(|error| error.to_string()),
            None => Err("there is no connection to the bus".to_owned()),
        };
        found.push((member, look));
    }
    let after = |at: usize| {
        found[at]
            .1
            .as_ref()
            .map(|look: &Look| look.after.as_slice())
            .unwrap_or_default()
    };
    let names: Vec<&str> = found.iter().map(|(member, _)| member.unit.as_str()).collect();
    let order = in_order(&names, after);
    let mut report = Vec::with_capacity(found.len());
    for at in order {
        let (member, look) = &found[at];
        let (result, detail) = match (look, &bus) {
            (Err(error), _) => ("failed", error.clone()),
            (Ok(look), _) if !look.active => ("skipped", "it does not run".to_owned()),
            (Ok(look), _) if !look.can_reload => ("skipped", "no ReloadSignal=".to_owned()),
            (Ok(_), Some(bus)) => match job::run(bus, &member.unit, job::Kind::Reload).await {
                Ok(result) if result == "done" => ("reloaded", String::new()),
                Ok(result) => (
                    "failed",
                    format!(
                        "its reload ended as `{result}` (`systemctl status {}` says why)",
                        member.unit
                    ),
                ),
                Err(error) => ("failed", error.to_string()),
            },
            (Ok(_), None) => ("failed", "there is no connection to the bus".to_owned()),
        };
        report.push(Delivery {
            member: member.member.clone(),
            pid: member.pid,
            signal: member.signal.map(|signal| signal.to_string()).unwrap_or_default(),
            result: result.to_owned(),
            detail,
        });
    }
    report
}

/// What decides whether and when a unit is reloaded, as systemd knows it, drop-ins included.
struct Look {
    active: bool,
    can_reload: bool,
    after: Vec<String>,
}

async fn look(bus: &Connection, unit: &str) -> zbus::Result<Look> {
    let mut can_reload = false;
    let mut after = Vec::new();
    let state = manager::read_unit(bus, unit, |properties| {
        can_reload |= matches!(properties.get("CanReload"), Some(Variant::Bool(true)));
        if let Some(Variant::Array(units)) = properties.get("After") {
            after.extend(units.inner().iter().filter_map(|unit| match unit {
                Variant::Str(unit) => Some(unit.to_string()),
                _ => None,
            }));
        }
    });
    let state = state.await?;
    Ok(Look {
        active: state.active == Active::Active,
        can_reload,
        after,
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
}
