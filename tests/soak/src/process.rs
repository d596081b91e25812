//! The kernel's view: processes, namespaces, cgroups, mounts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// The name of its program, as the kernel has it.
    pub name: String,
    pub is_zombie: bool,
}

/// All processes. One that ends meanwhile is left out.
pub fn all() -> Vec<Process> {
    numbers(Path::new("/proc")).filter_map(process).collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (begin, rest) = stat.rsplit_once(") ")?;
    Some(Process {
        pid,
        name: begin.split_once('(')?.1.to_owned(),
        is_zombie: rest.starts_with('Z'),
    })
}

fn numbers(folder: &Path) -> impl Iterator<Item = u32> {
    names(folder).into_iter().filter_map(|name| name.parse().ok())
}

/// The names in a folder, sorted; none if it is not there.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// How many file descriptors a process has. `None` if it is gone.
pub fn descriptors(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// The processes in the cgroup of a slice or in one below, by the name of the cgroup; nothing if it is not there.
pub fn in_slice(slice: &str) -> Option<BTreeMap<String, Vec<u32>>> {
    let top = PathBuf::from("/sys/fs/cgroup/pods.slice").join(slice);
    if !top.exists() {
        return None;
    }
    let mut found = BTreeMap::new();
    for group in cgroups(&top) {
        let pids = in_cgroup(&group);
        let name = group
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        found.insert(name, pids);
    }
    Some(found)
}

/// The processes in a cgroup, and not below.
pub fn in_cgroup(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Whether a process runs a program of that name.
pub fn is_named(pid: u32, name: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
}

/// A cgroup and all below.
pub fn cgroups(top: &Path) -> Vec<PathBuf> {
    let mut all = vec![top.to_owned()];
    let mut at = 0;
    while let Some(folder) = all.get(at).cloned() {
        let below = names(&folder).into_iter().map(|name| folder.join(name));
        all.extend(below.filter(|path| path.is_dir()));
        at += 1;
    }
    all
}

/// The kinds of namespaces that a pod can share, and what they are called below /proc/PID/ns.
pub const NAMESPACES: [&str; 4] = ["net", "ipc", "uts", "pid"];

/// A process's namespace, by its inode.
pub fn namespace(pid: u32, kind: &str) -> Option<u64> {
    inode(&format!("/proc/{pid}/ns/{kind}"))
}

/// A file's inode, links followed.
pub fn inode(path: &str) -> Option<u64> {
    Some(fs::metadata(path).ok()?.ino())
}

/// The places where something is mounted, as PID 1 has them, with the root of what is mounted.
pub fn mounts() -> Vec<(String, String)> {
    let text = fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    let mut mounts: Vec<(String, String)> = text
        .lines()
        .filter_map(mount)
        .map(|(root, place)| (place, root))
        .collect();
    mounts.sort();
    mounts
}

/// Every namespace that a process or a mount holds.
pub fn all_namespaces() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for pid in numbers(Path::new("/proc")) {
        for kind in names(Path::new(&format!("/proc/{pid}/ns"))) {
            let link = fs::read_link(format!("/proc/{pid}/ns/{kind}"));
            all.extend(link.map(|link| link.to_string_lossy().into_owned()));
        }
    }
    // Those that are pinned are roots of mounts: `net:[4026531840]`.
    let pinned = mounts().into_iter().map(|(_, root)| root);
    all.extend(pinned.filter(|root| root.contains(":[")));
    all
}

/// The machine's network interfaces.
pub fn interfaces() -> Vec<String> {
    names(Path::new("/sys/class/net"))
}
