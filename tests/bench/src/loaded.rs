//! Pods that are only defined: the generator's time and memory, and that of `systemctl daemon-reload`.

use crate::cost::{self, Cost};
use crate::host::{self, Quiet};
use crate::many_pods;
use crate::record::{Pair, Record, Side, Unit};
use crate::sides::{self, Pod};
use crate::systemd::{run, systemctl};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

const GENERATORS: &str = "/usr/lib/systemd/system-generators";
/// Where the generators write when they are measured.
const OUTPUT: &str = "/run/bench/generator";
/// What podunit's generator wrote last.
const WRITTEN: &str = "/run/bench/written";
/// The program that only writes files.
const BARE_WRITER: &str = "/root/bare-writer";

pub fn generator(pods: usize) -> String {
    format!("generator, {}", so_many(pods))
}

pub fn generator_memory(pods: usize) -> String {
    format!("generator, {}: peak memory", so_many(pods))
}

/// Units are loaded that were not.
fn first_reload(pods: usize) -> String {
    format!("daemon-reload, {} new", so_many(pods))
}

/// The same units were loaded before.
pub fn reload(pods: usize) -> String {
    format!("daemon-reload, {} loaded", so_many(pods))
}

/// `1 pod`, `10 pods`.
pub fn so_many(pods: usize) -> String {
    if pods == 1 {
        "1 pod".to_owned()
    } else {
        format!("{pods} pods")
    }
}

/// Runs a side's generator into empty folders, as systemd does.
pub fn generate(side: Side) -> Result<Cost> {
    let output = empty(OUTPUT)?;
    let folders = ["normal", "early", "late"].map(|name| output.join(name).display().to_string());
    for folder in &folders {
        fs::create_dir(folder)?;
    }
    let name = match side {
        Side::Podunit => "podunit-generator",
        Side::Podman => "podman-system-generator",
        Side::Floor => bail!("the floor has no generator"),
    };
    let program = format!("{GENERATORS}/{name}");
    cost::of(&program, &[&folders[0], &folders[1], &folders[2]])
}

/// Microseconds that it takes to write what podunit's generator wrote last.
fn only_write() -> Result<u64> {
    let said = run(BARE_WRITER, &[WRITTEN, &empty(OUTPUT)?.display().to_string()])?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().parse()?)
}

fn empty(folder: &str) -> Result<PathBuf> {
    let folder = Path::new(folder);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// All pairs for that many founding pods.
pub fn rounds(record: &mut Record, sides: &[Side], pairs: u32, count: usize) -> Result<()> {
    let pods = many_pods::founding(count);
    for pair in 0..pairs {
        eprintln!("bench: {}, pair {pair}", so_many(count));
        for side in sides::in_turn(sides, pair) {
            if let Err(error) = one_side(&mut record.pair(side, pair), &pods) {
                record
                    .failures
                    .push(format!("{}, {side}: {error:#}", so_many(count)));
            }
        }
    }
    only_defined(Side::Podunit, &[])?;
    sides::reload()?;
    Ok(())
}

/// No definitions but these, of this side.
fn only_defined(side: Side, pods: &[Pod]) -> Result<()> {
    for other in [Side::Podunit, Side::Podman] {
        sides::define(other, if other == side { pods } else { &[] })?;
    }
    Ok(())
}

fn one_side(values: &mut Pair, pods: &[Pod]) -> Result<()> {
    let side = values.side;
    let count = pods.len();
    if side == Side::Floor {
        only_defined(Side::Podunit, pods)?;
        generate(Side::Podunit)?;
        empty(WRITTEN)?;
        fs::rename(Path::new(OUTPUT).join("normal"), WRITTEN)?;
        let quiet = Quiet::wait()?;
        values.add_time(&generator(count), only_write()?, quiet.load()?);
        return Ok(());
    }
    // systemd begins anew without the other side's units, so that nothing of them is left in its memory
    only_defined(side, &[])?;
    sides::reload()?;
    systemctl("daemon-reexec", &[])?;
    only_defined(side, pods)?;
    // the first run is for the caches
    generate(side)?;
    let quiet = Quiet::wait()?;
    let cost = generate(side)?;
    let load = quiet.load()?;
    values.add_time(&generator(count), cost.wall_us, load);
    values.add(
        &generator_memory(count),
        Unit::Kibibytes,
        cost.memory_kib as f64,
        load,
    );
    for what in [first_reload(count), reload(count)] {
        let quiet = Quiet::wait()?;
        let taken = sides::reload()?;
        values.add_time(&what, taken, quiet.load()?);
    }
    let memory = host::memory(1).context("memory of systemd")?;
    let what = format!("PSS of systemd, {} loaded", so_many(count));
    values.add(&what, Unit::Kibibytes, memory as f64, load);
    Ok(())
}
