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

/// One value of podunit at one size.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// What was measured, in words, with its unit and what is counted as size.
    pub what: String,
    pub size: usize,
    pub value: f64,
    #[serde(flatten)]
    pub load: Load,
}

/// All that was measured, in the order in which it was.
#[derive(Debug, Default, Serialize)]
pub struct Record {
    pub runs: Vec<Run>,
    pub growth: Vec<Growth>,
    /// Parts that could not be measured, and why.
    pub failures: Vec<String>,
}

impl Record {
    /// For the values of one side in one pair.
    pub fn pair(&mut self, side: Side, pair: u32) -> Pair<'_> {
        let record = self;
        Pair { record, side, pair }
    }

    /// A value of podunit at that size.
    pub fn grow(&mut self, what: &str, size: usize, value: f64, load: Load) {
        self.growth.push(Growth {
            what: what.to_owned(),
            size,
            value,
            load,
        });
    }

    /// The load seen around every value.
    pub fn loads(&self) -> impl Iterator<Item = Load> {
        let of_runs = self.runs.iter().map(|run| run.load);
        of_runs.chain(self.growth.iter().map(|growth| growth.load))
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

/// Where the values of one side in one pair go.
pub struct Pair<'a> {
    record: &'a mut Record,
    pub side: Side,
    pair: u32,
}

impl Pair<'_> {
    pub fn add(&mut self, what: &str, unit: Unit, value: f64, load: Load) {
        self.record.runs.push(Run {
            what: what.to_owned(),
            unit,
            side: self.side,
            pair: self.pair,
            value,
            load,
        });
    }

    /// A time, from microseconds.
    pub fn add_time(&mut self, what: &str, microseconds: u64, load: Load) {
        self.add(what, Unit::Milliseconds, microseconds as f64 / 1000.0, load);
    }
}
