//! What the supervisor says of itself: to systemd (`READY=1`, `STATUS=` …) and to the journal. Neither ever keeps it
//! waiting.

use crate::model::PodName;
use crate::systemd::datagram::Datagrams;
use crate::systemd::journal::{Fields, Priority};
use crate::systemd::pod::Delivery;
use std::io;
use std::sync::Arc;

/// Notifications that systemd has not taken yet, in order; almost always none.
#[derive(Debug)]
pub(super) struct Notifier {
    systemd: Option<Arc<Datagrams>>,
    unsent: Vec<String>,
}

impl Notifier {
    /// With `systemd`, the socket that `$NOTIFY_SOCKET` names.
    pub(super) fn new(systemd: Option<Arc<Datagrams>>) -> Self {
        Self {
            systemd,
            unsent: Vec::new(),
        }
    }

    /// Adds a field to the next datagram. A new status replaces one that was not sent.
    pub(super) fn add(&mut self, field: String) {
        let key = field.split_inclusive('=').next().unwrap_or_default().to_owned();
        self.unsent.retain(|other| !other.starts_with(&key));
        self.unsent.push(field);
    }

    /// Sends what there is; systemd takes it together. Returns whether something is left for later.
    pub(super) fn flush(&mut self) -> bool {
        if self.unsent.is_empty() {
            return false;
        }
        let text = self.unsent.join("\n");
        let sent = self
            .systemd
            .as_ref()
            .map_or(Ok(()), |systemd| systemd.send(&[text.as_bytes()], None));
        if !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.unsent.clear();
        }
        !self.unsent.is_empty()
    }
}

/// The supervisor's own lines in the journal.
#[derive(Debug, Clone)]
pub(super) struct Log {
    journal: Arc<Datagrams>,
    pod: PodName,
}

impl Log {
    pub(super) fn new(journal: Arc<Datagrams>, pod: PodName) -> Self {
        Self { journal, pod }
    }

    /// Writes a line, on standard error if the journal is not there.
    pub(super) fn line(&self, priority: Priority, text: &str) {
        let fields = Fields::new(priority)
            .with("SYSLOG_IDENTIFIER", "podunit")
            .with("POD", self.pod.as_str());
        let text = text.replace('\n', " ");
        if fields.send(&self.journal, text.as_bytes(), None).is_err() {
            eprintln!("<{}>{text}", priority as u8);
        }
    }

    /// Writes a line for each delivery and one that sums them up; `what` was done (`SIGHUP`, `reload`).
    pub(super) fn deliveries(&self, what: &str, report: &[Delivery]) {
        for delivery in report {
            let (priority, text) = tell(delivery);
            self.line(priority, &text);
        }
        let count = |results: [&str; 2]| {
            report
                .iter()
                .filter(|it| results.contains(&it.result.as_str()))
                .count()
        };
        let (sent, skipped, failed) = (
            count(["sent", "reloaded"]),
            count(["skipped"; 2]),
            count(["failed"; 2]),
        );
        let text = format!("{what}: {sent} delivered, {skipped} skipped, {failed} failed");
        self.line(
            if failed > 0 {
                Priority::Warning
            } else {
                Priority::Info
            },
            &text,
        );
    }
}

fn tell(delivery: &Delivery) -> (Priority, String) {
    let Delivery {
        member,
        pid,
        asked,
        signal,
        result,
        detail,
        warning,
        ..
    } = delivery;
    let meant = if signal.is_empty() { asked } else { signal };
    let (priority, mut text) = match result.as_str() {
        "sent" => (
            Priority::Info,
            format!("Delivered {signal} to {member} (PID {pid})"),
        ),
        "reloaded" => (Priority::Info, format!("Reloaded {member} (PID {pid})")),
        "skipped" if asked.is_empty() => (Priority::Info, format!("Did not reload {member}: {detail}")),
        "skipped" => (
            Priority::Info,
            format!("Did not deliver {meant} to {member}: {detail}"),
        ),
        _ if asked.is_empty() => (Priority::Warning, format!("Could not reload {member}: {detail}")),
        _ => (
            Priority::Warning,
            format!("Could not deliver {meant} to {member}: {detail}"),
        ),
    };
    if !signal.is_empty() && !asked.is_empty() && signal != asked {
        text.push_str(&format!(", in the place of {asked}"));
    }
    if !warning.is_empty() {
        text.push_str(&format!("; {warning}"));
    }
    (priority, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_one_line_with_all_that_is_known() {
        let sent = Delivery {
            member: "a".to_owned(),
            unit: "pod-x-a.service".to_owned(),
            pid: 7,
            asked: "SIGHUP".to_owned(),
            signal: "SIGUSR1".to_owned(),
            result: "sent".to_owned(),
            detail: String::new(),
            warning: "its main process ignores SIGUSR1".to_owned(),
        };
        let line = "Delivered SIGUSR1 to a (PID 7), in the place of SIGHUP; its main process ignores SIGUSR1";
        assert_eq!(tell(&sent).1, line);
        let skipped = Delivery {
            signal: String::new(),
            result: "skipped".to_owned(),
            detail: "it has just ended".to_owned(),
            warning: String::new(),
            ..sent
        };
        assert_eq!(tell(&skipped).1, "Did not deliver SIGHUP to a: it has just ended");
        let reload = Delivery {
            asked: String::new(),
            ..skipped
        };
        assert_eq!(tell(&reload).1, "Did not reload a: it has just ended");
    }
}
