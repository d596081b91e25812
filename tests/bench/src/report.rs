//! The tables, as Markdown.

use crate::record::{Record, Run, Side, Unit};
use crate::statistics::{Summary, ratios, summary};
use std::fmt::Write;

/// One line for each measured thing and side.
pub fn figures(record: &Record) -> String {
    let mut text = "| what | side | min | median | max | podunit is … of it (range) | runs | idle before | others took |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for what in record.rows() {
        for side in [Side::Podunit, Side::Podman, Side::Floor] {
            if let Some(line) = line(record, what, side) {
                text += &line;
            }
        }
    }
    text
}

fn line(record: &Record, what: &str, side: Side) -> Option<String> {
    let values = record.values(what, side);
    let value = summary(values.iter().map(|(_, value)| *value))?;
    let runs: Vec<&Run> = record
        .runs
        .iter()
        .filter(|run| run.what == what && run.side == side)
        .collect();
    let unit = runs.first()?.unit;
    let idle = summary(runs.iter().map(|run| run.load.idle_before))?;
    let foreign = summary(runs.iter().map(|run| run.load.foreign))?;
    let ratio = match side {
        Side::Podunit => None,
        _ => ratios(&record.values(what, Side::Podunit), &values),
    };
    let mut line = String::new();
    let (min, median, max) = (
        number(value.min, unit),
        number(value.median, unit),
        number(value.max, unit),
    );
    let _ = writeln!(
        line,
        "| {what}{} | {side} | {min} | {median} | {max} | {} | {} | {:.0} % | {:.0} % (at most {:.0}) |",
        if unit == Unit::Number {
            String::new()
        } else {
            format!(", {unit}")
        },
        ratio.map_or("–".to_owned(), |ratio| range(&ratio)),
        value.count,
        idle.min * 100.0,
        foreign.median * 100.0,
        foreign.max * 100.0,
    );
    Some(line)
}

/// `0.31 (0.29 to 0.35)`.
pub fn range(ratio: &Summary) -> String {
    format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.min, ratio.max)
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds if value < 10.0 => format!("{value:.2}"),
        Unit::Milliseconds if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
