//! The machine that everything runs on: its clock, its processors' time, its processes and their memory.

use crate::record::Load;
use anyhow::{Context, Result, bail};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

const CGROUPS: &str = "/sys/fs/cgroup";
/// The clock ticks of /proc/stat: a hundredth of a second.
const TICK: u64 = 10_000;
/// An idle machine has this share of its processors' time left over.
pub const IDLE: f64 = 0.9;

/// How often it is looked whether the machine is idle, a fifth of a second each time.
const MOST_TRIES: u32 = 16;

/// Microseconds of the monotonic clock, the one that systemd stamps its units with.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("the monotonic clock is always there");
    time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1000
}

/// Calls `done` about every millisecond until it says yes.
///
/// # Errors
/// What `done` fails with; that it did not say yes in a minute.
pub fn wait_for(what: &str, done: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_at_most(60, what, done)
}

/// The same, for so many seconds.
pub fn wait_at_most(seconds: u64, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = now() + seconds * 1_000_000;
    while !done()? {
        if now() > end {
            bail!("{what}: not in {seconds} s");
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The moment from which a run is measured.
pub struct Quiet {
    idle_before: f64,
    at: u64,
    host: Processors,
    machine: u64,
}

impl Quiet {
    /// Waits until the machine is idle, but not for ever, and less long each time that it was in vain.
    pub fn wait() -> Result<Quiet> {
        static PATIENCE: AtomicU32 = AtomicU32::new(MOST_TRIES);
        let patience = PATIENCE.load(Relaxed);
        let mut tries = patience;
        loop {
            let (host, machine, at) = (Processors::read()?, usage("")?, now());
            sleep(Duration::from_millis(200));
            let spent = Processors::read()?.busy.saturating_sub(host.busy) as f64;
            let idle_before = (1.0 - spent / host.capacity(now() - at)).clamp(0.0, 1.0);
            tries -= 1;
            if idle_before >= IDLE || tries == 0 {
                PATIENCE.store(
                    if tries > 0 {
                        MOST_TRIES
                    } else {
                        patience.div_ceil(2)
                    },
                    Relaxed,
                );
                return Ok(Quiet {
                    idle_before,
                    at,
                    host,
                    machine,
                });
            }
        }
    }

    /// What else went on, from the moment before the run until now.
    pub fn load(&self) -> Result<Load> {
        let host = Processors::read()?;
        let busy = host.busy.saturating_sub(self.host.busy);
        let foreign = busy.saturating_sub(usage("")? - self.machine);
        Ok(Load {
            idle_before: self.idle_before,
            foreign: foreign as f64 / host.capacity(now() - self.at),
        })
    }
}

/// The processors' time since boot, of all who share them.
struct Processors {
    busy: u64,
    count: usize,
}

impl Processors {
    fn read() -> Result<Processors> {
        let text = fs::read_to_string("/proc/stat")?;
        let all = text.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<u64> = all.split_whitespace().skip(1).flat_map(str::parse).collect();
        // user nice system idle iowait irq softirq steal; what follows is in these already
        let busy = ticks
            .iter()
            .take(8)
            .enumerate()
            .filter(|(at, _)| ![3, 4].contains(at));
        Ok(Processors {
            busy: busy.map(|(_, ticks)| ticks * TICK).sum(),
            count: text.lines().filter(|line| line.starts_with("cpu")).count() - 1,
        })
    }

    fn capacity(&self, microseconds: u64) -> f64 {
        microseconds as f64 * self.count as f64
    }
}

/// Processor time that a cgroup of this machine has used, in microseconds; "" is the whole machine.
fn usage(group: &str) -> Result<u64> {
    let path = Path::new(CGROUPS).join(group).join("cpu.stat");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
    Ok(usage.context("no usage_usec in cpu.stat")?.parse()?)
}

/// Processor time by who used it, in microseconds.
pub struct Spent {
    machine: u64,
    /// This program and the `systemctl` that it calls.
    own: u64,
    /// systemd, its bus, its journal: all that was there before.
    old: Vec<(String, u64)>,
}

/// systemd's own group of processes, and that of the bus.
pub const SYSTEMD: &str = "init.scope";
pub const BUS: &str = "system.slice/dbus.service";

impl Spent {
    pub fn read() -> Result<Spent> {
        let mut groups = vec![SYSTEMD.to_owned()];
        for entry in fs::read_dir(Path::new(CGROUPS).join("system.slice"))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                groups.push(format!("system.slice/{}", entry.file_name().to_string_lossy()));
            }
        }
        let old = groups
            .into_iter()
            .filter_map(|group| Some((usage(&group).ok()?, group)));
        Ok(Spent {
            machine: usage("")?,
            own: usage("user.slice")?,
            old: old.map(|(spent, group)| (group, spent)).collect(),
        })
    }

    /// Since then, by one of those that were there before.
    pub fn since_by(&self, group: &str) -> Result<u64> {
        let before = self.old.iter().find(|(name, _)| name == group);
        let (_, before) = before.with_context(|| format!("there is no {group}"))?;
        Ok(usage(group)?.saturating_sub(*before))
    }

    /// Since then: by the units that were not there before, and by these with systemd, its bus and its journal.
    pub fn since(&self) -> Result<(u64, u64)> {
        let by_old =
            |(group, before): &(String, u64)| usage(group).map_or(0, |now| now.saturating_sub(*before));
        let machine = (usage("")? - self.machine).saturating_sub(usage("user.slice")? - self.own);
        Ok((machine.saturating_sub(self.old.iter().map(by_old).sum()), machine))
    }
}

/// The processes that are there.
pub fn processes() -> Result<BTreeSet<u32>> {
    let entries = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(entries.filter(|process| is_alive(*process)).collect())
}

/// A zombie is gone.
pub fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(Some('Z' | 'X')))
}

/// The name of the program that a process runs.
pub fn program(process: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{process}/exe")).ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// Those who run `name`.
pub fn running(name: &str) -> Result<Vec<u32>> {
    let processes = processes()?.into_iter();
    Ok(processes
        .filter(|&process| program(process).as_deref() == Some(name))
        .collect())
}

/// The process that started this one.
pub fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// A process's proportional share of memory, in KiB. `None` if it is gone.
pub fn memory(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The machine's network interfaces of pods: one end of a pair is left for each pod.
pub fn pods_interfaces() -> Result<usize> {
    let text = fs::read_to_string("/proc/net/dev")?;
    Ok(text
        .lines()
        .filter(|line| line.trim_start().starts_with("veth"))
        .count())
}
