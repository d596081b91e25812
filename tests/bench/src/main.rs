//! Measures podunit beside Podman with Quadlet and beside hand-written static units, in turn, on one machine.
//!
//! `tests/bench/run` builds it, boots the machine and calls it inside. It prints the tables as Markdown, writes them and
//! every single value to files, and ends with 0 after a clean run, 1 if something could not be measured, 3 if the run
//! is noisy.

mod about;
mod floor;
mod gates;
mod host;
mod noise;
mod one_pod;
mod options;
mod probe;
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
    let options = Options::parse(std::env::args().skip(1))?;
    let about = about::about(&options.podunit);
    let mut record = Record::default();
    for &part in &options.parts {
        eprintln!("bench: {part} ...");
        if let Err(error) = measure(part, &options, &mut record) {
            record.failures.push(format!("{part}: {error:#}"));
        }
    }
    let gates = gates::gates(&record);
    let noise = noise::complaints(&record);

    let mut text = format!(
        "{}\n{}\n{}\n",
        about.markdown(),
        report::figures(&record),
        gates::markdown(&gates)
    );
    for failure in &record.failures {
        text += &format!("- NOT MEASURED: {failure}\n");
    }
    for complaint in &noise {
        text += &format!("- NOISY: {complaint}\n");
    }
    print!("{text}");
    fs::write(options.out.join("bench.md"), text).context("bench.md")?;
    let all = json!({"about": about, "gates": gates, "noise": noise, "failures": record.failures, "runs": record.runs});
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
    match part {
        Part::Start | Part::Restart => {
            for side in [Side::Podunit, Side::Podman] {
                sides::define(side, &[Pod::founding(0)])?;
            }
            sides::reload()?;
            floor::prepare(Path::new(&options.images)).context("the floor")?;
            let measure = match part {
                Part::Start => one_pod::start_and_stop,
                _ => one_pod::restart_and_recover,
            };
            one_pod::rounds(record, &options.sides, pairs, measure);
        }
    }
    Ok(())
}
