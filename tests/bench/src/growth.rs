//! What podunit costs against size: members of a pod, loaded pods, running pods, lines of a definition.

use crate::host::{self, Quiet};
use crate::record::{Record, Side};
use crate::sides::{self, Pod};
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
    let series: [(&str, Measure); 4] = [
        ("members of a pod", members_of_a_pod),
        ("loaded pods", loaded_pods),
        ("lines of a definition", lines_of_a_definition),
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

fn lines_of_a_definition(record: &mut Record, times: u32) -> Result<()> {
    for lines in LINES {
        let mut pod = Pod::sleeping("lines", 1);
        pod.members[0].environment = lines;
        let pods = [pod];
        sides::define(Side::Podunit, &pods)?;
        sides::reload()?;
        for _ in 0..times {
            let quiet = Quiet::wait()?;
            let cost = loaded::generate(Side::Podunit)?;
            let load = quiet.load()?;
            let (taken, load_of_start) = members::start(Side::Podunit, &pods[0])?;
            let lines_named = "by lines Environment= of a member";
            record.grow(
                &format!("generator, ms, {lines_named}"),
                lines,
                ms(cost.wall_us),
                load,
            );
            record.grow(
                &format!("start of a pod, ms, {lines_named}"),
                lines,
                ms(taken),
                load_of_start,
            );
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
    let all = many_pods::start_and_stop(Side::Podunit, &pods);
    if all.is_err() {
        sides::clean_up(Side::Podunit, &pods);
    }
    let all = all.with_context(|| loaded::so_many(size))?;
    record.grow(
        "start by one command, ms, by running pods of one member",
        size,
        ms(all.started),
        all.load,
    );
    record.grow(
        "stop by one command, ms, by running pods of one member",
        size,
        ms(all.stopped),
        all.load_of_stop,
    );
    let memory = all.beside.memory_kib as f64;
    record.grow(
        "PSS beside the workload, KiB, by running pods of one member",
        size,
        memory,
        all.load,
    );
    let processes = all.beside.processes as f64;
    record.grow(
        "processes beside the workload, by running pods of one member",
        size,
        processes,
        all.load,
    );
    Ok(())
}

fn ms(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}
