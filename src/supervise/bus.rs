//! The supervisor's conversation with systemd: one connection, one stream of messages, and everything that is learnt
//! from it in the order in which systemd said it.

use super::event::{Event, Fetch, Role};
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
    /// A property interface of a unit that fetches an image, by its place.
    Image(usize),
    Recheck,
}

/// A unit that fetches an image. It is followed only while it does: that of an image which is there needs no messages.
#[derive(Debug, Clone, Default)]
struct Image {
    name: String,
    path: String,
    unit: Unit,
    status: String,
    is_followed: bool,
}

impl Image {
    fn is_under_way(&self) -> bool {
        self.unit.job || self.unit.active == Active::Activating
    }

    fn apply(&mut self, properties: &Properties<'_>) {
        self.unit.apply(properties);
        if let Some(zbus::Variant::Str(status)) = properties.get("StatusText") {
            self.status = status.to_string();
        }
    }
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
    images: Vec<Image>,
    questions: HashMap<NonZeroU32, Question>,
    syncing: bool,
}

impl Bus {
    /// Connects, follows `names` (supervisor, infra, members) and begins to read them all, and those units of `images`
    /// that are at work.
    pub(super) async fn connect(names: Vec<String>, images: Vec<String>) -> Result<Self> {
        let connection = zbus::connection::Builder::system().build().await?;
        let mut bus = Self {
            stream: MessageStream::from(&connection),
            connection,
            systemd: None,
            paths: names.iter().map(|name| manager::unit_path(name)).collect(),
            units: vec![Unit::default(); names.len()],
            images: (images.into_iter())
                .map(|name| Image {
                    path: manager::unit_path(&name),
                    name,
                    ..Image::default()
                })
                .collect(),
            names,
            questions: HashMap::new(),
            syncing: false,
        };
        // The bus handles these in order, so what comes after them is followed without a gap.
        for rule in manager::match_rules(&bus.names[FOLLOWED..]) {
            bus.match_rule("AddMatch", &rule).await?;
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
        let images = self.images.iter().map(|image| &image.name);
        let all: Vec<&String> = self.names.iter().chain(images).collect();
        let call = manager::list_units(&all)?;
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
            Question::Image(at) => {
                if !failed {
                    self.images[at].apply(&answer.body().deserialize::<Properties<'_>>()?);
                }
                return Ok(self.synced());
            }
            Question::Properties(at) => {
                if failed {
                    self.units[at] = Unit {
                        load: "not-found".to_owned(),
                        ..Unit::default()
                    };
                } else {
                    self.units[at].apply(&answer.body().deserialize::<Properties<'_>>()?);
                }
                return Ok(match self.syncing {
                    true => self.synced(),
                    false => vec![self.event(at)],
                });
            }
        }
        Ok(Vec::new())
    }

    /// Asks for the properties of the units that have any of interest: a unit that waits for its start has none, and
    /// that is every member of a pod that is just being started.
    async fn read_all(&mut self, mut listed: Vec<manager::Listed>) -> Result<Vec<Event>> {
        let images = listed.split_off(self.units.len().min(listed.len()));
        for (at, listed) in listed.into_iter().enumerate() {
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
        for (at, listed) in images.into_iter().enumerate().take(self.images.len()) {
            self.images[at].unit = Unit {
                active: listed.active,
                job: listed.job,
                ..Unit::default()
            };
            self.images[at].status.clear();
            if self.images[at].is_under_way() {
                self.follow_image(at).await?;
            }
        }
        Ok(self.synced())
    }

    /// Follows a unit that fetches an image until it has done so.
    async fn follow_image(&mut self, at: usize) -> Result<()> {
        let name = self.images[at].name.clone();
        if !std::mem::replace(&mut self.images[at].is_followed, true) {
            self.match_rule("AddMatch", &manager::changes_rule(&name)).await?;
        }
        for interface in [UNIT, SERVICE] {
            self.ask(Question::Image(at), manager::get_all(&name, interface)?)
                .await?;
        }
        Ok(())
    }

    async fn match_rule(&self, method: &str, rule: &str) -> Result<()> {
        self.tell(BUS, "/org/freedesktop/DBus", BUS, method, &rule).await
    }

    fn synced(&mut self) -> Vec<Event> {
        let reading = |question: &Question| {
            matches!(
                question,
                Question::List | Question::Properties(_) | Question::Image(_)
            )
        };
        if !self.syncing || self.questions.values().any(reading) {
            return Vec::new();
        }
        self.syncing = false;
        let mut events: Vec<Event> = (FOLLOWED..self.units.len()).map(|at| self.event(at)).collect();
        events.extend((0..self.images.len()).map(|at| self.image_event(at)));
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

    fn image_event(&self, at: usize) -> Event {
        let image = &self.images[at];
        let fetch = Fetch {
            under_way: image.is_under_way(),
            status: image.status.clone(),
        };
        Event::Image(at, fetch)
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
                    return self.image_changed(path, signal).await;
                };
                let body = signal.body();
                let (_, changed, _): (&str, Properties<'_>, Vec<&str>) = body.deserialize()?;
                self.units[at].apply(&changed);
                if self.syncing {
                    return Ok(Vec::new());
                }
                // How long it waits does not change, and nobody is told of it unasked.
                if self.units[at].restarting && self.units[at].pause.is_none() {
                    let call = manager::get_all(&self.names[at], SERVICE)?;
                    self.ask(Question::Properties(at), call).await?;
                }
                Ok(vec![self.event(at)])
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn image_changed(&mut self, path: &str, signal: &Message) -> Result<Vec<Event>> {
        let Some(at) = self.images.iter().position(|image| image.path == path) else {
            return Ok(Vec::new());
        };
        let body = signal.body();
        let (_, changed, _): (&str, Properties<'_>, Vec<&str>) = body.deserialize()?;
        self.images[at].apply(&changed);
        if self.syncing {
            return Ok(Vec::new());
        }
        let image = &mut self.images[at];
        if !image.is_under_way() && std::mem::take(&mut image.is_followed) {
            let rule = manager::changes_rule(&image.name);
            self.match_rule("RemoveMatch", &rule).await?;
        }
        Ok(vec![self.image_event(at)])
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
