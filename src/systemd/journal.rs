//! Messages for the journal, in its native protocol (systemd.io, "Native Journal Protocol"): `FIELD=value` lines in
//! one datagram.

use super::datagram::Datagrams;
use std::io;
use std::time::Duration;

/// Priorities of syslog(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Something failed.
    Error = 3,
    /// Something may be wrong.
    Warning = 4,
    /// Ordinary.
    Info = 6,
}

/// Everything of a message but its text, ready to be sent: complete `FIELD=value` lines.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// Fields that hold a priority and nothing else yet.
    pub fn new(priority: Priority) -> Self {
        Self::default().with("PRIORITY", &(priority as u8).to_string())
    }

    /// Adds a field. A line break would begin a field of its own, so it becomes a space.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        self.0
            .extend(value.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
        self.0.push(b'\n');
        self
    }

    /// Sends a message of one line. With `pid`, the journal files it under the unit of that process.
    ///
    /// # Errors
    /// Those of [`Datagrams::send`].
    pub fn send(&self, journal: &Datagrams, line: &[u8], pid: Option<u32>) -> io::Result<()> {
        debug_assert!(!line.contains(&b'\n'));
        journal.send(&[&self.0, b"MESSAGE=", line, b"\n"], pid)
    }

    /// The same, and waits up to `limit` for a journal that is too slow.
    ///
    /// # Errors
    /// Those of [`Datagrams::send_within`].
    pub async fn send_within(
        &self,
        journal: &Datagrams,
        line: &[u8],
        pid: Option<u32>,
        limit: Duration,
    ) -> io::Result<()> {
        journal
            .send_within(&[&self.0, b"MESSAGE=", line, b"\n"], pid, limit)
            .await
    }
}
