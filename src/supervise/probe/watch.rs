//! All probes of one member: which run, and what they make of it. Pure; property-tested.

#[cfg(test)]
mod tests;

use super::track::{Outcome, Rule, Track, Verdict};
use crate::model::{MemberName, OnFailure, Probe, ProbeKind, Probes, Ready};
use crate::supervise::event::{Health, Probed};
use std::time::Duration;
use tokio::time::Instant;

/// A life of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervise) struct Life {
    /// Its unit's invocation ID.
    pub(in crate::supervise) id: u128,
    /// Its main process.
    pub(in crate::supervise) pid: u32,
    /// Whether systemd calls the unit active: before, it waits for `READY=1`.
    pub(in crate::supervise) is_active: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::supervise) enum Step {
    /// Make this check.
    Check(ProbeKind),
    /// The gate is open: `READY=1` for the member, which may have to say so too.
    Announce,
    /// The definition gives the member so much time for its start (`EXTEND_TIMEOUT_USEC=`).
    Extend(Duration),
    /// Tell the pod's state machine.
    Tell(Probed),
    /// Kill, restart or stop the member.
    Act(OnFailure),
    /// A line in the journal; whether it is a warning.
    Say(String, bool),
}

/// What of a member decides how its probes run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::supervise) struct Rules {
    name: String,
    startup: Option<Rule>,
    ready: Option<Rule>,
    live: Option<Rule>,
    on_failure: OnFailure,
    /// Whether the health check has to pass before the member is ready.
    is_gated_by_health: bool,
    is_gated: bool,
    /// What the definition gives the member for its start beyond what its unit has.
    patience: Option<Duration>,
}

impl Rules {
    /// Those of the member `name`, if it has `probes`; `ready` is what `Notify=` says.
    pub(in crate::supervise) fn of(name: &MemberName, ready: Ready, probes: &Probes) -> Option<Self> {
        let rule = |kind| probes.get(kind).map(Rule::of);
        let is_gated_by_health = ready == Ready::Healthy;
        let health = probes.live.as_ref();
        let slow = health.filter(|live| is_gated_by_health && !live.start_period.is_zero());
        let patient = probes.startup.as_ref().or(slow);
        (!probes.is_empty()).then(|| Self {
            name: name.to_string(),
            startup: rule(ProbeKind::Startup),
            ready: rule(ProbeKind::Ready),
            live: rule(ProbeKind::Live),
            on_failure: probes.on_failure,
            is_gated_by_health,
            is_gated: probes.are_gate(ready),
            patience: patient.and_then(Probe::budget),
        })
    }
}

/// The probes of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watch {
    rules: Rules,
    life: Option<Life>,
    startup: Option<Track>,
    ready: Option<Track>,
    live: Option<Track>,
    is_announced: bool,
    patient_until: Option<Instant>,
    ended: Option<String>,
    told: Probed,
}

impl Watch {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            life: None,
            startup: None,
            ready: None,
            live: None,
            is_announced: false,
            patient_until: None,
            ended: None,
            told: Probed::default(),
        }
    }

    /// The life that is watched.
    pub(super) fn life(&self) -> Option<Life> {
        self.life
    }

    /// Whether the member may be ready, as far as its probes are concerned, or has been.
    pub(super) fn is_announced(&self) -> bool {
        !self.rules.is_gated || self.is_announced
    }

    /// When [`Self::tick`] is to be called.
    pub(super) fn wake(&self) -> Option<Instant> {
        let tracks = [&self.startup, &self.ready, &self.live];
        let next = tracks.into_iter().flatten().filter_map(Track::next);
        next.chain(self.patient_until).min()
    }

    /// Takes what systemd says of the member: nothing if it does not run.
    pub(super) fn follow(&mut self, now: Instant, life: Option<Life>) -> Vec<Step> {
        let mut steps = Vec::new();
        let is_new = life.map(|life| life.id) != self.life.map(|life| life.id);
        self.life = life;
        if is_new {
            (self.startup, self.ready, self.live) = (None, None, None);
            (self.is_announced, self.patient_until) = (false, None);
        }
        let Some(life) = life else { return steps };
        if is_new {
            self.begin(now, life, &mut steps);
        } else if life.is_active {
            self.patient_until = None;
            self.tell(&mut steps);
        }
        steps
    }

    fn begin(&mut self, now: Instant, life: Life, steps: &mut Vec<Step>) {
        self.ended = None;
        // What waits for its probes and is active nevertheless has passed them under an earlier supervisor.
        if life.is_active && self.rules.is_gated {
            self.is_announced = true;
            self.ready = self.rules.ready.map(|rule| Track::presumed(rule, now));
            let live = |rule| match self.rules.is_gated_by_health {
                true => Track::presumed(rule, now),
                false => Track::new(rule, now),
            };
            self.live = self.rules.live.map(live);
        } else {
            self.startup = self.rules.startup.map(|rule| Track::new(rule, now));
            if self.startup.is_none() {
                self.begin_others(now);
            }
        }
        if let Some(patience) = self.rules.patience.filter(|_| !life.is_active) {
            self.patient_until = now.checked_add(patience);
            steps.push(Step::Extend(patience));
        }
        self.told = self.probed(life.id);
        steps.push(Step::Tell(self.told.clone()));
    }

    fn begin_others(&mut self, now: Instant) {
        self.ready = self.rules.ready.map(|rule| Track::new(rule, now));
        self.live = self.rules.live.map(|rule| Track::new(rule, now));
    }

    fn track(&mut self, kind: ProbeKind) -> &mut Option<Track> {
        match kind {
            ProbeKind::Startup => &mut self.startup,
            ProbeKind::Ready => &mut self.ready,
            ProbeKind::Live => &mut self.live,
        }
    }

    /// Begins the checks whose time has come.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Step> {
        let mut steps = Vec::new();
        for kind in ProbeKind::ALL {
            if self.track(kind).as_mut().is_some_and(|track| track.start(now)) {
                steps.push(Step::Check(kind));
            }
        }
        if self.patient_until.is_some_and(|end| end <= now) {
            self.patient_until = None;
            self.tell(&mut steps);
        }
        steps
    }

    /// Takes the result of a check that was made in the life `id`.
    pub(super) fn result(&mut self, now: Instant, id: u128, kind: ProbeKind, outcome: &Outcome) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(life) = self.life.filter(|life| life.id == id) else {
            return steps;
        };
        let Some(track) = self.track(kind) else {
            return steps;
        };
        let has_failed = track.finish(now, outcome);
        let (verdict, said) = (track.verdict(), track.said());
        if track.is_newly_unknown(outcome)
            && let Outcome::Unknown(why) = outcome
        {
            let (name, noun) = (&self.rules.name, noun(kind));
            let text = format!("{name}: {noun} cannot be made, which says nothing of it: {why}");
            steps.push(Step::Say(text, true));
        }
        match kind {
            ProbeKind::Startup if verdict == Verdict::Passing => {
                (self.startup, self.patient_until) = (None, None);
                self.begin_others(now);
            }
            ProbeKind::Startup if has_failed => {
                self.end(
                    OnFailure::Kill,
                    format!("its startup probe failed{said}"),
                    &mut steps,
                );
            }
            ProbeKind::Live if has_failed => {
                self.end(
                    self.rules.on_failure,
                    format!("it was unhealthy{said}"),
                    &mut steps,
                );
            }
            ProbeKind::Startup | ProbeKind::Ready | ProbeKind::Live => {}
        }
        self.tell(&mut steps);
        if !life.is_active && !self.is_announced && self.is_open() {
            self.is_announced = true;
            steps.push(Step::Announce);
        }
        steps
    }

    fn end(&mut self, action: OnFailure, why: String, steps: &mut Vec<Step>) {
        if action != OnFailure::None {
            self.ended = Some(why);
            steps.push(Step::Act(action));
        }
    }

    /// Whether everything has passed that has to before the member is ready.
    fn is_open(&self) -> bool {
        self.rules.is_gated && self.unready().is_none()
    }

    /// Why the member is not ready.
    fn unready(&self) -> Option<String> {
        if let Some(startup) = &self.startup {
            return Some(format!("its startup probe has not passed yet{}", startup.said()));
        }
        let of = |track: &Track, noun: &str| match track.verdict() {
            Verdict::Passing => None,
            Verdict::Open => Some(format!("{noun} has not passed yet{}", track.said())),
            Verdict::Failing => Some(format!("{noun} fails{}", track.said())),
        };
        let ready = self
            .ready
            .as_ref()
            .and_then(|track| of(track, noun(ProbeKind::Ready)));
        let live = self.live.as_ref().and_then(|track| match track.verdict() {
            Verdict::Failing => Some(format!("unhealthy{}", track.said())),
            Verdict::Open if !self.rules.is_gated_by_health => None,
            Verdict::Open | Verdict::Passing => of(track, noun(ProbeKind::Live)),
        });
        live.or(ready)
    }

    fn health(&self) -> Option<Health> {
        self.rules.live?;
        Some(match self.live.as_ref().map(Track::verdict) {
            None | Some(Verdict::Open) => Health::Starting,
            Some(Verdict::Passing) => Health::Healthy,
            Some(Verdict::Failing) => Health::Unhealthy,
        })
    }

    /// Tells what has changed: the state machine all of it, the journal in one line.
    fn tell(&mut self, steps: &mut Vec<Step>) {
        let Some(life) = self.life else { return };
        let new = self.probed(life.id);
        if new != self.told {
            steps.extend(self.line(&new));
            self.told = new.clone();
            steps.push(Step::Tell(new));
        }
    }

    fn probed(&self, life: u128) -> Probed {
        Probed {
            life,
            health: self.health(),
            unready: self.unready(),
            ended: self.ended.clone(),
            is_patient: self.patient_until.is_some(),
        }
    }

    fn line(&self, new: &Probed) -> Option<Step> {
        let (old, name) = (&self.told, &self.rules.name);
        if new.ended.is_some() && new.ended != old.ended {
            let why = new.ended.as_deref().unwrap_or_default();
            let what = match self.rules.on_failure {
                _ if self.startup.is_some() => "killed",
                OnFailure::Restart => "restarted",
                OnFailure::Stop => "stopped",
                OnFailure::Kill | OnFailure::None => "killed",
            };
            return Some(Step::Say(format!("{name} is {what}: {why}"), true));
        }
        let turned = |health| new.health == Some(health) && old.health != Some(health);
        match (&old.unready, &new.unready) {
            (_, Some(why)) if turned(Health::Unhealthy) => Some(Step::Say(format!("{name} is {why}"), true)),
            (None, Some(why)) => Some(Step::Say(format!("{name} is not ready: {why}"), true)),
            (Some(_), None) => Some(Step::Say(format!("{name} is ready"), false)),
            _ if turned(Health::Healthy) => Some(Step::Say(format!("{name} is healthy"), false)),
            _ => None,
        }
    }
}

/// What a probe is called.
fn noun(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "its startup probe",
        ProbeKind::Ready => "its readiness probe",
        ProbeKind::Live => "its health check",
    }
}
