//! Calling systemd.

use crate::host::{now, wait_at_most};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};

/// How long systemd may take for what it is asked, in seconds; hundreds of pods need more than a minute.
const LIMIT: u64 = 240;

/// Runs a program to its end.
///
/// # Errors
/// That it cannot be run or fails, with what it said.
pub fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| program.to_owned())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}: {said}", arguments.join(" "), output.status);
    }
    Ok(output)
}

/// `systemctl VERB UNIT...`; microseconds until it returned.
pub fn systemctl(verb: &str, units: &[String]) -> Result<u64> {
    let begin = now();
    let arguments: Vec<&str> = std::iter::once(verb)
        .chain(units.iter().map(String::as_str))
        .collect();
    run("systemctl", &arguments)?;
    Ok(now() - begin)
}

/// A `systemctl` that is under way.
pub struct Call(Child);

impl Call {
    pub fn begin(verb: &str, units: &[String]) -> Result<Call> {
        let mut command = Command::new("systemctl");
        command.arg(verb).args(units).stderr(Stdio::inherit());
        Ok(Call(command.spawn().context("systemctl")?))
    }

    /// Waits for its end; the time of it.
    pub fn end(mut self) -> Result<u64> {
        let mut status = None;
        let ended = wait_at_most(LIMIT, "the end of systemctl", || {
            status = self.0.try_wait()?;
            Ok(status.is_some())
        });
        let end = now();
        if ended.is_err() {
            self.0.kill()?;
        }
        ended?;
        match status {
            Some(status) if !status.success() => bail!("systemctl: {status}"),
            _ => Ok(end),
        }
    }
}

/// What systemd says of a unit.
pub struct Unit {
    pub active: bool,
    /// When it last became active, in microseconds of the monotonic clock.
    pub active_since: u64,
    pub main_process: u32,
}

pub fn units(names: &[String]) -> Result<Vec<Unit>> {
    let properties = "ActiveState,ActiveEnterTimestampMonotonic,MainPID";
    let mut arguments = vec!["show", "--property", properties];
    arguments.extend(names.iter().map(String::as_str));
    let output = run("systemctl", &arguments)?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split("\n\n")
        .map(|block| {
            let properties: BTreeMap<&str, &str> =
                block.lines().filter_map(|line| line.split_once('=')).collect();
            let get = |name| {
                properties
                    .get(name)
                    .copied()
                    .with_context(|| format!("systemctl show: no {name}"))
            };
            Ok(Unit {
                active: get("ActiveState")? == "active",
                active_since: get("ActiveEnterTimestampMonotonic")?.parse()?,
                // a target or a slice has none
                main_process: get("MainPID").unwrap_or("0").parse()?,
            })
        })
        .collect()
}
