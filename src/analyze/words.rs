//! A start in words, as `systemd-analyze` has them for a boot.

use super::start::{Kind, Row, Span, Start};
use super::step::Step;

/// How many of the longest steps are listed.
const LONGEST: usize = 20;
/// What is shorter than this, in microseconds, is left out of sentences.
const WORTH_TELLING: u64 = 50;

/// A length of time: `0.4ms`, `142ms`, `1.234s`, `2min 3s`.
pub fn time(usec: u64) -> String {
    match usec {
        0..99_950 => format!("{}.{}ms", (usec + 50) / 1_000, (usec + 50) % 1_000 / 100),
        99_950..999_500 => format!("{}ms", (usec + 500) / 1_000),
        999_500..59_999_500 => {
            let ms = (usec + 500) / 1_000;
            format!("{}.{:03}s", ms / 1_000, ms % 1_000)
        }
        _ => {
            let seconds = usec.saturating_add(500_000) / 1_000_000;
            format!("{}min {}s", seconds / 60, seconds % 60)
        }
    }
}

/// All of it: the total, the critical path, the longest steps, and what else one should know.
pub fn all(start: &Start) -> String {
    let parts = [
        vec![total(start)],
        notes(start),
        vec![String::new()],
        path(start),
        vec![String::new()],
        blame(start),
    ];
    parts.concat().join("\n")
}

/// One sentence: how long it took, and where that time went.
pub fn total(start: &Start) -> String {
    let (pod, total) = (&start.pod, time(start.total));
    let what = match start.kind {
        Kind::Start => format!("Pod {pod} was ready after {total}"),
        Kind::Recovery => format!("Pod {pod} was up again {total} after its infra had ended"),
        Kind::Members => format!("The members of pod {pod} were ready after {total}"),
    };
    let legs = start.path.iter().filter(|leg| leg.length() >= WORTH_TELLING);
    let legs: Vec<String> = legs
        .map(|leg| format!("{} {}", start.rows[leg.row].name, time(leg.length())))
        .collect();
    format!("{what}: {}.", legs.join(", "))
}

/// The units on the critical path in their order, each with what it had waited for and what it did then.
fn path(start: &Start) -> Vec<String> {
    let mut lines = vec!["Critical path:".to_owned()];
    let mut before = None;
    for leg in &start.path {
        let row = &start.rows[leg.row];
        let at = leg.spans.first().map_or(0, |span| span.from);
        let waited = leg
            .waited
            .zip(before)
            .map(|(span, other)| waited_for(span, other));
        let steps = leg
            .spans
            .iter()
            .filter(|span| told(span))
            .map(|span| match leg.waited {
                // The rest of the wait, which was not for that other unit any more.
                Some(waited) if waited.step == span.step => format!("goes on after {}", time(span.length())),
                _ => format!("{} {}", span.step.name(), time(span.length())),
            });
        let steps = steps.collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "{:>9}  {}{}: {steps}",
            time(at),
            row.name,
            waited.unwrap_or_default()
        ));
        before = Some(row);
    }
    let what = match start.kind {
        Kind::Start => "the pod is ready",
        Kind::Recovery | Kind::Members => "all members are ready",
    };
    lines.push(format!("{:>9}  {what}", time(start.total)));
    lines
}

fn told(span: &Span) -> bool {
    span.length() >= WORTH_TELLING
}

/// What a unit waited for, as a part of the sentence that follows its name.
fn waited_for(span: Span, other: &Row) -> String {
    let (length, other) = (time(span.length()), &other.name);
    match span.step {
        Step::AwaitNetwork => format!(", which has waited {length} for the network of {other}"),
        Step::AwaitMembers => format!(", which has waited {length} for the members, last for {other}"),
        Step::Queued => format!(", which was queued {length} for {other}"),
        _ => format!(", after {other}"),
    }
}

/// The longest steps, as `systemd-analyze blame` lists units.
fn blame(start: &Start) -> Vec<String> {
    let steps: Vec<_> = start.blame().into_iter().filter(|(_, span)| told(span)).collect();
    let (shown, others) = steps.split_at(steps.len().min(LONGEST));
    let width = shown.iter().map(|(row, _)| row.name.len()).max().unwrap_or(0);
    let mut lines = vec!["Longest steps, whether the pod waited for them or not:".to_owned()];
    lines.extend(shown.iter().map(|(row, span)| {
        format!(
            "{:>9}  {:width$}  {}",
            time(span.length()),
            row.name,
            span.step.name()
        )
    }));
    if let Some((_, longest)) = others.first() {
        lines.push(format!(
            "           and {} of {} at most; --format json lists all",
            others.len(),
            time(longest.length())
        ));
    }
    lines
}

fn notes(start: &Start) -> Vec<String> {
    let mut notes = Vec::new();
    let when = if start.kind == Kind::Start {
        "that"
    } else {
        "the pod was ready"
    };
    for again in &start.again {
        let took = match again.took {
            Some(took) => format!(", in {}", time(took)),
            None => ", and is not ready".to_owned(),
        };
        notes.push(format!(
            "Not in this: {} was started again {} after {when}{took}.",
            again.name,
            time(again.later)
        ));
    }
    if !start.absent.is_empty() {
        notes.push(format!(
            "Not in this, since not started with it: {}.",
            start.absent.join(", ")
        ));
    }
    for row in start.rows.iter().filter(|row| row.restarts > 0) {
        let times = if row.restarts == 1 {
            "once".to_owned()
        } else {
            format!("{} times", row.restarts)
        };
        notes.push(format!(
            "{} was started {times} in vain before; that time counts as queued.",
            row.name
        ));
    }
    let silent = start
        .rows
        .iter()
        .filter(|row| row.spans.iter().any(|span| span.step == Step::Unrecorded));
    let silent: Vec<&str> = silent.map(|row| row.name.as_str()).collect();
    if !silent.is_empty() {
        notes.push(format!(
            "The steps of {} are not recorded: another release of podunit started them, or their records are gone.",
            silent.join(", ")
        ));
    }
    notes
}
