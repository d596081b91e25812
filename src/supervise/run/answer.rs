//! Answers: to signals sent to the pod, and to clients of the D-Bus interface.

use super::Supervisor;
use crate::model::Signal;
use crate::supervise::deliver::{self, Order, Reload};
use crate::supervise::event::Event;
use crate::supervise::service::{Description, Request};
use crate::supervise::standing::Standing;
use crate::systemd::pod::MemberState;

type Answer = tokio::sync::oneshot::Sender<Vec<crate::systemd::pod::Delivery>>;

impl Supervisor {
    pub(super) async fn signal(&mut self, signal: Signal) {
        if !signal.is_routed() {
            return self.step(Event::Stop).await;
        }
        let orders = (0..self.plan.members.len())
            .map(|at| self.routed(at, signal))
            .collect();
        self.deliver(signal, orders, None);
    }

    fn routed(&self, at: usize, signal: Signal) -> Order {
        // What is starting is not the payload yet, or not ready for signals.
        let up = self.machine.standing(at) == Standing::Up;
        Order::routed(
            &self.plan.members[at],
            if up { self.machine.member(at).main_pid } else { 0 },
            signal,
        )
    }

    fn deliver(&self, signal: Signal, orders: Vec<Order>, answer: Option<Answer>) {
        let bus = self.bus.as_ref().map(|bus| bus.connection().clone());
        let log = self.log.clone();
        tokio::spawn(async move {
            let report = deliver::deliver(bus, orders).await;
            log.deliveries(&signal.to_string(), &report);
            // A client that has gone away wants no answer.
            let _ = answer.map(|answer| answer.send(report));
        });
    }

    pub(super) fn serve(&self, request: Request) {
        let members = 0..self.plan.members.len();
        let pid = |at: usize| self.machine.member(at).main_pid;
        match request {
            Request::Kill {
                member: None,
                whom: "main",
                signal,
                answer,
            } if signal.is_routed() => {
                self.deliver(
                    signal,
                    members.map(|at| self.routed(at, signal)).collect(),
                    Some(answer),
                );
            }
            Request::Kill {
                member,
                whom,
                signal,
                answer,
            } => {
                let chosen = |at: &usize| {
                    member
                        .as_ref()
                        .is_none_or(|name| self.plan.members[*at].name == *name)
                };
                let order = |at: usize| Order::exact(&self.plan.members[at], pid(at), whom, signal);
                self.deliver(signal, members.filter(chosen).map(order).collect(), Some(answer));
            }
            Request::Reload { answer } => {
                let reload = |at: usize| {
                    let member = &self.plan.members[at];
                    Reload {
                        member: member.name.to_string(),
                        unit: member.unit.clone(),
                        pid: pid(at),
                        signal: member.reload_signal,
                    }
                };
                let members = members.map(reload).collect();
                let bus = self.bus.as_ref().map(|bus| bus.connection().clone());
                let log = self.log.clone();
                tokio::spawn(async move {
                    let report = deliver::reload(bus, members).await;
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
}
