//! The supervisor's conversation with systemd: one connection, one stream of messages, and everything that is learnt
//! from it in the order in which systemd said it.

use super::event::{Event, Role};
use crate::systemd::manager::{self, BUS, NAME, SERVICE, UNIT};
use crate::systemd::unit::{Active, Properties, Unit};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::num::NonZeroU32;
use zbus::message::{Flags, Message, Type};
use zbus::{Connection, Error, MessageStream, Result};

/// Where in the list of names the units begin that are followed. The supervisor's own, the first, is only looked at:
/// its changes are the supervisor's doing.
const FOLLOWED: usize = 1;

/// A question whose answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Owner,
    /// The first look at all units of a synchronisation.
    List,
    /// A property interface of a unit, by its place.
    Properties(usize),
    Recheck,
}

/// A connection to the system bus that follows the units of one pod.
pub(super) struct Bus {
    connection: Connection,
    stream: MessageStream,
    /// systemd's unique name: who else sends signals like systemd's is not believed.
    systemd: Option<String>,
    names: Vec<String>,
    paths: Vec<String>,
    units: Vec<Unit>,
    questions: HashMap<NonZeroU32, Question>,
    syncing: bool,
}

impl Bus {
    /// Connects, follows `names` (supervisor, infra, members) and begins to read them all.
    pub(super) async fn connect(names: Vec<String>) -> Result<Self> {
        let connection = zbus::connection::Builder::system().build().await?;
        let mut bus = Self {
            stream: MessageStream::from(&connection),
            connection,
            systemd: None,
            paths: names.iter().map(|name| manager::unit_path(name)).collect(),
            units: vec![Unit::default(); names.len()],
            names,
            questions: HashMap::new(),
            syncing: false,
        };
        // The bus handles these in order, so what comes after them is followed without a gap.
        for rule in manager::match_rules(&bus.names[FOLLOWED..]) {
            bus.tell(BUS, "/org/freedesktop/DBus", BUS, "AddMatch", &rule)
                .await?;
        }
        let owner = manager::call(BUS, "/org/freedesktop/DBus", BUS, "GetNameOwner", &NAME)?;
        bus.ask(Question::Owner, owner).await?;
        bus.sync().await?;
        Ok(bus)
    }

    /// For calls whose answers need no order.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The next message; to be given to [`Self::take`]. Loses none when it is given up half-way.
    pub(super) async fn next(&mut self) -> Result<Message> {
        self.stream.next().await.unwrap_or_else(|| Err(closed()))
    }

    /// Reads every unit; ends with [`Event::Synced`].
    pub(super) async fn sync(&mut self) -> Result<()> {
        self.syncing = true;
        self.questions.retain(|_, question| *question == Question::Owner);
        // systemd sends no signals to the bus unless somebody wants them. Asking again is no harm.
        self.tell(NAME, manager::PATH, manager::INTERFACE, "Subscribe", &())
            .await?;
        let call = manager::list_units(&self.names)?;
        self.ask(Question::List, call).await
    }

    /// Looks at the states of all units at one moment; ends with [`Event::Rechecked`].
    pub(super) async fn recheck(&mut self) -> Result<()> {
        let call = manager::list_units(&self.names)?;
        self.ask(Question::Recheck, call).await
    }

    async fn tell<B>(&self, to: &str, path: &str, interface: &str, method: &str, body: &B) -> Result<()>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let call = Message::method_call(path, method)
            .destination(to)
            .interface(interface);
        self.connection
            .send(&call.with_flags(Flags::NO_REPLY_EXPECTED).build(body)?)
            .await
    }

    async fn ask(&mut self, question: Question, call: Message) -> Result<()> {
        self.questions
            .insert(call.primary_header().serial_num(), question);
        self.connection.send(&call).await
    }

    /// What a message means for the pod.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(super) async fn take(&mut self, message: &Message) -> Result<Vec<Event>> {
        match message.message_type() {
            Type::MethodReturn | Type::Error => {
                let question = message
                    .header()
                    .reply_serial()
                    .and_then(|serial| self.questions.remove(&serial));
                match question {
                    Some(question) => self.answered(question, message).await,
                    None => Ok(Vec::new()),
                }
            }
            Type::Signal => self.signalled(message).await,
            Type::MethodCall => Ok(Vec::new()),
        }
    }

    async fn answered(&mut self, question: Question, answer: &Message) -> Result<Vec<Event>> {
        let failed = answer.message_type() == Type::Error;
        match question {
            Question::Owner if failed => {}
            Question::Owner => self.systemd = Some(answer.body().deserialize()?),
            Question::List | Question::Recheck if failed => return Err(Error::from(answer.clone())),
            Question::List => return self.read_all(manager::listed(answer)?).await,
            Question::Recheck => return Ok(vec![Event::Rechecked(manager::listed(answer)?)]),
            Question::Properties(at) => {
                if failed {
                    self.units[at] = Unit {
                        load: "not-found".to_owned(),
                        ..Unit::default()
                    };
                } else {
                    self.units[at].apply(&answer.body().deserialize::<Properties<'_>>()?);
                }
                return Ok(self.synced());
            }
        }
        Ok(Vec::new())
    }

    /// Asks for the properties of the units that have any of interest: a unit that waits for its start has none, and
    /// that is every member of a pod that is just being started.
    async fn read_all(&mut self, listed: Vec<manager::Listed>) -> Result<Vec<Event>> {
        for (at, listed) in listed.into_iter().enumerate().take(self.units.len()) {
            let waits = listed.job && matches!(listed.active, Active::Inactive | Active::Failed);
            self.units[at] = Unit {
                load: listed.load,
                active: listed.active,
                restarting: listed.restarting,
                job: listed.job,
                ..Unit::default()
            };
            if at >= FOLLOWED && (!waits || listed.restarting) {
                for interface in [UNIT, SERVICE] {
                    let call = manager::get_all(&self.names[at], interface)?;
                    self.ask(Question::Properties(at), call).await?;
                }
            }
        }
        Ok(self.synced())
    }

    fn synced(&mut self) -> Vec<Event> {
        let reading = |question: &Question| matches!(question, Question::List | Question::Properties(_));
        if !self.syncing || self.questions.values().any(reading) {
            return Vec::new();
        }
        self.syncing = false;
        let mut events: Vec<Event> = (FOLLOWED..self.units.len()).map(|at| self.event(at)).collect();
        events.push(Event::Synced);
        events
    }

    fn event(&self, at: usize) -> Event {
        let member = (at - FOLLOWED).checked_sub(1);
        Event::Unit(
            member.map_or(Role::Infra, Role::Member),
            Box::new(self.units[at].clone()),
        )
    }

    async fn signalled(&mut self, signal: &Message) -> Result<Vec<Event>> {
        let header = signal.header();
        let sender = header.sender().map(|sender| sender.as_str());
        let member = header.member().map_or("", |member| member.as_str());
        if sender == Some(BUS) && member == "NameOwnerChanged" {
            let body = signal.body();
            let (name, _, owner): (&str, &str, &str) = body.deserialize()?;
            if name == NAME {
                self.systemd = Some(owner.to_owned()).filter(|owner| !owner.is_empty());
                return self.start_over(self.systemd.is_some()).await;
            }
            return Ok(Vec::new());
        }
        if sender.is_none() || sender != self.systemd.as_deref() {
            return Ok(Vec::new());
        }
        match member {
            // After a `daemon-reload` units may be others than before.
            "Reloading" => match signal.body().deserialize::<bool>()? {
                true => Ok(Vec::new()),
                false => self.start_over(true).await,
            },
            "PropertiesChanged" => {
                let path = header.path().map_or("", |path| path.as_str());
                let known = self.paths.iter().skip(FOLLOWED).position(|known| known == path);
                let Some(at) = known.map(|at| at + FOLLOWED) else {
                    return Ok(Vec::new());
                };
                let body = signal.body();
                let (_, changed, _): (&str, Properties<'_>, Vec<&str>) = body.deserialize()?;
                self.units[at].apply(&changed);
                Ok(if self.syncing {
                    Vec::new()
                } else {
                    vec![self.event(at)]
                })
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn start_over(&mut self, sync: bool) -> Result<Vec<Event>> {
        if sync {
            self.sync().await?;
        }
        Ok(vec![Event::Syncing])
    }
}

fn closed() -> Error {
    Error::Failure("the bus has closed the connection".to_owned())
}
