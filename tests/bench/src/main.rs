//! Measures podunit beside Podman with Quadlet and beside hand-written static units, in turn, on one machine.
//!
//! `tests/bench/run` builds it, boots the machine and calls it inside. It prints the tables as Markdown, writes them and
//! every single value to files, and ends with 0 after a clean run, 1 if something could not be measured, 3 if the run
//! is noisy.

mod about;
mod cost;
mod floor;
mod gates;
mod growth;
mod host;
mod loaded;
mod many_pods;
mod members;
mod noise;
mod one_pod;
mod options;
mod probe;
mod pull;
mod record;
mod report;
mod sides;
mod statistics;
mod systemd;

use anyhow::{Context, Result};
use options::{Options, Part};
use record::{Record, Side};
use serde_json::json;
use sides::Pod;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Something could not be measured.
const FAILED: u8 = 1;
/// All was measured, but not on a quiet machine.
const NOISY: u8 = 3;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--cost", command)) = arguments
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        return cost::print(command);
    }
    let options = Options::parse(arguments.into_iter())?;
    let about = about::about(&options.podunit);
    let mut record = Record::default();
    let begin = host::now();
    for &part in &options.parts {
        eprintln!(
            "bench: {part} ({} s)",
            host::now().saturating_sub(begin) / 1_000_000
        );
        if let Err(error) = measure(part, &options, &mut record) {
            record.failures.push(format!("{part}: {error:#}"));
        }
    }
    let gates = gates::gates(&record);
    let noise = noise::complaints(&record);

    let text = report::text(&about, &record, &gates, &noise);
    print!("{text}");
    fs::write(options.out.join("bench.md"), text).context("bench.md")?;
    let all = json!({"about": about, "gates": gates, "noise": noise, "record": record});
    fs::write(options.out.join("bench.json"), serde_json::to_vec_pretty(&all)?).context("bench.json")?;
    Ok(ExitCode::from(
        match (record.failures.is_empty(), noise.is_empty()) {
            (false, _) => FAILED,
            (true, false) => NOISY,
            (true, true) => 0,
        },
    ))
}

fn measure(part: Part, options: &Options, record: &mut Record) -> Result<()> {
    let pairs = options.pairs(part);
    // hand-written units for many pods would measure nothing new
    let engines: Vec<Side> = options
        .sides
        .iter()
        .copied()
        .filter(|side| *side != Side::Floor)
        .collect();
    match part {
        Part::Start | Part::Restart => {
            for side in [Side::Podunit, Side::Podman] {
                sides::define(side, &[Pod::founding(0)])?;
            }
            sides::reload()?;
            if options.sides.contains(&Side::Floor) {
                floor::prepare(Path::new(&options.images)).context("the floor")?;
            }
            let measure = match part {
                Part::Start => one_pod::start_and_stop,
                _ => one_pod::restart_and_recover,
            };
            one_pod::rounds(record, &options.sides, pairs, measure);
        }
        Part::Pods => {
            for (count, pairs) in [(1, pairs), (10, pairs), (30, pairs.min(3))] {
                many_pods::rounds(record, &engines, pairs, count)?;
            }
        }
        Part::Members => members::rounds(record, &engines, pairs)?,
        Part::Pull => pull::rounds(record, &engines, pairs, &options.images)?,
        Part::Growth => growth::measure(record, pairs)?,
        Part::Loaded => {
            for (count, pairs) in [(1, pairs), (100, pairs), (1000, pairs.min(5))] {
                loaded::rounds(record, &options.sides, pairs, count)?;
            }
        }
    }
    Ok(())
}
