//! The supervisor's loop: waits for whatever comes first, tells the state machine, does what it says.

mod answer;
mod attach;
mod frozen;
mod jobs;
mod launchers;
mod limit;
mod probes;
mod publish;

use super::bus::Bus;
use super::event::{Action, Event, Role};
use super::main_process::MainProcess;
use super::plan::{MemberPlan, Plan};
use super::ports;
use super::probe::{Done, Watches};
use super::report::{Log, Notifier};
use super::service::{self, Description, Pod1, Request};
use super::signals::{Sent, Signals};
use super::state::{Machine, Part};
use crate::model::Paths;
use crate::sys::cgroup;
use crate::sys::file::replace;
use crate::sys::memory::Surplus;
use crate::systemd::datagram::Datagrams;
use crate::systemd::journal::Priority;
use crate::timeline::{Phase, Timeline};
use anyhow::Context;
use attach::Attached;
use frozen::Frozen;
use jobs::Wish;
use limit::Limit;
use nix::sys::signal::SigSet;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// Clients of the D-Bus interface that may wait at once.
const REQUESTS: usize = 16;
/// From one look at the ports to the next, at first and at most. The kernel has no event for a new listener.
const PORTS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
/// The moment that members have to fail in, after their launchers have ended, before the pod is called ready; and from
/// one look at the launchers to the next at most.
const SETTLE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// From one attempt to connect to the bus to the next, at first and at most.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// While stopping, systemd is asked to be patient with the supervisor: members have limits of their own.
const EXTENSION: Duration = Duration::from_secs(90);

/// From the first thing done until memory is given back.
const REST: Duration = Duration::from_secs(1);
/// From one attempt to notify systemd to the next.
const RETRY: Duration = Duration::from_secs(1);

/// A pod's supervisor.
pub(super) struct Supervisor {
    plan: Plan,
    paths: Paths,
    machine: Machine,
    signals: Signals,
    journal: Arc<Datagrams>,
    systemd: Option<Arc<Datagrams>>,
    notifier: Notifier,
    log: Log,
    members: Vec<Option<Attached>>,
    bus: Option<Bus>,
    requests: (mpsc::Sender<Request>, mpsc::Receiver<Request>),
    /// Signals and reloads under way.
    reports: JoinSet<()>,
    /// When the published ports are looked at again, and how long after the look before.
    ports: Option<(Instant, Duration)>,
    watches: Watches,
    /// How the pod is, for the D-Bus interface, and what serves that on the present connection.
    description: watch::Sender<Description>,
    serving: Option<JoinHandle<()>>,
    /// PID 1 of the pod, while the pod is frozen.
    frozen: Option<Frozen>,
    /// Units that were killed while they were frozen, with the invocation that was, until they are back.
    killed_frozen: Vec<(Role, u128)>,
    /// Who waits until every unit has been read again.
    looked: Vec<oneshot::Sender<()>>,
    /// When the launchers are looked at, and how long after the look before.
    settle: Option<(Instant, Duration)>,
    alarm: Option<Instant>,
    reconnect: (Instant, Duration),
    deadline: Limit,
    /// When systemd wants to hear from the supervisor, and how often.
    watchdog: Option<(Instant, Duration)>,
    extend: Option<Instant>,
    /// When memory is given back.
    rest: Option<Instant>,
    surplus: Arc<Surplus>,
    /// systemd has not taken all notifications.
    unsent: bool,
    /// How the pod becomes ready; nothing any more once it is.
    timeline: Option<Timeline>,
    exit: Option<u8>,
}

/// What the loop waits for.
enum Wake {
    Bus(zbus::Result<zbus::message::Message>),
    Reconnect,
    Signal(io::Result<Sent>),
    Request(Request),
    Ports,
    Probe,
    Probed(Done),
    Settled,
    Alarm,
    Deadline,
    Watchdog,
    Extend,
    /// PID 1 of a frozen pod has ended.
    Frozen,
    Rest,
    Retry,
}

impl Supervisor {
    /// A supervisor that has not looked at anything yet; `signals` are those that were blocked, `surplus`
    /// has memory given back when there is nothing to do.
    pub(super) fn new(
        plan: Plan,
        paths: Paths,
        signals: &SigSet,
        surplus: Arc<Surplus>,
    ) -> anyhow::Result<Self> {
        let journal = Arc::new(Datagrams::to(paths.journal_socket().as_os_str())?);
        let systemd = match std::env::var_os("NOTIFY_SOCKET") {
            Some(address) => Some(Arc::new(Datagrams::to(&address).context("$NOTIFY_SOCKET")?)),
            None => None,
        };
        let marker = std::fs::read_to_string(paths.pod(&plan.name).ready()).ok();
        let marker = marker.and_then(|life| u128::from_str_radix(life.trim(), 16).ok());
        let part = |member: &MemberPlan| Part {
            name: member.name.to_string(),
            essential: member.essential,
            init: member.init,
            settles: !member.notify && !member.is_gated && !member.init,
        };
        let now = Instant::now();
        let mut timeline = Timeline::default();
        timeline.begin(Phase::Bus);
        Ok(Self {
            machine: Machine::new(
                plan.members.iter().map(part).collect(),
                !plan.ports.is_empty(),
                plan.on_failure,
                marker,
            )
            .with_exit_policy(plan.on_end)
            .with_images(
                plan.images.iter().map(|image| image.reference.clone()).collect(),
                &plan.members.iter().map(|member| member.image).collect::<Vec<_>>(),
            ),
            signals: Signals::new(signals).context("cannot wait for signals")?,
            notifier: Notifier::new(systemd.clone()),
            log: Log::new(journal.clone(), plan.name.clone()),
            members: plan.members.iter().map(|_| None).collect(),
            bus: None,
            requests: mpsc::channel(REQUESTS),
            reports: JoinSet::new(),
            ports: None,
            watches: Watches::new(&plan),
            description: watch::Sender::default(),
            serving: None,
            frozen: None,
            killed_frozen: Vec::new(),
            looked: Vec::new(),
            settle: None,
            alarm: None,
            reconnect: (now, RECONNECT.0),
            deadline: Limit::new(plan.start_timeout, now),
            watchdog: watchdog_interval().map(|interval| (now + interval, interval)),
            extend: None,
            rest: None,
            surplus,
            unsent: false,
            timeline: Some(timeline),
            exit: None,
            plan,
            paths,
            journal,
            systemd,
        })
    }
}

impl Supervisor {
    /// Supervises until the pod is stopped; returns the exit status.
    pub(super) async fn run(mut self) -> anyhow::Result<u8> {
        while self.exit.is_none() {
            let wake = self.wait().await;
            // A check that finds all as it was is no work to rest from.
            let is_small = matches!(wake, Wake::Probe | Wake::Probed(_));
            match wake {
                Wake::Bus(Ok(message)) => self.take(&message).await,
                Wake::Bus(Err(error)) => self.disconnect(&error).await,
                Wake::Reconnect => self.connect().await,
                Wake::Signal(signal) => self.signal(signal.context("cannot read signals")?).await,
                Wake::Request(request) => self.serve(request).await,
                Wake::Ports => self.look_at_ports().await,
                Wake::Probe => self.probe().await,
                Wake::Probed(done) => self.probed(&done).await,
                Wake::Settled => self.look_at_launchers().await,
                Wake::Alarm => {
                    self.alarm = None;
                    self.step(Event::Alarm).await;
                }
                Wake::Deadline => {
                    self.deadline = Limit::None;
                    self.step(Event::Deadline).await;
                }
                Wake::Watchdog => {
                    self.notifier.add("WATCHDOG=1".to_owned());
                    self.unsent = self.notifier.flush();
                    // With nothing else under way that was all: no wake-up more for what it took.
                    if self.rest.is_none() {
                        self.surplus.mark();
                    }
                    continue;
                }
                Wake::Extend => self.extend_stop(),
                Wake::Frozen => self.thaw_by_hand(),
                Wake::Rest => {
                    self.surplus.mark();
                    self.rest = None;
                    continue;
                }
                Wake::Retry => {}
            }
            self.unsent = self.notifier.flush();
            // What the program does next may be long in coming.
            if !is_small {
                self.rest.get_or_insert(Instant::now() + REST);
            }
        }
        Ok(self.finish().await)
    }

    async fn wait(&mut self) -> Wake {
        let now = Instant::now();
        let reconnect = self.bus.is_none().then_some(self.reconnect.0);
        let message = async {
            match &mut self.bus {
                Some(bus) => bus.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            message = message => Wake::Bus(message),
            signal = self.signals.next() => Wake::Signal(signal),
            Some(request) = self.requests.1.recv() => Wake::Request(request),
            () = at(reconnect) => Wake::Reconnect,
            () = at(self.ports.map(|(next, _)| next)) => Wake::Ports,
            // What is being stopped is not looked at any more.
            () = at(self.watches.wake().filter(|_| !self.machine.is_stopping())) => Wake::Probe,
            Some(done) = self.watches.next() => Wake::Probed(done),
            () = at(self.settle.map(|(next, _)| next)) => Wake::Settled,
            () = at(self.alarm) => Wake::Alarm,
            () = at(self.deadline.end()) => Wake::Deadline,
            () = at(self.watchdog.map(|(next, _)| next)) => {
                self.watchdog = self.watchdog.map(|(_, interval)| (now + interval, interval));
                Wake::Watchdog
            }
            () = at(self.extend) => Wake::Extend,
            () = ended(&self.frozen) => Wake::Frozen,
            () = at(self.rest) => Wake::Rest,
            () = at(self.unsent.then(|| now + RETRY)) => Wake::Retry,
        }
    }

    /// Tells the state machine and does what it says.
    async fn step(&mut self, event: Event) {
        let member = match &event {
            Event::Unit(Role::Member(at), unit) => Some((*at, MainProcess::of(unit))),
            _ => None,
        };
        let synced = event == Event::Synced;
        if synced {
            self.begin(Phase::Members);
        }
        let actions = self.machine.step(event);
        if let Some((at, main)) = member
            && let Some(attached) = &self.members[at]
        {
            attached
                .main
                .send_if_modified(|known| std::mem::replace(known, main) != main);
        }
        for action in actions {
            self.act(action).await;
        }
        if !self.machine.is_starting() {
            (self.ports, self.deadline) = (None, Limit::None);
        }
        self.watch_frozen();
        self.publish();
        if synced {
            for seen in self.looked.drain(..) {
                let _ = seen.send(());
            }
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Recheck | Action::Sync => {
                let Some(bus) = &mut self.bus else { return };
                let asked = if action == Action::Sync {
                    bus.sync().await
                } else {
                    bus.recheck().await
                };
                if let Err(error) = asked {
                    // The next message from the connection is its end.
                    self.log.line(
                        Priority::Warning,
                        &format!("cannot ask systemd for the pod's units: {error}"),
                    );
                }
            }
            Action::Attach => self.attach(),
            Action::LookAtPorts => {
                self.begin(Phase::Ports);
                self.ports = Some((Instant::now(), PORTS.0));
            }
            Action::Clock { runs } => self.deadline.run(runs, Instant::now()),
            Action::Settle => self.settle = Some((Instant::now() + SETTLE.0, SETTLE.0)),
            Action::WatchLaunchers if self.settle.is_some() => {}
            Action::WatchLaunchers => self.settle = Some((Instant::now() + SETTLE.1, SETTLE.1)),
            Action::Alarm(delay) => self.alarm = delay.map(|delay| Instant::now() + delay),
            Action::Ready => {
                self.notifier.add("READY=1".to_owned());
                self.begin(Phase::Done);
                if let Some(timeline) = self.timeline.take() {
                    timeline.write(&self.paths.pod(&self.plan.name).supervisor_timeline());
                }
            }
            Action::Remember(life) => self.remember(life),
            Action::Stopping => {
                self.notifier.add("STOPPING=1".to_owned());
                self.extend_stop();
            }
            Action::Status(status) => self.notifier.add(format!("STATUS={status}")),
            Action::Note(text) => self.log.line(Priority::Info, &text),
            Action::Warn(text) => self.log.line(Priority::Warning, &text),
            Action::StopUnit(role) => self.ask(role, &[Wish::Stop]),
            Action::StartUnit(role) => self.ask(role, &[Wish::Start]),
            Action::StartAnew(role) => self.ask(role, &[Wish::Forget, Wish::Start]),
            Action::RestartUnit(role) => self.ask(role, &[Wish::Restart]),
            Action::KillUnit(role) => self.ask(role, &[Wish::Kill]),
            Action::Forget(role) => self.ask(role, &[Wish::Forget]),
            Action::Exit(status) => self.exit = Some(status),
        }
    }

    fn begin(&mut self, phase: Phase) {
        if let Some(timeline) = &mut self.timeline {
            timeline.begin(phase);
        }
    }

    fn remember(&self, life: u128) {
        let path = self.paths.pod(&self.plan.name).ready();
        let text = format!("{life:032x}\n");
        // Its time is since when the pod is ready.
        if std::fs::read_to_string(&path).is_ok_and(|known| known == text) {
            return;
        }
        if let Err(error) = replace(&path, text.as_bytes(), 0o600) {
            let text = format!(
                "{}: {error}; should this supervisor die, the next may take a member's failure for a failed start",
                path.display()
            );
            self.log.line(Priority::Warning, &text);
        }
    }

    /// Without a bus it may be this stop that keeps the bus away, which must not be for ever.
    fn extend_stop(&mut self) {
        if self.bus.is_some() {
            self.notifier
                .add(format!("EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros()));
        }
        self.extend = Some(Instant::now() + EXTENSION / 3);
    }

    async fn take(&mut self, message: &zbus::message::Message) {
        let Some(bus) = &mut self.bus else { return };
        match bus.take(message).await {
            Ok(events) => {
                for event in events {
                    if event == Event::Synced {
                        self.reconnect.1 = RECONNECT.0;
                    }
                    let member = match &event {
                        Event::Unit(Role::Member(at), _) => Some(*at),
                        _ => None,
                    };
                    self.step(event).await;
                    if let Some(at) = member {
                        self.follow_probes(at).await;
                    }
                }
            }
            Err(error) => self.disconnect(&error).await,
        }
    }

    async fn connect(&mut self) {
        let connected = timeout(
            RECONNECT.1,
            Bus::connect(self.plan.units(), self.plan.image_units()),
        )
        .await;
        match connected.unwrap_or_else(|_| Err(zbus::Error::Failure("the bus does not answer".to_owned()))) {
            Ok(bus) => {
                let pod = Pod1 {
                    name: self.plan.name.clone(),
                    members: self
                        .plan
                        .members
                        .iter()
                        .map(|member| member.name.clone())
                        .collect(),
                    requests: self.requests.0.clone(),
                    description: self.description.subscribe(),
                    log: self.log.clone(),
                };
                let (connection, log) = (bus.connection().clone(), self.log.clone());
                self.bus = Some(bus);
                self.serving = Some(tokio::spawn(async move {
                    if let Err(error) = service::serve(connection, pod).await {
                        let text = format!("nobody can reach this pod over D-Bus: {error}");
                        log.line(Priority::Warning, &text);
                    }
                }));
            }
            Err(error) => self.disconnect(&error).await,
        }
    }

    /// The members go on; what happens meanwhile is read when the bus is back.
    async fn disconnect(&mut self, error: &zbus::Error) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
        if self.bus.take().is_some() || self.reconnect.1 == RECONNECT.0 {
            self.log.line(
                Priority::Warning,
                &format!("no connection to systemd, trying again: {error}"),
            );
        }
        let (_, delay) = self.reconnect;
        self.reconnect = (Instant::now() + delay, (delay * 2).min(RECONNECT.1));
        self.step(Event::Syncing).await;
        // A bus that is restarted meanwhile comes back only when this stop has ended: the pod is ordered after it.
        if self.machine.is_stopping()
            && cgroup::has_units(&self.plan.name.slice_cgroup()).is_ok_and(|has| !has)
        {
            self.step(Event::Vanished).await;
        }
    }

    async fn look_at_ports(&mut self) {
        let Some((_, delay)) = self.ports else { return };
        let pids = std::iter::once(self.machine.infra().main_pid)
            .chain((0..self.plan.members.len()).map(|at| self.machine.member(at).main_pid))
            .filter(|&pid| pid != 0);
        let silent = ports::silent(&self.plan.ports, pids, self.plan.share_net);
        let silent = silent.unwrap_or_else(|error| {
            let text = format!("cannot see who listens in the pod, which is not called ready so: {error}");
            self.log.line(Priority::Warning, &text);
            self.plan.ports.clone()
        });
        if silent.is_empty() {
            self.begin(Phase::Settle);
        }
        let next = (delay * 2).min(PORTS.1);
        self.ports = (!silent.is_empty()).then(|| (Instant::now() + next, next));
        self.step(Event::Ports(silent)).await;
    }
}

async fn ended(frozen: &Option<Frozen>) {
    match frozen {
        Some(frozen) => frozen.ended().await,
        None => pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Half of what systemd allows between two `WATCHDOG=1` (sd_watchdog_enabled(3)).
fn watchdog_interval() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC")
        .filter(|&limit| mine && limit > 0)
        .map(|limit| Duration::from_micros(limit / 2))
}
