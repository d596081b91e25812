//! One founding pod: start, stop, processor time, restart and recovery.

use crate::host::{self, Quiet, Spent, now, wait_for};
use crate::probe::wait_answer;
use crate::record::{Load, Pair, Record, Side};
use crate::sides::{self, Pod};
use crate::systemd::{Call, run, systemctl, units};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

pub const START: &str = "start to HTTP 200";
pub const START_RETURNED: &str = "start: systemctl returned";
pub const START_ACTIVE: &str = "start: every unit active";
pub const STOP: &str = "stop: systemctl returned";
pub const STOP_GONE: &str = "stop: everything gone";
pub const SPENT: &str = "CPU of one start, the pod's units";
pub const SPENT_MACHINE: &str = "CPU of one start, systemd's, bus's and journal's too";
pub const RESTART: &str = "restart of a member to HTTP 200";
pub const RECOVER_MEMBER: &str = "kill -9 of a member to HTTP 200";
pub const RECOVER_INIT: &str = "kill -9 of the pod's PID 1 to HTTP 200 and all active";

/// What a founding pod's start took.
struct Start {
    begin: u64,
    returned: u64,
    answered: u64,
}

fn start(pod: &Pod, side: Side) -> Result<Start> {
    // a unit may be started five times in ten seconds; that limit is not what is measured
    systemctl("reset-failed", &[])?;
    let begin = now();
    let call = Call::begin("start", &pod.named(side))?;
    let waiter = std::thread::spawn(|| call.end());
    let answered = wait_answer(pod.port.context("a pod without a port")?);
    let returned = waiter.join().expect("no panic in there").context("start")?;
    Ok(Start {
        begin,
        returned,
        answered: answered?,
    })
}

/// Waits until every unit has become active after `since`; when the last one did, by systemd's own clock.
pub fn all_active(names: &[String], since: u64) -> Result<u64> {
    let mut last = 0;
    wait_for("all units active", || {
        // the answer says when it was: there is no need to ask often, which would slow down what is measured
        sleep(Duration::from_millis(50));
        let units = units(names)?;
        last = units.iter().map(|unit| unit.active_since).max().unwrap_or(0);
        Ok(units.iter().all(|unit| unit.active && unit.active_since > since))
    })?;
    Ok(last)
}

/// Start and stop.
pub fn start_and_stop(values: &mut Pair) -> Result<()> {
    let (pod, side) = (Pod::founding(0), values.side);
    let before = Quiet::wait()?;
    let (spent, processes) = (Spent::read()?, host::processes()?);
    let started = start(&pod, side)?;
    let load = before.load()?;
    values.add_time(START, started.answered - started.begin, load);
    values.add_time(START_RETURNED, started.returned - started.begin, load);
    let active = all_active(&pod.units(side), started.begin)?;
    values.add_time(START_ACTIVE, active - started.begin, load);
    // what a start leaves to be done is part of it
    let before = Quiet::wait()?;
    let (units, machine) = spent.since()?;
    values.add_time(SPENT, units, load);
    values.add_time(SPENT_MACHINE, machine, load);
    let begin = now();
    let returned = systemctl("stop", &pod.named(side))?;
    let gone = all_gone(&processes)?;
    let load = before.load()?;
    values.add_time(STOP, returned, load);
    values.add_time(STOP_GONE, gone - begin, load);
    Ok(())
}

/// Waits until no process, interface or firewall rule of a pod is left; when the last process and interface went.
pub fn all_gone(before: &BTreeSet<u32>) -> Result<u64> {
    wait_for("everything gone after the stop", || {
        let left = &host::processes()? - before;
        Ok(left.is_empty() && host::pods_interfaces()? == 0)
    })?;
    let gone = now();
    let rules = run("nft", &["list", "ruleset"])?.stdout;
    let rules = String::from_utf8_lossy(&rules);
    // chains may stay, with their names and types; a rule that leads somewhere may not
    let left: Vec<&str> = rules
        .lines()
        .filter(|rule| rule.split_whitespace().any(|word| word == "dnat"))
        .collect();
    ensure!(
        left.is_empty(),
        "firewall rules are left after the stop: {left:?}"
    );
    Ok(gone)
}

/// Restart of a member, then what follows on kill -9 of one and, where there is a supervisor, of the pod's PID 1.
pub fn restart_and_recover(values: &mut Pair) -> Result<()> {
    let (pod, side) = (Pod::founding(0), values.side);
    let begin = start(&pod, side)?.begin;
    all_active(&pod.units(side), begin)?;
    let web = [pod.member_unit(side, "web")];

    let restart = until_answer(&pod, || Call::begin("restart", &web).map(Some))?;
    values.add_time(RESTART, restart.taken(), restart.load);

    let main = web_servers()?.into_iter().find(|process| {
        let parent = host::parent(*process).and_then(host::program);
        parent.as_deref() != Some("nginx")
    });
    let main = main.context("no web server")?;
    let recovery = until_answer(&pod, || kill_9(main))?;
    values.add_time(RECOVER_MEMBER, recovery.taken(), recovery.load);

    if let Some(init) = init_of(&pod, side)? {
        let recovery = until_answer(&pod, || kill_9(init))?;
        let mut restarted = pod.units(side);
        if side == Side::Podunit {
            // the supervisor stays
            restarted.remove(0);
        }
        let active = all_active(&restarted, recovery.begin)? - recovery.begin;
        values.add_time(RECOVER_INIT, recovery.taken().max(active), recovery.load);
    }
    Quiet::wait()?;
    systemctl("stop", &pod.named(side))?;
    Ok(())
}

fn web_servers() -> Result<Vec<u32>> {
    host::running("nginx")
}

/// What it took until a pod answered again.
struct Recovery {
    begin: u64,
    answered: u64,
    load: Load,
}

impl Recovery {
    fn taken(&self) -> u64 {
        self.answered - self.begin
    }
}

/// From the call of `disturb` until another web server than now answers.
fn until_answer(pod: &Pod, disturb: impl FnOnce() -> Result<Option<Call>>) -> Result<Recovery> {
    let before = Quiet::wait()?;
    systemctl("reset-failed", &[])?;
    let old = web_servers()?;
    ensure!(!old.is_empty(), "no web server");
    let begin = now();
    let call = disturb()?;
    wait_for("the old web server gone", || {
        Ok(!old.iter().any(|process| host::is_alive(*process)))
    })?;
    let answered = wait_answer(pod.port.context("a pod without a port")?)?;
    let load = before.load()?;
    if let Some(call) = call {
        call.end()?;
    }
    Ok(Recovery {
        begin,
        answered,
        load,
    })
}

fn kill_9(process: u32) -> Result<Option<Call>> {
    kill(Pid::from_raw(process.try_into()?), Signal::SIGKILL)?;
    Ok(None)
}

/// PID 1 of the pod's process namespace. Nothing brings the floor's back.
fn init_of(pod: &Pod, side: Side) -> Result<Option<u32>> {
    match side {
        Side::Podunit => {
            let infra = units(&[format!("pod-{}-infra.service", pod.name)])?;
            Ok(infra.first().map(|unit| unit.main_process))
        }
        Side::Podman => Ok(host::running("catatonit")?.first().copied()),
        Side::Floor => Ok(None),
    }
}

/// One unmeasured round, so that caches are filled; then all pairs, with the sides in another order each time.
pub fn rounds(record: &mut Record, sides: &[Side], pairs: u32, measure: fn(&mut Pair) -> Result<()>) {
    let pods = [Pod::founding(0)];
    for round in 0..=pairs {
        for side in sides::in_turn(sides, round) {
            let mut unmeasured = Record::default();
            let (record, pair) = match round.checked_sub(1) {
                Some(pair) => (&mut *record, pair),
                None => (&mut unmeasured, 0),
            };
            if let Err(error) = measure(&mut record.pair(side, pair)) {
                record.failures.push(format!("{side}: {error:#}"));
                sides::clean_up(side, &pods);
            }
        }
    }
}
