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
        signal,
        result,
        detail,
    } = delivery;
    match result.as_str() {
        "sent" => (
            Priority::Info,
            format!("Delivered {signal} to {member} (PID {pid})"),
        ),
        "reloaded" => (Priority::Info, format!("Reloaded {member} (PID {pid})")),
        "skipped" if signal.is_empty() => (Priority::Info, format!("Did not deliver to {member}: {detail}")),
        "skipped" => (
            Priority::Info,
            format!("Did not deliver {signal} to {member}: {detail}"),
        ),
        _ => (
            Priority::Warning,
            format!("Could not deliver {signal} to {member}: {detail}"),
        ),
    }
}
