//! The program that starts a member, as seen from beside it.

use crate::model::{MemberName, Paths, PodName};
use crate::sys::file::{is_locked, read_text};

/// Longest file with the number of a process that is read, in bytes.
const LONGEST: u64 = 4096;

/// How the launcher of a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// It runs, or the program has only just begun.
    AtWork,
    /// It has ended, and the member's program has begun.
    Done,
    /// It was killed before the member's program began.
    Killed,
}

impl Launcher {
    /// That of a member whose main process is `pid` to systemd.
    pub(super) fn of(paths: &Paths, pod: &PodName, member: &MemberName, pid: u32) -> Self {
        let own = paths.pod(pod).member(member);
        let written = read_text(&own.pid_file(), LONGEST).unwrap_or_default();
        // Before, it is the launcher itself, which may not have come to its lock yet, nor to what an earlier life left.
        if is_locked(&own.launching()) || written.trim().parse() != Ok(pid) {
            return Self::AtWork;
        }
        // On this FIFO the runtime holds a member's process before its program.
        let state = paths.runtime_state().join(pod.container_id(member));
        match state.join("exec.fifo").exists() {
            true => Self::Killed,
            false => Self::Done,
        }
    }
}
