//! A look at the launchers of all members.

use super::{SETTLE, Supervisor};
use crate::supervise::event::Event;
use crate::supervise::launcher::Launcher;
use tokio::time::Instant;

impl Supervisor {
    pub(super) async fn look_at_launchers(&mut self) {
        let (paths, plan) = (&self.paths, &self.plan);
        let launchers = plan
            .members
            .iter()
            .map(|member| Launcher::of(paths, &plan.name, &member.name));
        let launchers: Vec<Launcher> = launchers.collect();
        let last = self.settle.take();
        if launchers.contains(&Launcher::AtWork) {
            let next = last.map_or(SETTLE.0, |(_, delay)| delay * 2).min(SETTLE.1);
            self.settle = Some((Instant::now() + next, next));
        }
        self.step(Event::Settled(launchers)).await;
    }
}
