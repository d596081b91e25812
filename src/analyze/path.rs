//! The critical path: from the moment when all was ready back to the beginning, along what was waited for.

use super::record::Role;
use super::start::{Row, Span};
use super::step::Step;
use serde::Serialize;

/// Who waited less than this, in microseconds, was not held up: to take a lock that is free takes time too.
const HELD_UP: u64 = 100;

/// A part of the critical path that lies in one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// Which of the rows.
    pub row: usize,
    /// What this unit waited for, until the leg before this one ended it; none in the first leg.
    pub waited: Option<Span>,
    /// What it did from then on.
    pub spans: Vec<Span>,
}

impl Leg {
    /// How long it took, the wait before it not counted.
    pub fn length(&self) -> u64 {
        self.spans.iter().map(Span::length).sum()
    }
}

/// Finds the path that ends in the row `last` at the moment `end`.
pub(super) fn find(rows: &[Row], last: usize, end: u64) -> Vec<Leg> {
    let mut legs: Vec<Leg> = Vec::new();
    let mut next = Some((last, end));
    while let Some((row, end)) = next.take() {
        let mut leg = Leg {
            row,
            waited: None,
            spans: Vec::new(),
        };
        for span in rows[row].spans.iter().rev().filter(|span| span.from < end) {
            let mut span = Span {
                to: span.to.min(end),
                ..*span
            };
            // No row comes twice, so this ends whatever the definition orders.
            let seen = |other: usize| other == row || legs.iter().any(|leg| leg.row == other);
            if let Some((other, at)) = cause(rows, &rows[row], span, seen) {
                leg.waited = Some(Span { to: at, ..span });
                span.from = at;
                next = Some((other, at));
            }
            if span.length() > 0 {
                leg.spans.push(span);
            }
            if next.is_some() {
                break;
            }
        }
        leg.spans.reverse();
        legs.push(leg);
    }
    legs.reverse();
    legs
}

/// What ended a wait: the row, and the last moment in `span` at which something happened there that was waited for.
fn cause(rows: &[Row], waiting: &Row, span: Span, seen: impl Fn(usize) -> bool) -> Option<(usize, u64)> {
    let event = |other: &Row| match span.step {
        Step::Queued if waiting.after.contains(&other.unit) => other.ready,
        Step::AwaitMembers if other.role == Role::Member => other.ready,
        // Whatever else the supervisor did, the pod cannot be ready before its members.
        Step::Unrecorded if waiting.role == Role::Supervisor && other.role == Role::Member => other.ready,
        Step::AwaitNetwork if other.role == Role::Infra => {
            let network = other.spans.iter().find(|span| span.step == Step::Network);
            // infra notes it only after it has let the members go.
            network.map(|network| network.to.min(span.to))
        }
        _ => None,
    };
    let events = rows.iter().enumerate().filter(|(at, _)| !seen(*at));
    events
        .filter_map(|(at, other)| Some((at, event(other)?)))
        .filter(|(_, moment)| span.from.saturating_add(HELD_UP) <= *moment && *moment <= span.to)
        .max_by_key(|(_, moment)| *moment)
}
