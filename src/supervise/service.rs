//! The D-Bus interface `org.podunit.Pod1`. It only passes on: the supervisor's loop acts.

use super::report::Log;
use super::rights::{self, Verb};
use super::signals::Sent;
use crate::model::{MemberName, PodName, Signal};
use crate::systemd::pod::{Delivery, INTERFACE, MemberState, PATH, Properties, bus_name};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use zbus::fdo::{Error, RequestNameFlags, RequestNameReply, Result};
use zbus::message::Header;
use zbus::{Connection, Variant};

/// Changes that follow one another so closely are told as one.
const TOGETHER: Duration = Duration::from_millis(50);

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
    /// Restart a member; its new main process, or why there is none.
    Restart {
        member: MemberName,
        answer: oneshot::Sender<Outcome<u32>>,
    },
    /// Hold every process of the pod still, or let them go on.
    Freeze {
        still: bool,
        answer: oneshot::Sender<Outcome<()>>,
    },
    /// Read every unit again, and say when that is done: what was asked of systemd is not always told by it.
    Look { seen: oneshot::Sender<()> },
}

/// What was done, or in words why it was not.
pub(super) type Outcome<T> = std::result::Result<T, String>;

/// How a pod is: what the properties say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) state: &'static str,
    pub(super) status: String,
    pub(super) since: u64,
    pub(super) ready: u32,
    pub(super) members: Vec<MemberState>,
}

impl Description {
    /// The properties that are not what they were, and whether there are any.
    fn changes(&self, told: &Self) -> Option<Properties> {
        let changes = Properties {
            state: (self.state != told.state).then(|| self.state.to_owned()),
            status: (self.status != told.status).then(|| self.status.clone()),
            since: (self.since != told.since).then_some(self.since),
            ready_count: (self.ready != told.ready).then_some(self.ready),
            members: (self.members != told.members).then(|| self.members.clone()),
        };
        (changes != Properties::default()).then_some(changes)
    }
}

/// The object.
pub(super) struct Pod1 {
    pub(super) name: PodName,
    pub(super) members: Vec<MemberName>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) description: watch::Receiver<Description>,
    pub(super) log: Log,
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

    /// Nothing is done for who may not have it done, and the refusal is in the journal.
    async fn allow(&self, bus: &Connection, call: &Header<'_>, verb: Verb) -> Result<()> {
        rights::check(bus, call, &self.name, verb, &self.log).await
    }
}

#[zbus::interface(name = "org.podunit.Pod1")]
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
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<Vec<Delivery>> {
        self.allow(bus, &call, Verb::Signal).await?;
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
    async fn reload(
        &self,
        member: &str,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<Vec<Delivery>> {
        self.allow(bus, &call, Verb::Reload).await?;
        let member = self.chosen(member)?;
        self.ask(|answer| Request::Reload { member, answer }).await
    }

    /// Restarts a member and waits until it is ready. Returns its new main process, 0 if it has none; fails if the
    /// member does not become ready.
    #[zbus(out_args("main_pid"))]
    async fn restart_member(
        &self,
        member: &str,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<u32> {
        self.allow(bus, &call, Verb::Restart).await?;
        let Some(member) = self.chosen(member)? else {
            return Err(Error::InvalidArgs("name a member to restart".to_owned()));
        };
        let done = self.ask(|answer| Request::Restart { member, answer }).await?;
        done.map_err(Error::Failed)
    }

    /// Holds every process of the pod still, and returns when all of them are. The supervisor goes on.
    async fn freeze(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<()> {
        self.allow(bus, &call, Verb::Freeze).await?;
        let done = self.ask(|answer| Request::Freeze { still: true, answer }).await?;
        done.map_err(Error::Failed)
    }

    /// Lets the processes of the pod go on.
    async fn thaw(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<()> {
        self.allow(bus, &call, Verb::Thaw).await?;
        let done = self
            .ask(|answer| Request::Freeze { still: false, answer })
            .await?;
        done.map_err(Error::Failed)
    }

    /// The pod's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> &str {
        self.name.as_str()
    }

    /// `starting`, `ready`, `degraded`, `frozen`, `recovering`, `stopping` or `failed`.
    #[zbus(property)]
    fn state(&self) -> &'static str {
        self.description.borrow().state
    }

    /// The state in words, as in `systemctl status`.
    #[zbus(property)]
    fn status(&self) -> String {
        self.description.borrow().status.clone()
    }

    /// Since when the pod is in this state, in microseconds since 1970.
    #[zbus(property)]
    fn since(&self) -> u64 {
        self.description.borrow().since
    }

    /// How many members are ready.
    #[zbus(property)]
    fn ready_count(&self) -> u32 {
        self.description.borrow().ready
    }

    /// How many members there are.
    #[zbus(property(emits_changed_signal = "const"))]
    fn member_count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// The members, sorted by name; each is a dictionary that can have more in later releases: `Name` (s), `Unit` (s),
    /// `MainPid` (u, 0 for none), `State` (s: `ready`, `unready`, `starting`, `stopping`, `restarting`, `frozen`, `done`,
    /// `ended`, `skipped`, `stopped` or `failed`), `Since` (t, microseconds since 1970), `Restarts` (u, automatic ones since
    /// somebody last started it), `Detail` (s, why it is not ready), `Health` (s, what its health check says), `ExitCode` (i, how its process last ended: 0 not
    /// yet, 1 it exited, 2 it was killed, 3 it dumped core) and `ExitStatus` (i, exit status or signal).
    #[zbus(property)]
    fn members(&self) -> Vec<MemberState> {
        self.description.borrow().members.clone()
    }
}

/// Serves the interface on a connection, under the pod's own name, and tells what changes, as long as the connection is
/// of use.
pub(super) async fn serve(bus: Connection, pod: Pod1) -> zbus::Result<()> {
    let name = bus_name(&pod.name);
    let mut description = pod.description.clone();
    bus.object_server().at(PATH, pod).await?;
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    match bus.request_name_with_flags(name.as_str(), flags).await? {
        RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner => {}
        _ => return Err(zbus::Error::NameTaken),
    }
    let mut told = description.borrow_and_update().clone();
    while description.changed().await.is_ok() {
        sleep(TOGETHER).await;
        let now = description.borrow_and_update().clone();
        if let Some(changes) = now.changes(&told) {
            let body = (INTERFACE, changes, Vec::<&str>::new());
            let interface = "org.freedesktop.DBus.Properties";
            bus.emit_signal(None::<&str>, PATH, interface, "PropertiesChanged", &body)
                .await?;
        }
        told = now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::object_server::Interface;

    /// What the page in packaging/man says, without the roff around it.
    const PAGE: &str = include_str!("../../packaging/man/org.podunit.Pod1.5");

    fn object(description: Description) -> (watch::Sender<Description>, Pod1) {
        let (sender, receiver) = watch::channel(description);
        let name: PodName = "web".parse().unwrap();
        let journal = crate::systemd::datagram::Datagrams::to("/nowhere".as_ref()).unwrap();
        let pod = Pod1 {
            name: name.clone(),
            members: Vec::new(),
            requests: mpsc::channel(1).0,
            description: receiver,
            log: Log::new(journal.into(), name),
        };
        (sender, pod)
    }

    #[test]
    fn the_page_has_all_that_is_served_and_nothing_else() {
        let mut served = String::new();
        object(Description::default())
            .1
            .introspect_to_writer(&mut served, 0);
        let names = |kind: &str| -> Vec<String> {
            let begin = format!("<{kind} name=\"");
            let rest = served.split(&begin).skip(1);
            rest.map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        assert!(names("signal").is_empty(), "the page has no section for signals");
        let (methods, properties) = (names("method"), names("property"));
        assert!(methods.len() >= 5 && properties.len() >= 7, "{served}");
        let on_page = |head: &str| -> Vec<String> {
            let section = PAGE.split(&format!(".SH {head}")).nth(1).unwrap();
            let section = section
                .split("\n.SH ")
                .next()
                .unwrap()
                .split("\n.RS")
                .next()
                .unwrap();
            let names = section.split("\n.TP\n\\fB").skip(1);
            names
                .map(|name| name.split("\\fR").next().unwrap().to_owned())
                .collect()
        };
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        // What follows the dictionary of a member would not be seen.
        assert_eq!(on_page("PROPERTIES").last().unwrap(), "Members");
        assert_eq!(sorted(on_page("METHODS")), sorted(methods));
        assert_eq!(sorted(on_page("PROPERTIES")), sorted(properties));
        assert!(
            served.contains("Sends a signal"),
            "introspection has the documentation"
        );
    }

    #[test]
    fn only_what_changed_is_told() {
        let before = Description {
            state: "ready",
            ready: 1,
            ..Description::default()
        };
        assert_eq!(before.changes(&before), None);
        let after = Description {
            ready: 0,
            ..before.clone()
        };
        let told = Properties {
            ready_count: Some(0),
            ..Properties::default()
        };
        assert_eq!(after.changes(&before), Some(told));
    }
}
