//! What systemd is asked to do with the pod's units.

use super::Supervisor;
use crate::model::Signal;
use crate::supervise::event::Role;
use crate::supervise::service::Request;
use crate::systemd::journal::Priority;
use crate::systemd::manager;
use tokio::sync::{mpsc, oneshot};
use zbus::Connection;

/// One thing that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Start,
    Stop,
    Restart,
    Kill,
    Forget,
}

impl Wish {
    fn words(self) -> &'static str {
        match self {
            Self::Start => "the start",
            Self::Stop => "the stop",
            Self::Restart => "the restart",
            Self::Kill => "SIGKILL for the main process",
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
        // systemd refuses to stop what is frozen, from 257 on.
        let frozen = (wishes.contains(&Wish::Stop) && self.machine.is_held()).then(|| self.plan.name.slice());
        tokio::spawn(async move {
            if let Some(slice) = frozen
                && let Err(why) = freeze(&bus, &slice, false).await
            {
                log.line(Priority::Error, &format!("{why}; {unit} may not stop"));
            }
            for wish in wishes {
                let result = match wish {
                    Wish::Start => manager::start_unit(&bus, &unit).await,
                    Wish::Stop => manager::stop_unit(&bus, &unit).await,
                    Wish::Restart => manager::restart_unit(&bus, &unit).await,
                    Wish::Kill => manager::kill_unit(&bus, &unit, "main", Signal::KILL.number()).await,
                    Wish::Forget => manager::reset_failed(&bus, &unit).await,
                };
                if let Err(error) = result {
                    let text = format!("systemd did not take {} of {unit}: {error}", wish.words());
                    log.line(Priority::Error, &text);
                }
            }
        });
    }

    /// The unit of a part of the pod.
    pub(super) fn unit_name(&self, role: Role) -> String {
        match role {
            Role::Pod => self.plan.name.unit(),
            Role::Infra => self.plan.name.infra_unit(),
            Role::Member(at) => self.plan.members[at].unit.clone(),
        }
    }
}

/// Looks at all units, and returns when that is done: of what freezes and thaws, systemd 252 tells nobody.
pub(super) async fn look(requests: &mpsc::Sender<Request>) {
    let (seen, done) = oneshot::channel();
    if requests.send(Request::Look { seen }).await.is_ok() {
        let _ = done.await;
    }
}

/// Has systemd hold the processes of a unit still, those of a slice too, or let them go on; in the words of an error, why
/// it does not.
pub(super) async fn freeze(bus: &Connection, unit: &str, still: bool) -> Result<(), String> {
    let verb = if still { "freeze" } else { "thaw" };
    let done = manager::freeze_unit(bus, unit, still).await;
    done.map_err(|error| format!("systemd did not {verb} {unit}: {error}"))
}
