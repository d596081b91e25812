//! Many pods at once: started and stopped by one command, and what stays beside the workload while they run.

use crate::host::{self, Quiet, now};
use crate::loaded;
use crate::one_pod::{all_active, all_gone};
use crate::probe::wait_answer;
use crate::record::{Load, Record, Side, Unit};
use crate::sides::{self, Pod};
use crate::systemd::{Call, systemctl};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;

/// What the containers themselves run; in busybox's image some names are hard links.
const WORKLOAD: [&str; 4] = ["nginx", "busybox", "sh", "wget"];

pub fn started(pods: usize) -> String {
    format!("{} by one command, all answering", loaded::so_many(pods))
}

pub fn stopped(pods: usize) -> String {
    format!("{} by one command, all gone", loaded::so_many(pods))
}

pub fn memory(pods: usize) -> String {
    format!(
        "PSS beside the workload for each running pod, {}",
        loaded::so_many(pods)
    )
}

pub fn processes(pods: usize) -> String {
    format!(
        "processes beside the workload for each running pod, {}",
        loaded::so_many(pods)
    )
}

/// That many founding pods.
pub fn founding(count: usize) -> Vec<Pod> {
    (1..=count as u16).map(Pod::founding).collect()
}

/// From the end of a start until memory is looked at.
const REST: std::time::Duration = std::time::Duration::from_secs(3);

/// What many pods took together.
pub struct Together {
    /// Microseconds until all answered and were active.
    pub started: u64,
    /// Microseconds until all were gone.
    pub stopped: u64,
    pub beside: Beside,
    /// During the start.
    pub load: Load,
    /// During the stop.
    pub load_of_stop: Load,
}

/// The processes that stay and are not the workload.
pub struct Beside {
    pub processes: usize,
    /// The sum of their proportional shares.
    pub memory_kib: u64,
}

impl Beside {
    fn since(before: &BTreeSet<u32>) -> Result<Beside> {
        let new = host::processes()?;
        let is_workload =
            |process: u32| host::program(process).is_none_or(|name| WORKLOAD.contains(&name.as_str()));
        let stay: Vec<u32> = new
            .difference(before)
            .copied()
            .filter(|process| !is_workload(*process))
            .collect();
        ensure!(!stay.is_empty(), "no process of the pods is left");
        Ok(Beside {
            processes: stay.len(),
            memory_kib: stay.iter().filter_map(|process| host::memory(*process)).sum(),
        })
    }
}

/// Starts all, looks at what stays, and with `look` at anything else once all is at rest, stops all.
pub fn start_and_stop<T>(
    side: Side,
    pods: &[Pod],
    look: impl FnOnce() -> Result<T>,
) -> Result<(Together, T)> {
    let named: Vec<String> = pods.iter().flat_map(|pod| pod.named(side)).collect();
    let units: Vec<String> = pods.iter().flat_map(|pod| pod.units(side)).collect();
    systemctl("reset-failed", &[])?;
    let quiet = Quiet::wait()?;
    let before = host::processes()?;
    let begin = now();
    let call = Call::begin("start", &named)?;
    let mut ready = begin;
    // one after the other: the last one's answer is what counts, and asking costs little
    for port in pods.iter().filter_map(|pod| pod.port) {
        ready = wait_answer(port)?;
    }
    let load = quiet.load()?;
    call.end()?;
    ready = ready.max(all_active(&units, begin)?);

    // What is meant is memory at rest: who gives some back does so a moment after its work.
    std::thread::sleep(REST);
    let quiet = Quiet::wait()?;
    let seen = look()?;
    let beside = Beside::since(&before)?;
    let stop = now();
    Call::begin("stop", &named)?.end()?;
    let gone = all_gone(&before)?;
    let together = Together {
        started: ready - begin,
        stopped: gone - stop,
        beside,
        load,
        load_of_stop: quiet.load()?,
    };
    Ok((together, seen))
}

/// All pairs for so many founding pods.
pub fn rounds(record: &mut Record, sides: &[Side], pairs: u32, count: usize) -> Result<()> {
    let pods = founding(count);
    for &side in sides {
        sides::define(side, &pods)?;
    }
    sides::reload()?;
    for pair in 0..pairs {
        for side in sides::in_turn(sides, pair) {
            let all = match start_and_stop(side, &pods, || Ok(())) {
                Ok((all, ())) => all,
                Err(error) => {
                    record.failures.push(format!("{count} pods, {side}: {error:#}"));
                    sides::clean_up(side, &pods);
                    continue;
                }
            };
            let mut values = record.pair(side, pair);
            let each = |sum: f64| sum / count as f64;
            values.add_time(&started(count), all.started, all.load);
            values.add_time(&stopped(count), all.stopped, all.load_of_stop);
            let memory_each = each(all.beside.memory_kib as f64);
            values.add(&memory(count), Unit::Kibibytes, memory_each, all.load);
            let processes_each = each(all.beside.processes as f64);
            values.add(&processes(count), Unit::Number, processes_each, all.load);
        }
    }
    Ok(())
}
