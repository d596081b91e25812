//! Probes of the members: what systemd says of a member goes in, what its probes want done is done.

use super::Supervisor;
use crate::model::{OnFailure, Signal};
use crate::supervise::event::Event;
use crate::supervise::probe::{Done, Life, Place, Step};
use crate::systemd::journal::Priority;
use crate::systemd::manager;
use crate::systemd::unit::{Active, Unit};
use std::time::Duration;

/// How long systemd may take to accept a message in a member's name.
const PATIENCE: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Tells a member's probes how it is, once systemd has said so.
    pub(super) async fn follow_probes(&mut self, at: usize) {
        let steps = self.watches.follow(at, life(self.machine.member(at)));
        self.take_steps(at, steps).await;
    }

    /// Makes the checks that are due.
    pub(super) async fn probe(&mut self) {
        for (at, steps) in self.watches.tick() {
            self.take_steps(at, steps).await;
        }
    }

    /// Takes the result of a check.
    pub(super) async fn probed(&mut self, done: &Done) {
        let steps = self.watches.take(done);
        self.take_steps(done.member, steps).await;
    }

    async fn take_steps(&mut self, at: usize, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Check(kind) => {
                    let member = &self.plan.members[at];
                    let place = Place {
                        paths: &self.paths,
                        pod: &self.plan.name,
                        member: &member.name,
                        probes: &member.probes,
                    };
                    let bus = self.bus.as_ref().map(|bus| bus.connection().clone());
                    self.watches.begin(at, kind, &place, bus);
                }
                // The member has to say so too; its relay holds that back until now.
                Step::Announce if self.plan.members[at].notify => {}
                Step::Announce => self.say_for(at, "READY=1".to_owned()),
                Step::Extend(time) => self.say_for(at, format!("EXTEND_TIMEOUT_USEC={}", time.as_micros())),
                Step::Tell(probed) => self.step(Event::Probed(at, Box::new(probed))).await,
                Step::Act(action) => self.act_on(at, action),
                Step::Say(text, true) => self.log.line(Priority::Warning, &text),
                Step::Say(text, false) => self.log.line(Priority::Info, &text),
            }
        }
        let is_open = self.watches.is_open(at);
        if let Some(attached) = &self.members[at] {
            attached
                .gate
                .send_if_modified(|known| std::mem::replace(known, is_open) != is_open);
        }
    }

    /// Tells systemd something in a member's name.
    fn say_for(&self, at: usize, message: String) {
        let Some(systemd) = self.systemd.clone() else {
            return;
        };
        let (pid, name) = (
            self.machine.member(at).main_pid,
            self.plan.members[at].name.clone(),
        );
        let log = self.log.clone();
        tokio::spawn(async move {
            let sent = systemd
                .send_within(&[message.as_bytes()], Some(pid), PATIENCE)
                .await;
            if let Err(error) = sent {
                let text = format!("systemd did not take {message} for {name}: {error}");
                log.line(Priority::Warning, &text);
            }
        });
    }

    /// Does something about a member that its probes have given up.
    fn act_on(&self, at: usize, action: OnFailure) {
        let Some(bus) = self.bus.as_ref().map(|bus| bus.connection().clone()) else {
            return;
        };
        let (unit, log) = (self.plan.members[at].unit.clone(), self.log.clone());
        tokio::spawn(async move {
            let done = match action {
                OnFailure::None => Ok(()),
                OnFailure::Kill => manager::kill_unit(&bus, &unit, "main", Signal::KILL.number()).await,
                OnFailure::Restart => manager::restart_unit_alone(&bus, &unit).await,
                OnFailure::Stop => manager::stop_unit(&bus, &unit).await,
            };
            if let Err(error) = done {
                let text =
                    format!("systemd did nothing about {unit}, which its probes have given up: {error}");
                log.line(Priority::Error, &text);
            }
        });
    }
}

/// The life of a member that can be looked at, if it has one.
fn life(unit: &Unit) -> Option<Life> {
    let runs = matches!(unit.active, Active::Active | Active::Activating) && !unit.restarting;
    (runs && unit.main_pid != 0).then_some(Life {
        id: unit.invocation,
        pid: unit.main_pid,
        is_active: unit.active == Active::Active,
    })
}
