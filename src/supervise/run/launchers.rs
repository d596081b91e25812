//! A look at the launchers of members: whether they are still at work, and whether one was killed before it let its
//! member's program begin.

use super::{SETTLE, Supervisor};
use crate::supervise::event::{Event, Launcher};
use crate::sys::file::is_locked;
use tokio::time::Instant;

impl Supervisor {
    pub(super) async fn look_at_launchers(&mut self) {
        let launchers: Vec<Launcher> = (0..self.plan.members.len()).map(|at| self.launcher(at)).collect();
        let last = self.settle.take();
        if launchers.contains(&Launcher::AtWork) {
            let next = last.map_or(SETTLE.0, |(_, delay)| delay * 2).min(SETTLE.1);
            self.settle = Some((Instant::now() + next, next));
        }
        self.step(Event::Settled(launchers)).await;
    }

    fn launcher(&self, at: usize) -> Launcher {
        let name = &self.plan.members[at].name;
        if is_locked(&self.paths.pod(&self.plan.name).member(name).launching()) {
            return Launcher::AtWork;
        }
        // On this FIFO the runtime holds a member's process before its program.
        let state = self.paths.runtime_state().join(self.plan.name.container_id(name));
        match state.join("exec.fifo").exists() {
            true => Launcher::Killed,
            false => Launcher::Done,
        }
    }
}
