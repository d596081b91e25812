//! The tables, as Markdown.

use crate::about::About;
use crate::gates::{self, Gate};
use crate::record::{Record, Run, Side, Unit};
use crate::statistics::{Summary, ratios, summary};
use std::collections::BTreeMap;
use std::fmt::Write;

/// All tables, and what is to be said against them.
pub fn text(about: &About, record: &Record, gates: &[Gate], noise: &[String]) -> String {
    let mut text = about.markdown();
    if !record.runs.is_empty() {
        let _ = write!(text, "\n{}\n{}", figures(record), gates::markdown(gates));
    }
    if !record.growth.is_empty() {
        let _ = write!(text, "\n{}", growth(record));
    }
    text.push('\n');
    for failure in &record.failures {
        let _ = writeln!(text, "- NOT MEASURED: {failure}");
    }
    for complaint in noise {
        let _ = writeln!(text, "- NOISY: {complaint}");
    }
    text
}

/// One line for each measured thing and side.
fn figures(record: &Record) -> String {
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

/// Up to which power of size a cost may grow and still be called linear: the rest is what single values vary by.
const LINEAR: f64 = 1.1;

/// What podunit costs against size, from one size to the next: each further one's cost, and the power of size with which
/// the whole grows. Where the power is at most 1, growth is linear or better.
fn growth(record: &Record) -> String {
    let mut text =
        "| what | size | median (range) | each further one | with the power | linear or better | runs |\n\
                    | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    let mut series: BTreeMap<usize, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    let mut names: Vec<&str> = Vec::new();
    for point in &record.growth {
        let at = names
            .iter()
            .position(|name| *name == point.what)
            .unwrap_or_else(|| {
                names.push(&point.what);
                names.len() - 1
            });
        series
            .entry(at)
            .or_default()
            .entry(point.size)
            .or_default()
            .push(point.value);
    }
    for (name, sizes) in names.iter().zip(series.values()) {
        let mut last: Option<(usize, f64)> = None;
        for (&size, values) in sizes {
            let Some(value) = summary(values.iter().copied()) else {
                continue;
            };
            let grown = last.map_or("– | – | –".to_owned(), |last| {
                grown(last, (size, value.median))
            });
            let _ = writeln!(
                text,
                "| {name} | {size} | {:.1} ({:.1} to {:.1}) | {grown} | {} |",
                value.median, value.min, value.max, value.count,
            );
            last = Some((size, value.median));
        }
    }
    text
}

/// Three columns: from one size and its cost to the next.
fn grown(from: (usize, f64), to: (usize, f64)) -> String {
    let further = (to.1 - from.1) / (to.0 - from.0) as f64;
    let power = (to.1 / from.1).ln() / (to.0 as f64 / from.0 as f64).ln();
    let linear = if power <= LINEAR { "yes" } else { "**no**" };
    format!("{further:.3} | {power:.2} | {linear}")
}

/// `0.31 (0.29 to 0.35)`.
fn range(ratio: &Summary) -> String {
    format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.min, ratio.max)
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds if value < 10.0 => format!("{value:.2}"),
        Unit::Milliseconds if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Load;

    const QUIET: Load = Load {
        idle_before: 0.99,
        foreign: 0.01,
    };

    #[test]
    fn a_row_has_its_ratio() {
        let mut record = Record::default();
        for (pair, (ours, theirs)) in [(100, 400), (120, 400), (90, 450)].into_iter().enumerate() {
            record
                .pair(Side::Podunit, pair as u32)
                .add_time("start", ours * 1000, QUIET);
            record
                .pair(Side::Podman, pair as u32)
                .add_time("start", theirs * 1000, QUIET);
        }
        let table = figures(&record);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| start, ms | podunit | 90.0 | 100 | 120 | – | 3 | 99 % | 1 % (at most 1) |",
                "| start, ms | Podman | 400 | 400 | 450 | 0.25 (0.20 to 0.30) | 3 | 99 % | 1 % (at most 1) |",
            ]
        );
    }

    #[test]
    fn growth_shows_what_each_further_one_costs() {
        let mut record = Record::default();
        for (size, value) in [(1, 10.0), (11, 30.0), (1, 12.0), (11, 33.0), (22, 94.5)] {
            record.grow("start, ms, by members", size, value, QUIET);
        }
        let table = growth(&record);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| start, ms, by members | 1 | 11.0 (10.0 to 12.0) | – | – | – | 2 |",
                "| start, ms, by members | 11 | 31.5 (30.0 to 33.0) | 2.050 | 0.44 | yes | 2 |",
                "| start, ms, by members | 22 | 94.5 (94.5 to 94.5) | 5.727 | 1.58 | **no** | 1 |",
            ]
        );
    }
}
