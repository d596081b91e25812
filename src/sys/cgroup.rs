//! The cgroup that a process is in, which says of which unit it is.

use std::fs;

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
