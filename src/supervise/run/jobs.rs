//! What systemd is asked to do with the pod's units.

use super::Supervisor;
use crate::supervise::event::Role;
use crate::systemd::journal::Priority;
use crate::systemd::manager;

/// One thing that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Start,
    Stop,
    Restart,
    Forget,
}

impl Wish {
    fn words(self) -> &'static str {
        match self {
            Self::Start => "the start",
            Self::Stop => "the stop",
            Self::Restart => "the restart",
            Self::Forget => "the reset of the failures",
        }
    }
}

impl Supervisor {
    /// Asks for these things, one after the other. Without a connection nothing is lost: the state machine asks again
    /// when it has read all units anew.
    pub(super) fn ask(&self, role: Role, wishes: &'static [Wish]) {
        let Some(bus) = self.bus.as_ref().map(|bus| bus.connection().clone()) else {
            return;
        };
        let (unit, log) = (self.unit_name(role), self.log.clone());
        tokio::spawn(async move {
            for wish in wishes {
                let result = match wish {
                    Wish::Start => manager::start_unit(&bus, &unit).await,
                    Wish::Stop => manager::stop_unit(&bus, &unit).await,
                    Wish::Restart => manager::restart_unit(&bus, &unit).await,
                    Wish::Forget => manager::reset_failed(&bus, &unit).await,
                };
                if let Err(error) = result {
                    let text = format!("systemd did not take {} of {unit}: {error}", wish.words());
                    log.line(Priority::Error, &text);
                }
            }
        });
    }

    fn unit_name(&self, role: Role) -> String {
        match role {
            Role::Pod => self.plan.name.unit(),
            Role::Infra => self.plan.name.infra_unit(),
            Role::Member(at) => self.plan.members[at].unit.clone(),
        }
    }
}
