//! The stop of a member (`ExecStop=`): its hook, its signals one after the other, and in the end SIGKILL.

use super::main_process::MainProcess;
use super::stop_plan::{Reason, Rule, Step, plan};
use super::{Error, Member};
use crate::model::{Fate, Signal};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// From one look for a handler to the next, at first and at most. The kernel has no event for a new handler.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Asks the member's process to end, as the definition or the image says, and kills it when its time is over.
/// `main_pid` is systemd's `$MAINPID`; without one there is nothing to do. `hook` runs the line of `PreStop=` within a
/// limit, and what is out of the ordinary is told to `tell`.
///
/// # Errors
/// The process is not the container's, or cannot be signalled.
pub fn stop(
    member: Member<'_>,
    main_pid: Option<i32>,
    hook: &dyn Fn(&str, Duration) -> anyhow::Result<()>,
    tell: &dyn Fn(String),
) -> Result<(), Error> {
    let container = member.container;
    let budget = container.stop_timeout;
    let began = Instant::now();
    let Some(process) = MainProcess::find(member, main_pid)? else {
        return Ok(());
    };
    if let Some(line) = &container.pre_stop
        && let Err(error) = hook(line, budget)
    {
        tell(format!("{error:#}; the stop goes on"));
    }
    let first = match container.stop_signal {
        Some(signal) => signal,
        None => written_stop_signal(&member.stop_signal_file())?,
    };
    let rule = Rule {
        first,
        escalate: &container.stop_escalate,
        repeat: container.stop_repeat,
        budget,
    };
    carry_out(
        &process,
        &plan(rule, budget.saturating_sub(began.elapsed())),
        tell,
    )
}

fn carry_out(process: &MainProcess, steps: &[Step], tell: &dyn Fn(String)) -> Result<(), Error> {
    let began = Instant::now();
    let mut dropped = false;
    let mut current = Signal::TERM;
    for step in steps {
        if wait(process, began, step.at, dropped.then_some(current), tell)? {
            return Ok(());
        }
        let Step { signal, reason, .. } = *step;
        // Looked at before: a handler that appears just now costs the program a second signal, and not its end.
        dropped = process.fate(signal) == Some(Fate::Dropped);
        current = signal;
        if !process.send(signal)? {
            return Ok(());
        }
        match reason {
            Reason::First if dropped => tell(format!(
                "it has no handler for {signal} yet, and the kernel drops it for a PID 1: it is sent again when \
                 there is one"
            )),
            Reason::First => {}
            Reason::Repeat => tell(format!("it still runs: {signal} again (StopRepeat=)")),
            Reason::Escalate => tell(format!("it still runs: {signal} (StopEscalate=)")),
            Reason::Kill => tell(format!("it still runs at the end of StopTimeout=: {signal}")),
        }
    }
    Ok(())
}

/// Waits until the process has ended, or until the moment `until`, and says whether it has ended. A signal that was
/// `dropped` is sent again as soon as there is a handler.
fn wait(
    process: &MainProcess,
    began: Instant,
    until: Duration,
    mut dropped: Option<Signal>,
    tell: &dyn Fn(String),
) -> Result<bool, Error> {
    let mut look = LOOK.0;
    loop {
        let left = until.saturating_sub(began.elapsed());
        let Some(signal) = dropped else {
            return process.wait(left);
        };
        if process.wait(left.min(look))? {
            return Ok(true);
        }
        if left <= look {
            return Ok(false);
        }
        look = (look * 2).min(LOOK.1);
        if process.fate(signal).is_some_and(|fate| fate != Fate::Dropped) {
            tell(format!("it has a handler for {signal} now: sent again"));
            process.send(signal)?;
            dropped = None;
        }
    }
}

fn written_stop_signal(path: &Path) -> Result<Signal, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(Signal::TERM)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Signal::TERM),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}
