//! Probes of members: whether they have started, are ready, and are healthy.
//!
//! [`watch`] and [`track`] decide and do nothing else; [`check`] looks, in `tcp`, `http` and `unix` from this process,
//! in `exec` by a service of systemd's.

mod check;
mod exec;
mod http;
mod tcp;
mod track;
mod unix;
mod watch;

use super::plan::{MemberPlan, Plan};
use crate::model::{Paths, PodName, ProbeKind, Probes};
use check::Subject;
use tokio::sync::mpsc;
use tokio::time::Instant;
use track::Outcome;
use watch::Watch;
pub(super) use watch::{Life, Rules, Step};
use zbus::Connection;

/// Results that may wait at once.
const RESULTS: usize = 16;

/// The result of a check.
#[derive(Debug)]
pub(super) struct Done {
    /// The member, by its place in the pod.
    pub(super) member: usize,
    life: u128,
    kind: ProbeKind,
    outcome: Outcome,
}

/// The probes of all members of a pod.
#[derive(Debug)]
pub(super) struct Watches {
    watches: Vec<Option<Watch>>,
    results: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
}

impl Watches {
    /// Of a pod of which nothing is known yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let watch = |member: &MemberPlan| member.rules.clone().map(Watch::new);
        Self {
            watches: plan.members.iter().map(watch).collect(),
            results: mpsc::channel(RESULTS),
        }
    }

    /// When the next check is due.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.watches.iter().flatten().filter_map(Watch::wake).min()
    }

    /// The next result; loses none when it is given up half-way.
    pub(super) async fn next(&mut self) -> Option<Done> {
        self.results.1.recv().await
    }

    /// Whether a member may say that it is ready, as far as its probes are concerned.
    pub(super) fn is_open(&self, member: usize) -> bool {
        self.watches[member].as_ref().is_none_or(Watch::is_announced)
    }

    /// Takes what systemd says of a member: nothing if it does not run.
    pub(super) fn follow(&mut self, member: usize, life: Option<Life>) -> Vec<Step> {
        match &mut self.watches[member] {
            Some(watch) => watch.follow(Instant::now(), life),
            None => Vec::new(),
        }
    }

    /// What is due, by member.
    pub(super) fn tick(&mut self) -> Vec<(usize, Vec<Step>)> {
        let now = Instant::now();
        let due = |(at, watch): (usize, &mut Option<Watch>)| Some((at, watch.as_mut()?.tick(now)));
        self.watches.iter_mut().enumerate().filter_map(due).collect()
    }

    /// Takes a result.
    pub(super) fn take(&mut self, done: &Done) -> Vec<Step> {
        match &mut self.watches[done.member] {
            Some(watch) => watch.result(Instant::now(), done.life, done.kind, &done.outcome),
            None => Vec::new(),
        }
    }

    /// Begins a check of a member; its result comes by [`Self::next`].
    pub(super) fn begin(&mut self, at: usize, kind: ProbeKind, place: &Place<'_>, bus: Option<Connection>) {
        let life = self.watches[at].as_ref().and_then(Watch::life);
        let (Some(life), Some(probe)) = (life, place.probes.get(kind)) else {
            return;
        };
        let subject = Subject {
            paths: place.paths.clone(),
            pod: place.pod.clone(),
            member: place.member.clone(),
            pid: life.pid,
            kind,
            probe: probe.clone(),
        };
        let results = self.results.0.clone();
        // Should the member end meanwhile, the check ends in its own time, and nobody asks for the result.
        tokio::spawn(async move {
            let outcome = subject.check(bus.as_ref()).await;
            let done = Done {
                member: at,
                life: life.id,
                kind,
                outcome,
            };
            // A supervisor that ends wants no results.
            let _ = results.send(done).await;
        });
    }
}

/// Whose probe is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) paths: &'a Paths,
    pub(super) pod: &'a PodName,
    pub(super) member: &'a crate::model::MemberName,
    pub(super) probes: &'a Probes,
}
