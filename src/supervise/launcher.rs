//! The program that starts a member, as seen from beside it.

use crate::model::{MemberName, Paths, PodName};
use crate::sys::file::is_locked;

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
    /// That of a member which has a process.
    pub(super) fn of(paths: &Paths, pod: &PodName, member: &MemberName) -> Self {
        if is_locked(&paths.pod(pod).member(member).launching()) {
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
