//! Calling systemctl.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Nothing that systemctl is asked for takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a program to its end, whatever that is.
pub fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| program.to_owned())
}

/// A `systemctl` that is under way.
pub struct Call {
    command: String,
    child: Child,
}

/// How a `systemctl` ended.
pub struct Ended {
    pub command: String,
    pub status: i32,
    pub said: String,
}

impl Call {
    pub fn begin(arguments: &[&str]) -> Result<Call> {
        let mut command = Command::new("systemctl");
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(Call {
            command: format!("systemctl {}", arguments.join(" ")),
            child: command.spawn().context("systemctl")?,
        })
    }

    /// Waits for its end, but not for ever.
    pub fn ends_within(&mut self, time: Duration) -> Result<bool> {
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > time {
                return Ok(false);
            }
            sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    /// # Errors
    /// That it does not end.
    pub fn end(mut self) -> Result<Ended> {
        if !self.ends_within(LIMIT)? {
            self.child.kill()?;
            self.child.wait()?;
            bail!("`{}` has not ended in {} s", self.command, LIMIT.as_secs());
        }
        // What it says fits into the pipe.
        let output = self.child.wait_with_output()?;
        Ok(Ended {
            command: self.command,
            status: output.status.code().unwrap_or(-1),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// `systemctl ARGUMENTS` to its end.
pub fn systemctl(arguments: &[&str]) -> Result<Ended> {
    Call::begin(arguments)?.end()
}

/// What systemd says of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// `ActiveState`.
    pub active: String,
    /// A job is queued or under way.
    pub job: bool,
    pub main_process: u32,
    pub status: String,
    pub is_frozen: bool,
}

impl Unit {
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    /// Nothing is about to change it.
    pub fn is_at_rest(&self) -> bool {
        !self.job && !self.is_frozen && ["active", "inactive", "failed"].contains(&self.active.as_str())
    }
}

/// Units by their names; one that does not exist is inactive.
pub fn units(names: &[String]) -> Result<BTreeMap<String, Unit>> {
    let mut arguments = vec![
        "show",
        "--property=ActiveState,Job,MainPID,StatusText,FreezerState",
    ];
    arguments.extend(names.iter().map(String::as_str));
    let output = run("systemctl", &arguments)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let blocks: Vec<Unit> = text.split("\n\n").map(unit).collect();
    if blocks.len() != names.len() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "systemctl show tells of {} units, not {}: {said}",
            blocks.len(),
            names.len()
        );
    }
    Ok(names.iter().cloned().zip(blocks).collect())
}

fn unit(block: &str) -> Unit {
    let properties: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
    let get = |name| properties.get(name).copied().unwrap_or_default();
    Unit {
        active: get("ActiveState").to_owned(),
        job: !["", "0"].contains(&get("Job")),
        main_process: get("MainPID").parse().unwrap_or(0),
        status: get("StatusText").to_owned(),
        is_frozen: get("FreezerState").starts_with("fr"),
    }
}
