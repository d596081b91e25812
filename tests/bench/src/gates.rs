//! What podunit has to hold (the budgets of its design), and whether it did.

use crate::record::{Record, Side, Unit};
use crate::statistics::{ratios, summary};
use crate::{loaded, many_pods, members, one_pod, pull};
use serde::Serialize;
use std::fmt::Write;

/// What a value may be at most.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// This many times the value of another side, as the median of the pairs' own ratios.
    Times(f64, Side),
    /// This much, as the median.
    At(f64, Unit),
}

/// A limit, measured.
#[derive(Debug, Serialize)]
pub struct Gate {
    pub what: String,
    pub limit: String,
    pub measured: String,
    pub holds: bool,
}

fn limits() -> Vec<(String, Limit)> {
    let third = Limit::Times(1.0 / 3.0, Side::Podman);
    let row = |what: &str, limit| (what.to_owned(), limit);
    vec![
        (loaded::generator(1000), third),
        (loaded::generator(1000), Limit::Times(1.5, Side::Floor)),
        (loaded::generator_memory(1000), Limit::Times(1.0, Side::Podman)),
        (loaded::reload(1000), Limit::Times(1.2, Side::Podman)),
        row(one_pod::START, Limit::Times(1.25, Side::Floor)),
        row(one_pod::STOP_GONE, third),
        row(one_pod::RESTART, third),
        row(one_pod::SPENT, third),
        row(one_pod::RECOVER_INIT, third),
        (many_pods::memory(1), Limit::At(1500.0, Unit::Kibibytes)),
        (many_pods::memory(30), Limit::At(500.0, Unit::Kibibytes)),
        (many_pods::processes(30), Limit::At(2.0, Unit::Number)),
        (many_pods::started(30), third),
        row(members::EACH, Limit::At(15.0, Unit::Milliseconds)),
        row(pull::PULL, Limit::Times(1.0, Side::Podman)),
        row(pull::MEMORY, Limit::Times(1.0, Side::Podman)),
    ]
}

/// Of all limits whose values were measured.
pub fn gates(record: &Record) -> Vec<Gate> {
    limits()
        .into_iter()
        .filter_map(|(what, limit)| gate(record, what, limit))
        .collect()
}

fn gate(record: &Record, what: String, limit: Limit) -> Option<Gate> {
    let ours = record.values(&what, Side::Podunit);
    let (limit, measured, holds) = match limit {
        Limit::Times(times, side) => {
            let ratio = ratios(&ours, &record.values(&what, side))?;
            let measured = format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.min, ratio.max);
            (
                format!("{times:.2} times {side}"),
                measured,
                ratio.median <= times,
            )
        }
        Limit::At(most, unit) => {
            let value = summary(ours.into_iter().map(|(_, value)| value))?;
            let measured = format!(
                "{:.1} ({:.1} to {:.1}) {unit}",
                value.median, value.min, value.max
            );
            (format!("{most} {unit}"), measured, value.median <= most)
        }
    };
    Some(Gate {
        what,
        limit,
        measured,
        holds,
    })
}

/// The table of gates.
pub fn markdown(gates: &[Gate]) -> String {
    let mut text = "| gate | at most | measured | holds |\n| --- | --- | --- | --- |\n".to_owned();
    for gate in gates {
        let holds = if gate.holds { "yes" } else { "**no**" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {holds} |",
            gate.what, gate.limit, gate.measured
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Load;

    #[test]
    fn a_gate_is_judged_by_the_median_of_the_ratios() {
        let load = Load {
            idle_before: 1.0,
            foreign: 0.0,
        };
        let mut record = Record::default();
        for (pair, (ours, theirs)) in [(30, 100), (33, 100), (90, 100)].into_iter().enumerate() {
            record
                .pair(Side::Podunit, pair as u32)
                .add_time(one_pod::RESTART, ours, load);
            record
                .pair(Side::Podman, pair as u32)
                .add_time(one_pod::RESTART, theirs, load);
        }
        let gate = &gates(&record)[0];
        assert_eq!(
            (gate.measured.as_str(), gate.holds),
            ("0.33 (0.30 to 0.90)", true)
        );
        record.pair(Side::Podunit, 3).add_time(one_pod::RESTART, 90, load);
        record.pair(Side::Podman, 3).add_time(one_pod::RESTART, 100, load);
        assert!(!gates(&record)[0].holds);
    }
}
