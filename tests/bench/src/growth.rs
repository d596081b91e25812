//! What podunit costs against size: members of a pod, loaded pods, running pods, lines and keys of a definition.

use crate::host::{self, BUS, Quiet, SYSTEMD, Spent};
use crate::record::{Load, Record, Side};
use crate::sides::{self, Member, Pod};
use crate::{loaded, many_pods, members};
use anyhow::{Context, Result};

const MEMBERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const LOADED: [usize; 5] = [1, 10, 100, 300, 1000];
const RUNNING: [usize; 4] = [1, 10, 100, 500];
/// podunit reads no more than 10,000 lines of a file.
const LINES: [usize; 5] = [1, 10, 100, 1000, 9900];

/// All series; each value `times` times, but hundreds of running pods only once.
pub fn measure(record: &mut Record, times: u32) -> Result<()> {
    sides::define(Side::Podman, &[])?;
    type Measure = fn(&mut Record, u32) -> Result<()>;
    let series: [(&str, Measure); 5] = [
        ("members of a pod", members_of_a_pod),
        ("loaded pods", loaded_pods),
        ("lines of a definition", |record, times| {
            definition(record, times, "lines of comment", |member, lines| {
                member.comments = lines
            })
        }),
        ("keys of a definition", |record, times| {
            definition(record, times, "keys Environment=", |member, keys| {
                member.environment = keys
            })
        }),
        ("running pods", |record, _| {
            RUNNING.iter().try_for_each(|size| running_pods(record, *size))
        }),
    ];
    for (name, measure) in series {
        eprintln!("bench: {name}");
        if let Err(error) = measure(record, times) {
            record.failures.push(format!("{name}: {error:#}"));
        }
    }
    sides::define(Side::Podunit, &[])?;
    sides::reload()?;
    Ok(())
}

fn members_of_a_pod(record: &mut Record, times: u32) -> Result<()> {
    let pods = MEMBERS.map(members::pod);
    sides::define(Side::Podunit, &pods)?;
    sides::reload()?;
    for _ in 0..times {
        for pod in &pods {
            let (taken, load) = members::start(Side::Podunit, pod)?;
            record.grow(
                "start of a pod, ms, by its members",
                pod.members.len(),
                ms(taken),
                load,
            );
        }
    }
    Ok(())
}

fn loaded_pods(record: &mut Record, times: u32) -> Result<()> {
    for size in LOADED {
        let pods = many_pods::founding(size);
        sides::define(Side::Podunit, &pods)?;
        sides::reload()?;
        for _ in 0..times {
            let quiet = Quiet::wait()?;
            let cost = loaded::generate(Side::Podunit)?;
            let taken = sides::reload()?;
            let load = quiet.load()?;
            let memory = host::memory(1).context("memory of systemd")?;
            record.grow("generator, ms, by loaded pods", size, ms(cost.wall_us), load);
            record.grow(
                "generator's peak memory, KiB, by loaded pods",
                size,
                cost.memory_kib as f64,
                load,
            );
            record.grow("daemon-reload, ms, by loaded pods", size, ms(taken), load);
            record.grow("PSS of systemd, KiB, by loaded pods", size, memory as f64, load);
        }
    }
    Ok(())
}

/// A pod of one member, whose definition has ever more of `what`, as `grow` makes them.
fn definition(record: &mut Record, times: u32, what: &str, grow: fn(&mut Member, usize)) -> Result<()> {
    for size in LINES {
        let mut pod = Pod::sleeping("lines", 1);
        grow(&mut pod.members[0], size);
        let pods = [pod];
        sides::define(Side::Podunit, &pods)?;
        sides::reload()?;
        for _ in 0..times {
            let quiet = Quiet::wait()?;
            let cost = loaded::generate(Side::Podunit)?;
            let load = quiet.load()?;
            record.grow(&format!("generator, ms, by {what}"), size, ms(cost.wall_us), load);
            let (taken, load) = members::start(Side::Podunit, &pods[0])?;
            record.grow(&format!("start of a pod, ms, by {what}"), size, ms(taken), load);
        }
    }
    Ok(())
}

fn running_pods(record: &mut Record, size: usize) -> Result<()> {
    let pods: Vec<Pod> = (1..=size)
        .map(|number| Pod::sleeping(&format!("r{number}"), 1))
        .collect();
    sides::define(Side::Podunit, &pods)?;
    sides::reload()?;
    // with what systemd, its bus and its journal do for them, until all is at rest
    let spent = Spent::read()?;
    let all = many_pods::start_and_stop(Side::Podunit, &pods, || {
        let (_, machine) = spent.since()?;
        Ok([machine, spent.since_by(SYSTEMD)?, spent.since_by(BUS)?])
    });
    if all.is_err() {
        sides::clean_up(Side::Podunit, &pods);
    }
    let (all, [machine, systemd, bus]) = all.with_context(|| loaded::so_many(size))?;
    let mut grow = |what: &str, value: f64, load: Load| {
        record.grow(
            &format!("{what}, by running pods of one member"),
            size,
            value,
            load,
        );
    };
    grow("start by one command, ms", ms(all.started), all.load);
    grow("CPU of that start, ms", ms(machine), all.load);
    grow("CPU of that start, of systemd, ms", ms(systemd), all.load);
    grow("CPU of that start, of dbus-daemon, ms", ms(bus), all.load);
    grow("stop by one command, ms", ms(all.stopped), all.load_of_stop);
    let memory = all.beside.memory_kib as f64;
    grow("PSS beside the workload, KiB", memory, all.load);
    let processes = all.beside.processes as f64;
    grow("processes beside the workload", processes, all.load);
    Ok(())
}

fn ms(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}
