//! The D-Bus interface `org.podunit.Pod1`. It only passes on: the supervisor's loop answers.

use super::signals::Sent;
use crate::model::{MemberName, PodName, Signal};
use crate::systemd::pod::{Delivery, MemberState, PATH, bus_name};
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};
use zbus::Variant;
use zbus::fdo::{Error, RequestNameFlags, RequestNameReply, Result};

/// What a client asks of the supervisor.
#[derive(Debug)]
pub(super) enum Request {
    /// Send a signal: to one member exactly it, to all of them by their maps if it is one that pods route.
    Signal {
        member: Option<MemberName>,
        whom: &'static str,
        sent: Sent,
        /// Only say what would be sent.
        dry_run: bool,
        answer: oneshot::Sender<Vec<Delivery>>,
    },
    /// Reload a member, or all that can be.
    Reload {
        member: Option<MemberName>,
        answer: oneshot::Sender<Vec<Delivery>>,
    },
    /// Say how the pod is.
    Describe { answer: oneshot::Sender<Description> },
}

/// How a pod is.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) state: &'static str,
    pub(super) status: String,
    pub(super) members: Vec<MemberState>,
}

/// The object.
pub(super) struct Pod1 {
    pub(super) name: PodName,
    pub(super) members: Vec<MemberName>,
    pub(super) requests: mpsc::Sender<Request>,
}

impl Pod1 {
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T> {
        let gone = || Error::Failed("the pod is being stopped".to_owned());
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    /// The member of this name; empty for all.
    fn chosen(&self, name: &str) -> Result<Option<MemberName>> {
        if name.is_empty() {
            return Ok(None);
        }
        let known = self.members.iter().find(|known| known.as_str() == name);
        let unknown = || Error::InvalidArgs(format!("the pod {} has no member `{name}`", self.name));
        known.cloned().map(Some).ok_or_else(unknown)
    }

    async fn describe(&self) -> Result<Description> {
        self.ask(|answer| Request::Describe { answer }).await
    }
}

#[zbus::interface(name = "org.podunit.Pod1", introspection_docs = false)]
impl Pod1 {
    /// Sends a signal and reports what became of it for each member: member, unit, main process, the signal that was asked
    /// for, the one that was meant for the member, result (`sent`, `would-send`, `skipped`, `failed`), reason, and a
    /// warning if its main process has no handler or ignores it. With `member` empty it is meant for all: HUP, USR1,
    /// USR2, WINCH and real-time signals go as each member's `SignalMap=` says, and only to processes that survive them;
    /// any other signal, and every signal for a member that is named, goes exactly as it is. `whom` is `main` (the main
    /// process) or `all` (every process of the unit). `options` can have `value` (i), which a real-time signal carries,
    /// and `dry-run` (b), by which nothing is sent.
    async fn signal(
        &self,
        member: &str,
        whom: &str,
        signal: i32,
        options: HashMap<&str, Variant<'_>>,
    ) -> Result<Vec<Delivery>> {
        let whom = match whom {
            "main" => "main",
            "all" => "all",
            _ => return Err(Error::InvalidArgs("whom is `main` or `all`".to_owned())),
        };
        let Some(signal) = Signal::from_number(signal) else {
            return Err(Error::InvalidArgs("signals have numbers from 1 to 64".to_owned()));
        };
        let (mut value, mut dry_run) = (None, false);
        for (name, option) in options {
            match (name, option) {
                ("value", Variant::I32(number)) if signal.is_real_time() => value = Some(number),
                ("value", Variant::I32(_)) => {
                    return Err(Error::InvalidArgs(format!("{signal} carries no value")));
                }
                ("dry-run", Variant::Bool(is)) => dry_run = is,
                _ => {
                    return Err(Error::InvalidArgs(format!(
                        "there is no option `{name}` of this type"
                    )));
                }
            }
        }
        let member = self.chosen(member)?;
        self.ask(|answer| Request::Signal {
            member,
            whom,
            sent: Sent { signal, value },
            dry_run,
            answer,
        })
        .await
    }

    /// Reloads a member, or with `member` empty all that can be, in the order of their dependencies, waits for them, and
    /// reports as `Signal` does, with the results `reloaded`, `skipped` and `failed`. If one of them cannot be reloaded
    /// now, none is; if the reload of one fails, those behind it are not reloaded. The reload as a whole has failed if any
    /// member has, or if none was reloaded.
    async fn reload(&self, member: &str) -> Result<Vec<Delivery>> {
        let member = self.chosen(member)?;
        self.ask(|answer| Request::Reload { member, answer }).await
    }

    /// The pod's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.name.to_string()
    }

    /// `starting`, `ready`, `degraded`, `recovering`, `stopping` or `failed`.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn state(&self) -> Result<String> {
        Ok(self.describe().await?.state.to_owned())
    }

    /// The state in words, as in `systemctl status`.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn status(&self) -> Result<String> {
        Ok(self.describe().await?.status)
    }

    /// Member, unit, process ID, `ActiveState`, and why it is not up.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn members(&self) -> Result<Vec<MemberState>> {
        Ok(self.describe().await?.members)
    }
}

/// Serves the interface on a connection, under the pod's own name.
pub(super) async fn serve(bus: zbus::Connection, pod: Pod1) -> zbus::Result<()> {
    let name = bus_name(&pod.name);
    bus.object_server().at(PATH, pod).await?;
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    match bus.request_name_with_flags(name.as_str(), flags).await? {
        RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner => Ok(()),
        _ => Err(zbus::Error::NameTaken),
    }
}
