//! What was measured: single values, each with the load that was seen around it.

use serde::Serialize;
use std::fmt;

/// Whose pod it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Podunit,
    /// Podman with Quadlet.
    Podman,
    /// Hand-written static units; for the generator, a program that only writes the same files.
    Floor,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Side::Podunit => "podunit",
            Side::Podman => "Podman",
            Side::Floor => "floor",
        })
    }
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "KiB")]
    Kibibytes,
    #[serde(rename = "")]
    Number,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Unit::Milliseconds => "ms",
            Unit::Kibibytes => "KiB",
            Unit::Number => "",
        })
    }
}

/// What else the processors did.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Load {
    /// Share of the processors that was idle in the moment before the run, 0 to 1.
    pub idle_before: f64,
    /// Share of the processors that others than this machine took during the run, 0 to 1.
    pub foreign: f64,
}

/// One measured value.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// What was measured, in words: the row of the table.
    pub what: String,
    pub unit: Unit,
    pub side: Side,
    /// Runs of one pair, one on each side, were made one after the other.
    pub pair: u32,
    pub value: f64,
    #[serde(flatten)]
    pub load: Load,
}

/// All that was measured, in the order in which it was.
#[derive(Debug, Default, Serialize)]
pub struct Record {
    pub runs: Vec<Run>,
    /// Parts that could not be measured, and why.
    pub failures: Vec<String>,
}

impl Record {
    pub fn add(&mut self, what: &str, unit: Unit, side: Side, pair: u32, value: f64, load: Load) {
        self.runs.push(Run {
            what: what.to_owned(),
            unit,
            side,
            pair,
            value,
            load,
        });
    }

    /// A time, from microseconds.
    pub fn add_time(&mut self, what: &str, side: Side, pair: u32, microseconds: u64, load: Load) {
        self.add(
            what,
            Unit::Milliseconds,
            side,
            pair,
            microseconds as f64 / 1000.0,
            load,
        );
    }

    /// The values of one row, by pair.
    pub fn values(&self, what: &str, side: Side) -> Vec<(u32, f64)> {
        let of_row = self
            .runs
            .iter()
            .filter(|run| run.what == what && run.side == side);
        of_row.map(|run| (run.pair, run.value)).collect()
    }

    /// The rows in the order in which they were first measured.
    pub fn rows(&self) -> Vec<&str> {
        let mut rows = Vec::new();
        for run in &self.runs {
            if !rows.contains(&run.what.as_str()) {
                rows.push(&run.what);
            }
        }
        rows
    }
}
