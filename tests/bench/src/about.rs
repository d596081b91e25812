//! What was measured on: the machine, and the versions of all that took part.

use crate::systemd::run;
use serde::Serialize;
use std::fs;

/// The machine and the programs.
#[derive(Debug, Serialize)]
pub struct About {
    pub processor: String,
    pub processors: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub system: String,
    pub date: String,
    /// Program and version.
    pub versions: Vec<(&'static str, String)>,
}

/// `podunit` is the version of it as the caller knows it.
pub fn about(podunit: &str) -> About {
    let processors = read("/proc/cpuinfo");
    let models = processors.lines().filter_map(|line| value(line, "model name"));
    let memory = read("/proc/meminfo");
    let total = memory.lines().find_map(|line| value(line, "MemTotal"));
    let system = read("/etc/os-release");
    let name = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    About {
        processor: models.clone().next().unwrap_or("unknown").to_owned(),
        processors: models.count(),
        memory_mib: total
            .and_then(|total| total.trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or(0)
            / 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        system: name.unwrap_or("unknown").trim_matches('"').to_owned(),
        date: first_line("date", &["--utc", "+%Y-%m-%d %H:%M UTC"]),
        versions: vec![
            ("podunit", podunit.to_owned()),
            ("systemd", first_line("systemctl", &["--version"])),
            ("crun", first_line("crun", &["--version"])),
            ("netavark", first_line("/usr/lib/podman/netavark", &["--version"])),
            ("Podman", first_line("podman", &["--version"])),
        ],
    }
}

impl About {
    pub fn markdown(&self) -> String {
        let versions = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name}: {version}"));
        format!(
            "{}. {} processors ({}), {} MiB of memory, Linux {}, {}.\n\n{}\n",
            self.date,
            self.processors,
            self.processor,
            self.memory_mib,
            self.kernel,
            self.system,
            versions.collect::<Vec<_>>().join("; "),
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Of `name   : value`.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(':')?;
    (key.trim() == name).then(|| value.trim())
}

/// What a program says first, without its own name.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let said = run(program, arguments)
        .map(|output| output.stdout)
        .unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let words = said.lines().next().unwrap_or("unknown").split(' ');
    let skipped =
        words.skip_while(|word| ["systemd", "crun", "netavark", "podman", "version"].contains(word));
    skipped.collect::<Vec<_>>().join(" ")
}
