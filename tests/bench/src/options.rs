//! The command line.

use crate::record::Side;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::path::PathBuf;

/// A part of the measurements that can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Start, stop, processor time.
    Start,
    /// Restart of a member, recovery.
    Restart,
    /// 1, 10, 30 pods: start, stop, memory, processes.
    Pods,
    /// Pods of 2, 8, 16 members.
    Members,
    /// Generator and daemon-reload for 1, 100, 1,000 pods.
    Loaded,
    /// A large image from a registry.
    Pull,
    /// podunit's cost against size.
    Growth,
}

const PARTS: [(&str, Part); 7] = [
    ("start", Part::Start),
    ("restart", Part::Restart),
    ("pods", Part::Pods),
    ("members", Part::Members),
    ("loaded", Part::Loaded),
    ("pull", Part::Pull),
    ("growth", Part::Growth),
];
/// What a full run measures. Growth is a matter of podunit alone, and takes as long again.
const FULL: [Part; 6] = [
    Part::Start,
    Part::Restart,
    Part::Pods,
    Part::Members,
    Part::Loaded,
    Part::Pull,
];
const SIDES: [(&str, Side); 3] = [
    ("podunit", Side::Podunit),
    ("podman", Side::Podman),
    ("floor", Side::Floor),
];

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = PARTS.iter().find(|(_, part)| part == self).map(|(name, _)| name);
        f.write_str(name.unwrap_or(&""))
    }
}

/// What to measure.
#[derive(Debug)]
pub struct Options {
    /// The main ratios only, few times.
    quick: bool,
    pub parts: Vec<Part>,
    pub sides: Vec<Side>,
    pairs: Option<u32>,
    /// The folder of the images' archives.
    pub images: PathBuf,
    /// The folder for the results.
    pub out: PathBuf,
    /// podunit's version.
    pub podunit: String,
}

impl Options {
    /// # Errors
    /// What is wrong with the arguments.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
        let mut options = Options {
            quick: false,
            parts: FULL.to_vec(),
            sides: SIDES.map(|(_, side)| side).to_vec(),
            pairs: None,
            images: "/root/images".into(),
            out: "/root".into(),
            podunit: "unknown".to_owned(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument}: a value is missing"))
            };
            match argument.as_str() {
                "--quick" => {
                    options.quick = true;
                    options.parts = vec![Part::Start, Part::Restart];
                }
                "--only" => options.parts = chosen(&value()?, &PARTS)?,
                "--sides" => options.sides = chosen(&value()?, &SIDES)?,
                "--pairs" => options.pairs = Some(value()?.parse().context("--pairs")?),
                "--images" => options.images = value()?.into(),
                "--out" => options.out = value()?.into(),
                "--podunit" => options.podunit = value()?,
                _ => bail!("unknown argument {argument}"),
            }
        }
        Ok(options)
    }

    /// How many times each side is measured, in turn.
    pub fn pairs(&self, part: Part) -> u32 {
        let usual = match part {
            _ if self.quick => 3,
            Part::Start => 11,
            Part::Restart | Part::Loaded => 7,
            Part::Pods | Part::Members | Part::Pull => 5,
            Part::Growth => 3,
        };
        self.pairs.unwrap_or(usual)
    }
}

/// The named ones of a list, in the order of their names there.
fn chosen<T: Copy>(names: &str, all: &[(&str, T)]) -> Result<Vec<T>> {
    let find = |name: &str| {
        let found = all.iter().find(|(known, _)| *known == name);
        let known: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let found = found.with_context(|| format!("unknown: {name} (known: {})", known.join(", ")))?;
        Ok(found.1)
    };
    names.split(',').map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_last_choice_counts() {
        let options = parse("--quick --only restart --pairs 5 --sides floor,podunit").unwrap();
        assert_eq!(options.parts, [Part::Restart]);
        assert_eq!(options.sides, [Side::Floor, Side::Podunit]);
        assert_eq!(options.pairs(Part::Restart), 5);
        assert_eq!(parse("--quick").unwrap().pairs(Part::Start), 3);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert!(parse("--fast").is_err());
        assert!(parse("--pairs").is_err());
        let error = parse("--only start,stop").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown: stop (known: start, restart, pods, members, loaded, pull, growth)"
        );
    }
}
