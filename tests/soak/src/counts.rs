//! Counts that must be what they were before, once all pods are stopped.

use crate::process;
use crate::systemd;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// What is counted → how many.
pub type Counts = BTreeMap<&'static str, usize>;

/// One of these.
pub const DESCRIPTORS: &str = "file descriptors of PID 1";

/// Counts everything.
pub fn count() -> Result<Counts> {
    let rules = systemd::run("nft", &["list", "ruleset"])?;
    let processes = process::all();
    Ok(Counts::from([
        ("mounts", process::mounts().len()),
        ("namespaces", process::all_namespaces().len()),
        ("interfaces", process::interfaces().len()),
        (
            "lines of nft's rules",
            String::from_utf8_lossy(&rules.stdout).lines().count(),
        ),
        (
            "cgroups of pods",
            process::cgroups(Path::new("/sys/fs/cgroup/pods.slice")).len(),
        ),
        (DESCRIPTORS, process::descriptors(1).unwrap_or_default()),
        ("processes", processes.len()),
        (
            "zombies",
            processes.iter().filter(|process| process.is_zombie).count(),
        ),
        ("files in /run/podunit", files(Path::new("/run/podunit"))),
        (
            "writable layers",
            process::names(Path::new("/var/lib/podunit/containers")).len(),
        ),
    ]))
}

/// Everything in a folder but what stays for all pods, which begins with a dot.
fn files(folder: &Path) -> usize {
    process::names(folder)
        .iter()
        .filter(|name| !name.starts_with('.'))
        .count()
}

/// What is more than before.
pub fn grown(before: &Counts, now: &Counts) -> Vec<String> {
    let grown = now.iter().filter_map(|(what, now)| {
        let before = before.get(what)?;
        (now > before).then(|| format!("{what}: {before} before, {now} now"))
    });
    grown.collect()
}
