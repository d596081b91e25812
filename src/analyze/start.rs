//! The start of a pod: the steps of all its units, side by side.

use super::path::{self, Leg};
use super::record::{Record, Role, Times};
use super::step::Step;
use crate::model::PodName;
use serde::Serialize;

/// What it is that took the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The start of the pod, until it was ready.
    Start,
    /// The pod's return after its infra had ended, until the members were ready.
    Recovery,
    /// The start of infra and members until these were ready; the supervisor, which alone could tell when the pod was,
    /// was started again since.
    Members,
}

/// From one moment to another, in microseconds from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// What the unit was at.
    pub step: Step,
    /// From here.
    pub from: u64,
    /// Until here, and not before `from`.
    pub to: u64,
}

impl Span {
    /// How long it took.
    pub fn length(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// One unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is.
    #[serde(skip)]
    pub role: Role,
    /// `infra`, `supervisor`, the member's name, or `image` and the reference.
    pub name: String,
    /// The unit.
    pub unit: String,
    /// Units of the pod that it is ordered after.
    #[serde(skip)]
    pub after: Vec<String>,
    /// When it became active. Its program may have had more to do then.
    pub ready: Option<u64>,
    /// How often systemd had tried before in this start of the pod; the time of that is in its first span.
    pub restarts: u32,
    /// Its steps, one after the other without gaps.
    pub spans: Vec<Span>,
}

/// A unit that was started again after all was ready, so that its first start is not known any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Again {
    /// `infra`, `supervisor`, or the member's name.
    pub name: String,
    /// How long after the pod was ready, in microseconds.
    pub later: u64,
    /// How long that start took; `None` if it is not over.
    pub took: Option<u64>,
}

/// The start of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Start {
    /// The pod.
    pub pod: PodName,
    /// What was looked at.
    pub kind: Kind,
    /// From the first to the last moment, in microseconds.
    pub total: u64,
    /// What would have had to be faster for the whole to be faster. The times of all legs are `total` together.
    pub path: Vec<Leg>,
    /// infra, the members as they are defined, the supervisor; without those in `again` and `absent`.
    pub rows: Vec<Row>,
    /// Units that were started again since.
    pub again: Vec<Again>,
    /// Members that did not take part.
    pub absent: Vec<String>,
}

impl Start {
    /// Lays the records of a pod side by side; they come in the order of [`super::record::read`]. `None` if the start
    /// is not over.
    pub fn new(pod: &PodName, records: &[Record]) -> Option<Self> {
        let [supervisor, infra, ..] = records else {
            return None;
        };
        let (own, base) = (supervisor.times, infra.times);
        let (kind, origin) = began(&own, &base);
        let started_again = |times: &Times| match kind {
            Kind::Start => own.became_ready().is_some_and(|ready| times.began() > ready),
            Kind::Recovery | Kind::Members => times.left > base.began(),
        };

        let (mut rows, mut again, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        for record in records.iter().skip(1).chain([supervisor]) {
            let took_part = record.times.began() >= origin;
            if record.role == Role::Image {
                let waited = |end: u64| {
                    let mut others = records.iter().filter(|other| !started_again(&other.times));
                    let after = |ready: u64| ready >= end;
                    others.any(|it| {
                        it.after.contains(&record.unit) && it.times.became_ready().is_some_and(after)
                    })
                };
                if record
                    .times
                    .became_ready()
                    .is_some_and(|end| end > origin && waited(end))
                {
                    rows.push(row(record, origin, kind));
                }
            } else if started_again(&record.times) {
                again.push(record);
            } else if record.role == Role::Supervisor && kind != Kind::Start {
                // Of a return it knows nothing.
            } else if took_part {
                rows.push(row(record, origin, kind));
            } else {
                absent.push(record.name.clone());
            }
        }
        // A start is over when the supervisor, its last row, says so; all else when every member is up.
        let is_awaited = |row: &Row| kind != Kind::Start || row.role != Role::Member;
        if rows.iter().any(|row| row.ready.is_none() && is_awaited(row)) {
            return None;
        }
        let end = match kind {
            Kind::Start => rows.len().checked_sub(1),
            Kind::Recovery | Kind::Members => (0..rows.len()).max_by_key(|at| rows[*at].ready),
        }?;
        let total = rows[end].ready.unwrap_or_default();
        let was_ready = origin.saturating_add(total);
        let again = again.into_iter().map(|record: &Record| Again {
            name: record.name.clone(),
            later: record.times.began().saturating_sub(was_ready),
            took: record
                .times
                .became_ready()
                .map(|ready| ready - record.times.began()),
        });
        Some(Self {
            pod: pod.clone(),
            kind,
            total,
            path: path::find(&rows, end, total),
            rows,
            again: again.collect(),
            absent,
        })
    }

    /// Every step of every unit with the row it belongs to, the longest first.
    pub fn blame(&self) -> Vec<(&Row, Span)> {
        let all = self
            .rows
            .iter()
            .flat_map(|row| row.spans.iter().map(move |span| (row, *span)));
        let mut all: Vec<(&Row, Span)> = all.collect();
        all.sort_by_key(|(_, span)| std::cmp::Reverse(span.length()));
        all
    }
}

/// What can be told of the pod, and from when on.
fn began(own: &Times, infra: &Times) -> (Kind, u64) {
    let began = infra.began();
    // While a pod starts, an infra that fails is not started again.
    let came_back = infra.restarts > 0 || own.became_ready().is_some_and(|ready| ready < began);
    if came_back && infra.left > 0 {
        // It ended first; systemd waits a moment before it starts it again.
        (Kind::Recovery, infra.left.min(began))
    } else if came_back {
        (Kind::Recovery, began)
    } else if own.left > began {
        (Kind::Members, began)
    } else {
        (Kind::Start, own.began().min(began))
    }
}

fn row(record: &Record, origin: u64, kind: Kind) -> Row {
    let ready = record
        .times
        .became_ready()
        .map(|ready| ready.saturating_sub(origin));
    Row {
        role: record.role,
        name: record.name.clone(),
        unit: record.unit.clone(),
        after: record.after.clone(),
        ready,
        // Of a pod that is ready for long, systemd's count has gone on since.
        restarts: if kind == Kind::Start {
            record.times.restarts
        } else {
            0
        },
        spans: spans(record, origin, ready),
    }
}

/// The steps of a unit, without those that took no time. `ready` counts from `origin`.
fn spans(record: &Record, origin: u64, ready: Option<u64>) -> Vec<Span> {
    let began = record.times.began();
    let mut spans = Vec::new();
    let mut now = 0;
    let mut until = |step, to: u64| {
        if to > now {
            spans.push(Span { step, from: now, to });
            now = to;
        }
    };
    until(Step::Queued, began.saturating_sub(origin));
    // Marks of another start of the unit are of no use: its program was killed before it wrote, or started again just now.
    let marks = &record.timeline.0;
    let marks = match marks.first() {
        Some((first, _))
            if *first >= began && ready.is_none_or(|ready| first.saturating_sub(origin) <= ready) =>
        {
            marks.as_slice()
        }
        _ => &[],
    };
    let spawned = record.times.spawned.saturating_sub(origin);
    match marks.first() {
        Some((first, _)) => {
            let first = first.saturating_sub(origin);
            // For a process that has ended, systemd says when it took over the member's main process.
            until(Step::Spawn, spawned.min(first));
            until(Step::Exec, first);
        }
        None => until(Step::Spawn, spawned),
    }
    let whole = match record.role {
        Role::Image => Step::Fetch,
        _ => Step::Unrecorded,
    };
    let mut open = marks.is_empty().then_some(whole);
    for (at, (_, phase)) in marks.iter().enumerate() {
        open = Step::of(record.role, *phase);
        if let (Some(step), Some((next, _))) = (open, marks.get(at + 1)) {
            until(step, next.saturating_sub(origin));
        }
    }
    if let Some(ready) = ready {
        until(open.unwrap_or(Step::AwaitReady), ready);
    }
    spans
}
