//! The running pod: its supervisor, `podunit-supervise X`.
//!
//! [`state`] decides and does nothing else; `run` moves its events in and carries its actions out. What it needs is
//! in systemd and under `/run/podunit/X`: it can be killed at any time, and its successor adopts the pod.

mod bus;
mod deliver;
pub mod event;
pub mod launcher;
mod lines;
mod main_process;
mod output;
mod plan;
pub mod ports;
mod probe;
mod relay;
mod reload;
mod report;
mod rights;
mod run;
mod service;
mod signals;
pub mod standing;
pub mod state;
mod words;

use crate::compiled::{self, CompiledError};
use crate::model::{Paths, PodName};
use crate::sys::memory::Surplus;
use anyhow::Context;
use plan::Plan;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often, and how far apart, a compiled pod that is not there is looked for: systemd empties the folder of
/// generated units when it reloads, and there is nothing that tells when it is full again.
const ATTEMPTS: u32 = 50;
const APART: Duration = Duration::from_millis(100);

/// Supervises the pod `name` until it is stopped.
///
/// # Errors
/// The pod's compiled form cannot be used, or the kernel refuses what every process may do.
pub fn supervise(name: &str, paths: &Paths) -> anyhow::Result<ExitCode> {
    let signals = signals::block().context("cannot block signals")?;
    // Nothing that is made here is for others, unless it says so.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let name: PodName = name
        .parse()
        .with_context(|| format!("`{name}` is not the name of a pod"))?;
    let plan = read(paths, &name)?;
    let surplus = Arc::new(Surplus::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .max_io_events_per_tick(64)
        .enable_time()
        .on_thread_park({
            let surplus = surplus.clone();
            move || surplus.give_back()
        })
        .build()?;
    let status = runtime.block_on(async {
        run::Supervisor::new(plan, paths.clone(), &signals, surplus)?
            .run()
            .await
    })?;
    Ok(ExitCode::from(status))
}

fn read(paths: &Paths, name: &PodName) -> Result<Plan, CompiledError> {
    for _ in 1..ATTEMPTS {
        match compiled::running(paths, name) {
            Err(CompiledError::Missing { .. }) => std::thread::sleep(APART),
            result => return result.map(Plan::new),
        }
    }
    compiled::running(paths, name).map(Plan::new)
}
