//! Answers: to signals sent to the pod, and to clients of the D-Bus interface.

use super::Supervisor;
use crate::model::{MemberName, Signal};
use crate::supervise::deliver::{self, Order};
use crate::supervise::event::Event;
use crate::supervise::reload::{self, Reload};
use crate::supervise::service::{Description, Request};
use crate::supervise::signals::Sent;
use crate::supervise::standing::Standing;
use crate::systemd::pod::MemberState;

type Answer = tokio::sync::oneshot::Sender<Vec<crate::systemd::pod::Delivery>>;

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
        // What is starting is not the payload yet, or not ready for signals.
        let up = self.machine.standing(at) == Standing::Up;
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

    pub(super) fn serve(&mut self, request: Request) {
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
            Request::Describe { answer } => {
                let member = |at: usize| MemberState {
                    member: self.plan.members[at].name.to_string(),
                    unit: self.plan.members[at].unit.clone(),
                    pid: pid(at),
                    active: self.machine.member(at).active.word().to_owned(),
                    detail: self.machine.remark(at).unwrap_or_default(),
                };
                let _ = answer.send(Description {
                    state: self.machine.state().word(),
                    status: self.machine.status().to_owned(),
                    members: members.map(member).collect(),
                });
            }
        }
    }

    /// The member of this name, or all.
    fn chosen(&self, name: Option<&MemberName>) -> impl Iterator<Item = usize> {
        (0..self.plan.members.len())
            .filter(move |at| name.is_none_or(|name| self.plan.members[*at].name == *name))
    }
}
