//! The cgroup that a process is in, which says of which unit it is; and what is in the cgroup of a slice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The cgroup of a process in the unified hierarchy, by its number or `self`. Steps of a unit with `Delegate=` run in
/// `.control` below it.
pub fn of(process: &str) -> Option<String> {
    parse(&fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?)
}

/// Whether a process is in the cgroup of this unit, or below it.
pub fn is_in_unit(pid: i32, unit: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| is_of_unit(&text, unit))
}

/// The same by the text of `/proc/PID/cgroup`.
pub fn is_of_unit(text: &str, unit: &str) -> bool {
    parse(text).is_some_and(|path| path.split('/').any(|name| name == unit))
}

/// Whether a process is held still by its cgroup or one above (`cgroup.events`). One of which that cannot be seen is not.
pub fn is_frozen(pid: i32) -> bool {
    let events = of(&pid.to_string()).map(|path| format!("/sys/fs/cgroup{path}/cgroup.events"));
    let events = events.and_then(|path| fs::read_to_string(path).ok());
    events.is_some_and(|events| events.lines().any(|line| line == "frozen 1"))
}

/// The processes in the cgroup `path` and below, each with the name of the cgroup below `path` that it is in: in a
/// slice, its unit. None if there is no such cgroup.
///
/// # Errors
/// It cannot be read.
pub fn processes(path: &str) -> io::Result<Vec<(i32, String)>> {
    let mut found = Vec::new();
    for entry in directories(&Path::new("/sys/fs/cgroup").join(path))? {
        let unit = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut left = vec![entry];
        while let Some(dir) = left.pop() {
            // A cgroup that is gone meanwhile has no process.
            let pids = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            found.extend(
                pids.lines()
                    .filter_map(|pid| Some((pid.parse().ok()?, unit.clone()))),
            );
            left.extend(directories(&dir)?);
        }
    }
    Ok(found)
}

/// Whether the cgroup `path`, a slice, has a unit in it, with a process or not: systemd removes a unit's cgroup when the
/// unit is down.
///
/// # Errors
/// It cannot be read.
pub fn has_units(path: &str) -> io::Result<bool> {
    Ok(!directories(&Path::new("/sys/fs/cgroup").join(path))?.is_empty())
}

fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let directory = |entry: fs::DirEntry| {
        entry
            .file_type()
            .is_ok_and(|kind| kind.is_dir())
            .then(|| entry.path())
    };
    Ok(entries.flatten().filter_map(directory).collect())
}

fn parse(text: &str) -> Option<String> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(path.strip_suffix("/.control").unwrap_or(path).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_of_the_unit_whose_cgroup_it_is_in() {
        let text = "1:name=systemd:/x\n0::/pods.slice/pods-web.slice/pod-web-a.service/.control\n";
        assert_eq!(
            parse(text).unwrap(),
            "/pods.slice/pods-web.slice/pod-web-a.service"
        );
        assert!(is_of_unit(text, "pod-web-a.service"));
        assert!(is_of_unit("0::/pod-web-a.service/inner\n", "pod-web-a.service"));
        for other in ["pod-web-a", "od-web-a.service", "pod-web-b.service"] {
            assert!(!is_of_unit(text, other), "{other}");
        }
    }
}
