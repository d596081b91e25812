//! When the steps of a start began, as the program saw it that took them: what `podunit analyze` shows beside systemd's
//! own timestamps. Kept in memory and written once, in one small file under `/run/podunit/X`, when the work is done.

use crate::sys::file::{read_text, replace};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::path::Path;

/// Largest timeline that is read, in bytes.
const LARGEST: u64 = 4 << 10;

/// What a program was at, from one moment on until the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// infra: reading the pod, making its folder. A member's: reading the pod.
    Prepare,
    /// infra: making the namespaces, starting their PID 1.
    Namespaces,
    /// infra: address, ports, netavark. A member's: waiting until infra has done that.
    Network,
    /// A member's: finding the image.
    Image,
    /// A member's: mounting the root file system.
    Overlay,
    /// A member's: deciding and writing the OCI configuration.
    Config,
    /// A member's: the OCI runtime makes the container (`create`).
    Create,
    /// A member's: its process becomes systemd's. infra: PID 1 becomes the unit's main process.
    Handover,
    /// A member's: the OCI runtime lets the program go (`start`).
    Start,
    /// The supervisor: connecting to the bus and reading all units.
    Bus,
    /// The supervisor: waiting for the members.
    Members,
    /// The supervisor: waiting for listeners on the published ports.
    Ports,
    /// The supervisor: the moment that members have to fail in.
    Settle,
    /// The work is done.
    Done,
}

const NAMES: [(Phase, &str); 14] = [
    (Phase::Prepare, "prepare"),
    (Phase::Namespaces, "namespaces"),
    (Phase::Network, "network"),
    (Phase::Image, "image"),
    (Phase::Overlay, "overlay"),
    (Phase::Config, "config"),
    (Phase::Create, "create"),
    (Phase::Handover, "handover"),
    (Phase::Start, "start"),
    (Phase::Bus, "bus"),
    (Phase::Members, "members"),
    (Phase::Ports, "ports"),
    (Phase::Settle, "settle"),
    (Phase::Done, "done"),
];

impl Phase {
    /// Its name in the file, and on screens.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(phase, _)| *phase == self)
            .map_or("", |(_, name)| name)
    }
}

/// Phases in order, each with the moment it began, in microseconds of `CLOCK_MONOTONIC` (as systemd's
/// `…TimestampMonotonic` properties).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline(pub Vec<(u64, Phase)>);

impl Timeline {
    /// The phase begins now.
    pub fn begin(&mut self, phase: Phase) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000;
        self.0.push((usec, phase));
    }

    /// Writes it: a line for each phase, `MICROSECONDS NAME`. Nothing depends on this file, so an error is nobody's
    /// business.
    pub fn write(&self, path: &Path) {
        let lines: String = self
            .0
            .iter()
            .map(|(usec, phase)| format!("{usec} {}\n", phase.name()))
            .collect();
        let _ = replace(path, lines.as_bytes(), 0o600);
    }

    /// Reads what [`Timeline::write`] wrote; lines of another release that it does not know are left out.
    ///
    /// # Errors
    /// There is none (`NotFound`: the start is not over, or was killed), or it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = read_text(path, LARGEST)?;
        let phase = |line: &str| {
            let (usec, name) = line.split_once(' ')?;
            let (phase, _) = NAMES.iter().find(|(_, known)| *known == name)?;
            Some((usec.parse().ok()?, *phase))
        };
        Ok(Self(text.lines().filter_map(phase).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("timeline");
        let mut timeline = Timeline::default();
        NAMES.iter().for_each(|(phase, _)| timeline.begin(*phase));
        timeline.write(&path);
        assert_eq!(Timeline::read(&path).unwrap(), timeline);
        assert!(timeline.0.is_sorted_by_key(|(usec, _)| *usec) && timeline.0[0].0 > 0);
        std::fs::write(&path, "1 image\n2 of another release\n\n3 done\n").unwrap();
        assert_eq!(
            Timeline::read(&path).unwrap().0,
            [(1, Phase::Image), (3, Phase::Done)]
        );
    }
}
