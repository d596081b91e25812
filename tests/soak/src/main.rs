//! Random operations on pods, inside a machine with a real systemd; after each, or after a few that follow each other
//! fast, all is left to come to rest, and then everything must agree. `tests/soak/run` builds it, boots the machine and
//! calls it.
//!
//! It works in rounds, each with a seed of its own and from pods that are stopped to pods that are stopped, so that what
//! went wrong in one is replayed by that round alone.

mod act;
mod agree;
mod counts;
mod expect;
mod look;
mod operation;
mod pods;
mod process;
mod round;
mod systemd;

use anyhow::{Context, Result, bail};
use round::Soak;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Operations of a round.
const ROUND: usize = 25;

struct Options {
    operations: usize,
    seed: u64,
    /// Tells every operation, not only those of a round that fails.
    verbose: bool,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| soak(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut options = Options {
        operations: 10_000,
        seed: now.as_secs(),
        verbose: false,
    };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments
                .next()
                .with_context(|| format!("{argument}: a number is missing"))?;
            value.parse::<u64>().with_context(|| argument.clone())
        };
        match argument.as_str() {
            "--operations" => options.operations = usize::try_from(number()?)?,
            "--seed" => options.seed = number()?,
            "--verbose" => options.verbose = true,
            _ => bail!("unknown argument {argument}"),
        }
    }
    Ok(options)
}

fn soak(options: &Options) -> Result<()> {
    println!("soak: SEED={} OPS={}", options.seed, options.operations);
    let mut soak = Soak::begin().context("before the first operation")?;
    let begin = Instant::now();
    let (mut done, mut seed) = (0, options.seed);
    while done < options.operations {
        let mut told = Vec::new();
        let least = ROUND.min(options.operations - done);
        let round = soak.round(seed, least, |line| {
            if options.verbose {
                println!("{line}");
            }
            told.push(line.to_owned());
        });
        match round {
            Ok(count) => done += count,
            Err(error) => return Err(failure(&error, &told, seed)),
        }
        seed += 1;
        let rate = done as f64 / begin.elapsed().as_secs_f64();
        println!("soak: {done} operations, {rate:.1} a second, all agree");
    }
    Ok(())
}

/// The operations of the round, and how to have them again.
fn failure(error: &anyhow::Error, told: &[String], seed: u64) -> anyhow::Error {
    let lines: Vec<String> = told
        .iter()
        .enumerate()
        .map(|(at, line)| format!("{:4} {line}", at + 1))
        .collect();
    anyhow::anyhow!(
        "operations:\n{}\nwhat is wrong then:\n{error:#}\nthe same again: make soak SEED={seed} OPS={}",
        lines.join("\n"),
        told.len()
    )
}
