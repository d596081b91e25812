//! Answers: to signals sent to the pod, and to clients of the D-Bus interface.

use super::Supervisor;
use super::jobs::{freeze, look};
use crate::model::{MemberName, Signal};
use crate::supervise::deliver::{self, Order};
use crate::supervise::event::{Action, Event};
use crate::supervise::reload::{self, Reload};
use crate::supervise::service::{Outcome, Request};
use crate::supervise::signals::Sent;
use crate::supervise::standing::Standing;
use crate::systemd::job::{self, Kind};
use crate::systemd::journal::Priority;
use crate::systemd::manager;
use crate::systemd::pod::Delivery;
use tokio::sync::oneshot;
use zbus::Connection;

type Answer = oneshot::Sender<Vec<Delivery>>;

impl Supervisor {
    pub(super) async fn signal(&mut self, sent: Sent) {
        if self.is_stop(sent.signal) {
            return self.step(Event::Stop).await;
        }
        let orders = (0..self.plan.members.len())
            .map(|at| self.routed(at, sent))
            .collect();
        self.deliver(sent, orders, false, None);
    }

    /// TERM and INT, and what halts a container that runs systemd, unless the definition says what that becomes.
    fn is_stop(&self, signal: Signal) -> bool {
        let is_mapped = || {
            let mut maps = self.plan.members.iter().map(|member| &member.signal_map);
            maps.any(|map| map.contains_key(&signal))
        };
        !signal.is_routed() || signal == Signal::HALT && !is_mapped()
    }

    fn routed(&self, at: usize, sent: Sent) -> Order {
        // What is starting is not the payload yet, or not ready for signals. What is frozen takes them when it thaws.
        let up = matches!(self.machine.standing(at), Standing::Up | Standing::Frozen);
        Order::routed(
            &self.plan.members[at],
            if up { self.machine.member(at).main_pid } else { 0 },
            sent,
        )
    }

    fn deliver(&mut self, sent: Sent, orders: Vec<Order>, dry_run: bool, answer: Option<Answer>) {
        let bus = self.bus.as_ref().map(|bus| bus.connection().clone());
        let log = self.log.clone();
        self.reporting(async move {
            let report = deliver::deliver(bus, orders, dry_run).await;
            if !dry_run {
                log.deliveries(&sent.to_string(), &report);
            }
            // A client that has gone away wants no answer.
            let _ = answer.map(|answer| answer.send(report));
        });
    }

    /// Lets a report be made beside all else; none is lost when the supervisor ends.
    fn reporting(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.reports.try_join_next().is_some() {}
        self.reports.spawn(task);
    }

    pub(super) async fn serve(&mut self, request: Request) {
        let members = 0..self.plan.members.len();
        let pid = |at: usize| self.machine.member(at).main_pid;
        match request {
            Request::Signal {
                member: None,
                whom: "main",
                sent,
                dry_run,
                answer,
            } if sent.signal.is_routed() => {
                let orders = members.map(|at| self.routed(at, sent)).collect();
                self.deliver(sent, orders, dry_run, Some(answer));
            }
            Request::Signal {
                member,
                whom,
                sent,
                dry_run,
                answer,
            } => {
                let order = |at: usize| Order::exact(&self.plan.members[at], pid(at), whom, sent);
                let orders = self.chosen(member.as_ref()).map(order).collect();
                self.deliver(sent, orders, dry_run, Some(answer));
            }
            Request::Reload { member, answer } => {
                let reload = |at: usize| {
                    let member = &self.plan.members[at];
                    Reload {
                        member: member.name.to_string(),
                        unit: member.unit.clone(),
                        pid: pid(at),
                        signal: member.reload_signal,
                    }
                };
                let members = self.chosen(member.as_ref()).map(reload).collect();
                let bus = self.bus.as_ref().map(|bus| bus.connection().clone());
                let log = self.log.clone();
                self.reporting(async move {
                    let report = reload::reload(bus, members, member.is_some()).await;
                    log.deliveries("reload", &report);
                    let _ = answer.send(report);
                });
            }
            Request::Restart { member, answer } => {
                let unit = self.plan.name.member_unit(&member);
                self.restart(unit, answer);
            }
            Request::Freeze { still, answer } => self.freeze(still, answer),
            Request::Look { seen } => {
                self.looked.push(seen);
                self.step(Event::Syncing).await;
                self.act(Action::Sync).await;
            }
        }
    }

    /// The member of this name, or all.
    fn chosen(&self, name: Option<&MemberName>) -> impl Iterator<Item = usize> {
        (0..self.plan.members.len())
            .filter(move |at| name.is_none_or(|name| self.plan.members[*at].name == *name))
    }

    fn restart(&self, unit: String, answer: oneshot::Sender<Outcome<u32>>) {
        let bus = self.connection();
        tokio::spawn(async move {
            let _ = answer.send(match bus {
                Ok(bus) => restart(&bus, &unit).await,
                Err(why) => Err(why),
            });
        });
    }

    fn freeze(&self, still: bool, answer: oneshot::Sender<Outcome<()>>) {
        let (bus, slice) = (self.connection(), self.plan.name.slice());
        let (requests, log) = (self.requests.0.clone(), self.log.clone());
        tokio::spawn(async move {
            let done = match bus {
                Ok(bus) => freeze(&bus, &slice, still).await,
                Err(why) => Err(why),
            };
            if done.is_ok() {
                log.line(
                    Priority::Info,
                    if still {
                        "the pod is frozen"
                    } else {
                        "the pod goes on"
                    },
                );
            }
            // The properties are true before the client has its answer.
            look(&requests).await;
            let _ = answer.send(done);
        });
    }

    fn connection(&self) -> Outcome<Connection> {
        let bus = self.bus.as_ref().map(|bus| bus.connection().clone());
        bus.ok_or_else(|| "there is no connection to systemd".to_owned())
    }
}

/// Restarts a unit and returns its new main process.
async fn restart(bus: &Connection, unit: &str) -> Outcome<u32> {
    let asked = job::run(bus, unit, Kind::Restart).await;
    match asked.map_err(|error| error.to_string())?.as_str() {
        "done" => {}
        result => {
            return Err(format!(
                "the restart of {unit} ended as `{result}` (`systemctl status {unit}` says why)"
            ));
        }
    }
    let read = manager::read_unit(bus, unit, |_| {}).await;
    Ok(read.map_err(|error| error.to_string())?.main_pid)
}
