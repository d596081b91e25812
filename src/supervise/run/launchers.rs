//! A look at the launchers of all members.

use super::{SETTLE, Supervisor};
use crate::supervise::event::Event;
use crate::supervise::launcher::Launcher;
use crate::supervise::plan::MemberPlan;
use crate::sys::proc::is_waiting;
use std::time::Duration;
use tokio::time::Instant;

/// On a busy machine a program may not have had the processor in its moment, or have ended without systemd having seen
/// it: it has another, as long as they are shorter than this. One that works all the time is not waited for any longer.
const PATIENCE: Duration = Duration::from_millis(160);

impl Supervisor {
    pub(super) async fn look_at_launchers(&mut self) {
        let (paths, plan) = (&self.paths, &self.plan);
        let last = self.settle.take();
        let is_patient = last.is_none_or(|(_, delay)| delay < PATIENCE);
        let launcher = |(at, member): (usize, &MemberPlan)| match self.machine.member(at).main_pid {
            // It is down, and nothing is awaited of it.
            0 => Launcher::Done,
            pid => match Launcher::of(paths, &plan.name, &member.name, pid) {
                Launcher::Done if is_patient && !is_waiting(pid) => Launcher::AtWork,
                launcher => launcher,
            },
        };
        let launchers: Vec<Launcher> = plan.members.iter().enumerate().map(launcher).collect();
        if launchers.contains(&Launcher::AtWork) {
            let next = last.map_or(SETTLE.0, |(_, delay)| delay * 2).min(SETTLE.1);
            self.settle = Some((Instant::now() + next, next));
        }
        self.step(Event::Settled(launchers)).await;
    }
}
