//! Pulls of a large image from a registry on the same machine, unpacking included.

use crate::cost;
use crate::host::{Quiet, wait_for};
use crate::record::{Pair, Record, Side, Unit};
use crate::sides;
use crate::systemd::run;
use anyhow::{Context, Result, bail};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What `tests/images/large` makes.
const IMAGE: &str = "localhost:5000/bench/large:latest";
const ADDRESS: &str = "localhost:5000";
/// On the disk, as are both stores.
const STORAGE: &str = "/var/lib/containers/registry";
const SETTINGS: &str = "/run/bench/registry.yml";

/// Time from the call until the image is in the store, and on the disk as far as the side sees to that.
pub const PULL: &str = "pull of 200 MB in 8 layers";
/// Of the program that pulls.
pub const MEMORY: &str = "pull of 200 MB in 8 layers: peak memory";
const SPENT: &str = "pull of 200 MB in 8 layers: CPU";

/// All pairs. `images` is the folder with the image's archive.
pub fn rounds(record: &mut Record, sides: &[Side], pairs: u32, images: &Path) -> Result<()> {
    let _registry = Registry::start(&images.join("large.tar"))?;
    // The first round is for the caches.
    let mut warming_up = Record::default();
    for pair in 0..=pairs {
        let values = if pair == 0 { &mut warming_up } else { &mut *record };
        for side in sides::in_turn(sides, pair) {
            if let Err(error) = one_pull(&mut values.pair(side, pair)) {
                values.failures.push(format!("pull, {side}: {error:#}"));
            }
        }
    }
    record.failures.append(&mut warming_up.failures);
    Ok(())
}

fn one_pull(values: &mut Pair) -> Result<()> {
    let (program, pull, remove): (_, &[&str], _) = match values.side {
        Side::Podunit => (
            "podunit",
            &["image", "pull", "--quiet", IMAGE],
            ["image", "rm", IMAGE],
        ),
        Side::Podman => (
            "podman",
            &["pull", "--quiet", "--tls-verify=false", IMAGE],
            ["image", "rm", IMAGE],
        ),
        Side::Floor => bail!("the floor pulls nothing"),
    };
    // What earlier runs have left to be written is not theirs to wait for.
    run("sync", &[])?;
    let quiet = Quiet::wait()?;
    let cost = cost::of(program, pull)?;
    let load = quiet.load()?;
    run(program, &remove)?;
    values.add_time(PULL, cost.wall_us, load);
    values.add_time(SPENT, cost.cpu_us, load);
    values.add(MEMORY, Unit::Kibibytes, cost.memory_kib as f64, load);
    Ok(())
}

/// Debian's registry server, with the image in it.
struct Registry(Child);

impl Registry {
    fn start(archive: &Path) -> Result<Self> {
        fs::create_dir_all("/run/bench")?;
        let settings = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {STORAGE}}}}}\nhttp: {{addr: {ADDRESS}}}\n"
        );
        fs::write(SETTINGS, settings)?;
        let server = Command::new("docker-registry")
            .args(["serve", SETTINGS])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let registry = Self(server.context("docker-registry")?);
        wait_for("the registry", || Ok(TcpStream::connect(ADDRESS).is_ok()))?;
        let (from, to) = (
            format!("oci-archive:{}", archive.display()),
            format!("docker://{IMAGE}"),
        );
        let copy = [
            "copy",
            "--quiet",
            "--insecure-policy",
            "--dest-tls-verify=false",
            &from,
            &to,
        ];
        run("skopeo", &copy)?;
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It has ended already, or does now.
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = fs::remove_dir_all(STORAGE);
    }
}
