//! Signals carried to members through systemd, and the report of each.

use super::plan::MemberPlan;
use super::signals::{self, Sent};
use crate::model::{Fate, Signal};
use crate::sys::{cgroup, pidfd};
use crate::systemd::manager;
use crate::systemd::pod::Delivery;
use std::os::fd::AsFd;
use zbus::Connection;

/// A signal for one member, or why it gets none.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) member: String,
    pub(super) unit: String,
    pub(super) pid: u32,
    /// `main` or `all` (`systemctl kill --kill-whom=`).
    pub(super) whom: &'static str,
    /// What was sent to the pod.
    pub(super) asked: Sent,
    pub(super) signal: Result<Signal, String>,
    /// What somebody who sends this should know.
    pub(super) warning: String,
}

impl Order {
    /// A signal sent to the pod, as the member's map decides; to its main process `pid` (0 for none).
    pub(super) fn routed(member: &MemberPlan, pid: u32, asked: Sent) -> Self {
        let status = status(pid, &member.unit);
        let signal = signals::route(member, asked.signal, status.as_deref());
        Self::to(member, pid, "main", asked, signal, status.as_deref())
    }

    /// Exactly this signal.
    pub(super) fn exact(member: &MemberPlan, pid: u32, whom: &'static str, asked: Sent) -> Self {
        let status = status(pid, &member.unit);
        let signal = match (&status, whom) {
            (None, "main") if pid == 0 => Err("it has no main process".to_owned()),
            (None, "main") => Err("it has just ended".to_owned()),
            _ => Ok(asked.signal),
        };
        Self::to(member, pid, whom, asked, signal, status.as_deref())
    }

    fn to(
        member: &MemberPlan,
        pid: u32,
        whom: &'static str,
        asked: Sent,
        signal: Result<Signal, String>,
        status: Option<&str>,
    ) -> Self {
        let sent = signal.as_ref().ok().copied();
        let warnings = [
            sent.zip(status)
                .and_then(|(signal, status)| warning(Fate::of(status, signal), signal)),
            sent.filter(|signal| asked.value.is_some() && !signal.is_real_time())
                .map(|signal| format!("{signal} carries no value")),
        ];
        Self {
            member: member.name.to_string(),
            unit: member.unit.clone(),
            pid,
            whom,
            asked,
            signal,
            warning: warnings.into_iter().flatten().collect::<Vec<_>>().join("; "),
        }
    }

    fn report(&self, result: &str, detail: String) -> Delivery {
        Delivery {
            member: self.member.clone(),
            unit: self.unit.clone(),
            pid: self.pid,
            asked: self.asked.signal.to_string(),
            signal: self.signal.as_ref().map(Signal::to_string).unwrap_or_default(),
            result: result.to_owned(),
            detail,
            warning: self.warning.clone(),
        }
    }

    async fn send(&self, bus: &Connection, signal: Signal) -> zbus::Result<()> {
        let (unit, whom, number) = (&self.unit, self.whom, signal.number());
        match self.asked.value.filter(|_| signal.is_real_time()) {
            Some(value) => manager::queue_signal_unit(bus, unit, whom, number, value).await,
            None => manager::kill_unit(bus, unit, whom, number).await,
        }
    }
}

/// The text of `/proc/PID/status` of a unit's main process. `None` if the unit's process has ended: its number may be
/// anybody's by then.
pub(super) fn status(pid: u32, unit: &str) -> Option<String> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0)?;
    let held = pidfd::open(pid).ok()?;
    let cgroup = pidfd::read(held.as_fd(), pid, "cgroup").ok()?;
    if !cgroup::is_of_unit(&cgroup, unit) {
        return None;
    }
    pidfd::read(held.as_fd(), pid, "status").ok()
}

/// What to say of a signal beforehand, to who may expect something else.
pub(super) fn warning(fate: Fate, signal: Signal) -> Option<String> {
    match fate {
        Fate::Handled | Fate::Harmless => None,
        Fate::Ended if !signal.can_be_handled() => None,
        Fate::Ignored => Some(format!("its main process ignores {signal}")),
        Fate::Ended => Some(format!(
            "its main process has no handler for {signal}, whose default action ends or stops it"
        )),
        Fate::Dropped => Some(format!(
            "its main process has no handler for {signal}, and the kernel drops it for a PID 1"
        )),
    }
}

/// Carries out orders, or says what would be sent. A process that has ended meanwhile is reported, and is no error:
/// systemd sends to the process that it knows, by a descriptor, and not to a number.
pub(super) async fn deliver(bus: Option<Connection>, orders: Vec<Order>, dry_run: bool) -> Vec<Delivery> {
    let mut report = Vec::with_capacity(orders.len());
    for order in orders {
        report.push(match (&order.signal, &bus) {
            (Err(reason), _) => order.report("skipped", reason.clone()),
            (Ok(_), _) if dry_run => order.report("would-send", String::new()),
            (Ok(_), None) => order.report("failed", "there is no connection to the bus".to_owned()),
            (Ok(signal), Some(bus)) => match order.send(bus, *signal).await {
                Ok(()) => order.report("sent", String::new()),
                Err(error) if is(&error, &GONE) => order.report("skipped", "it has just ended".to_owned()),
                Err(error) if is(&error, &UNKNOWN) => order.report("failed", NO_VALUES.to_owned()),
                Err(error) => order.report("failed", error.to_string()),
            },
        });
    }
    report
}

const GONE: [&str; 2] = [
    "org.freedesktop.systemd1.NoSuchProcess",
    "org.freedesktop.systemd1.NoSuchUnit",
];
const UNKNOWN: [&str; 1] = ["org.freedesktop.DBus.Error.UnknownMethod"];
const NO_VALUES: &str =
    "this systemd cannot send a value with a signal, which systemd 254 and later can; send it without one";

fn is(error: &zbus::Error, names: &[&str]) -> bool {
    names.contains(&manager::error_name(error).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_another_units_process_is_nobody() {
        let own = std::process::id();
        assert_eq!(
            status(own, "pod-x-a.service"),
            None,
            "this test is not in that unit"
        );
        assert_eq!(status(0, "pod-x-a.service"), None);
        assert_eq!(status(u32::MAX, "pod-x-a.service"), None);
        let cgroup = cgroup::of("self").unwrap_or_default();
        if let Some(unit) = cgroup.rsplit('/').next().filter(|unit| !unit.is_empty()) {
            assert!(status(own, unit).unwrap().contains("SigCgt:"));
        }
    }

    #[test]
    fn an_old_systemd_is_told_from_one_that_refuses() {
        let unknown = zbus::fdo::Error::UnknownMethod("QueueSignalUnit".to_owned());
        assert!(is(&unknown.into(), &UNKNOWN));
        assert!(!is(&zbus::Error::Failure(UNKNOWN[0].to_owned()), &UNKNOWN));
    }

    #[test]
    fn what_may_surprise_is_said_beforehand() {
        assert!(
            warning(Fate::Ended, Signal::HUP)
                .unwrap()
                .contains("no handler for SIGHUP")
        );
        assert!(warning(Fate::Dropped, Signal::TERM).unwrap().contains("PID 1"));
        assert!(warning(Fate::Ignored, Signal::TERM).unwrap().contains("ignores"));
        assert_eq!(
            warning(Fate::Ended, Signal::KILL),
            None,
            "nobody expects a handler"
        );
        assert_eq!(warning(Fate::Handled, Signal::HUP), None);
    }
}
