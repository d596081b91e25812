//! What a program takes from its start to its end.

use crate::host::now;
use crate::systemd::run;
use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use std::env;
use std::process::{Command, ExitCode, Stdio};

/// What a program took.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cost {
    pub wall_us: u64,
    pub cpu_us: u64,
    /// Peak resident memory.
    pub memory_kib: u64,
}

/// Runs a program to its end.
pub fn of(program: &str, arguments: &[&str]) -> Result<Cost> {
    let own = env::current_exe()?.display().to_string();
    let said = run(&own, &[&["--cost", program], arguments].concat())?;
    Ok(serde_json::from_slice(&said.stdout)?)
}

/// Runs a program and prints its [`Cost`]: called as a process of its own, for which the program is the only child.
pub fn print(arguments: &[String]) -> Result<ExitCode> {
    let (program, arguments) = arguments.split_first().context("no program")?;
    let begin = now();
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .with_context(|| program.clone())?;
    let wall_us = now() - begin;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = |time: nix::sys::time::TimeVal| (time.tv_sec() * 1_000_000 + time.tv_usec()) as u64;
    let cost = Cost {
        wall_us,
        cpu_us: microseconds(usage.user_time()) + microseconds(usage.system_time()),
        memory_kib: usage.max_rss() as u64,
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(ExitCode::from(if status.success() { 0 } else { 1 }))
}
