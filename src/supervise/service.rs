//! The D-Bus interface `org.podunit.Pod1`. It only passes on: the supervisor's loop answers.

use crate::model::{MemberName, PodName, Signal};
use crate::systemd::pod::{Delivery, MemberState, PATH, bus_name};
use tokio::sync::{mpsc, oneshot};
use zbus::fdo::{Error, RequestNameFlags, RequestNameReply, Result};

/// What a client asks of the supervisor.
#[derive(Debug)]
pub(super) enum Request {
    /// Send a signal: to one member exactly it, to all of them by their maps if it is one that pods route.
    Kill {
        member: Option<MemberName>,
        whom: &'static str,
        signal: Signal,
        answer: oneshot::Sender<Vec<Delivery>>,
    },
    /// Reload the members.
    Reload { answer: oneshot::Sender<Vec<Delivery>> },
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

    async fn describe(&self) -> Result<Description> {
        self.ask(|answer| Request::Describe { answer }).await
    }
}

#[zbus::interface(name = "org.podunit.Pod1", introspection_docs = false)]
impl Pod1 {
    /// Sends a signal. With `member` empty to all members: HUP, USR1, USR2, WINCH and real-time signals as each
    /// member's `SignalMap=` says and only to processes that survive them, any other exactly. A member that is
    /// named gets exactly the signal. `whom` is `main` (the main process) or `all` (every process of the unit).
    /// Returns member, process ID, signal, result (`sent`, `skipped`, `failed`) and reason for each member.
    async fn kill(&self, member: &str, whom: &str, signal: i32) -> Result<Vec<Delivery>> {
        let whom = match whom {
            "main" => "main",
            "all" => "all",
            _ => return Err(Error::InvalidArgs("whom is `main` or `all`".to_owned())),
        };
        let Some(signal) = Signal::from_number(signal) else {
            return Err(Error::InvalidArgs("signals have numbers from 1 to 64".to_owned()));
        };
        let member = match member {
            "" => None,
            name => match self.members.iter().find(|known| known.as_str() == name) {
                Some(known) => Some(known.clone()),
                None => {
                    return Err(Error::InvalidArgs(format!(
                        "the pod {} has no member `{name}`",
                        self.name
                    )));
                }
            },
        };
        self.ask(|answer| Request::Kill {
            member,
            whom,
            signal,
            answer,
        })
        .await
    }

    /// Reloads every member that can be, in the order of their dependencies, and waits. Returns member, process ID,
    /// signal, result (`reloaded`, `skipped`, `failed`) and reason for each: the reload as a whole has failed if any
    /// member has, or if none was reloaded.
    async fn reload(&self) -> Result<Vec<Delivery>> {
        self.ask(|answer| Request::Reload { answer }).await
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
