//! Paths that a container does not see, or cannot write: those of every container, but for what `Unmask=` shows, and
//! those of `Mask=`.

/// Hidden in every container.
const HIDDEN: [&str; 14] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/sys/fs/selinux",
];

/// Read-only in every container.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// What has been decided of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masks {
    /// Hidden.
    pub hidden: Vec<String>,
    /// Read-only.
    pub read_only: Vec<String>,
}

/// Decides. `of_machine` are paths that this machine has to hide beside those of every container; `mask` and `unmask`
/// are what the definition says. What it says itself to hide is hidden, whatever it shows.
pub fn decide(of_machine: &[String], mask: &[String], unmask: &[String]) -> Masks {
    let is_shown = |path: &str| unmask.iter().any(|shown| shown == "ALL" || matches(shown, path));
    let left = |paths: &mut dyn Iterator<Item = String>| -> Vec<String> {
        paths.filter(|path| !is_shown(path)).collect()
    };
    let mut hidden = left(
        &mut HIDDEN
            .map(str::to_owned)
            .into_iter()
            .chain(of_machine.iter().cloned()),
    );
    for path in mask {
        if !hidden.contains(path) {
            hidden.push(path.clone());
        }
    }
    Masks {
        hidden,
        read_only: left(&mut READ_ONLY.map(str::to_owned).into_iter()),
    }
}

/// Whether a path is one that the pattern stands for, as in glob(7): `*`, `?` and `[…]` stand for no slash.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) = (pattern.chars().collect(), path.chars().collect());
    matches_from(&pattern, &path)
}

fn matches_from(pattern: &[char], path: &[char]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, rest) => rest.is_none(),
        (Some(('*', pattern)), _) => {
            let name = path.iter().take_while(|c| **c != '/').count();
            (0..=name).any(|skipped| matches_from(pattern, &path[skipped..]))
        }
        (Some(_), None) => false,
        (Some(('?', pattern)), Some((c, path))) => *c != '/' && matches_from(pattern, path),
        (Some(('[', set)), Some((c, path))) => match in_set(set, *c) {
            Some((is_in, pattern)) => is_in && *c != '/' && matches_from(pattern, path),
            None => *c == '[' && matches_from(set, path),
        },
        (Some((expected, pattern)), Some((c, path))) => expected == c && matches_from(pattern, path),
    }
}

/// Whether a set that begins here has the character, and what comes after the set; `None` if it has no end.
fn in_set(set: &[char], c: char) -> Option<(bool, &[char])> {
    let (is_without, members) = match set.first()? {
        '!' | '^' => (true, &set[1..]),
        _ => (false, set),
    };
    // A bracket that stands first is a member.
    let end = 1 + members.iter().skip(1).position(|member| *member == ']')?;
    let (members, rest) = (&members[..end], &members[end + 1..]);
    let mut has = false;
    let mut at = 0;
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            has |= (members[at]..=members[at + 2]).contains(&c);
            at += 3;
        } else {
            has |= members[at] == c;
            at += 1;
        }
    }
    Some((has != is_without, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_shown_is_neither_hidden_nor_read_only() {
        let own = texts(&["/sys/devices/system/cpu/cpu0/thermal_throttle"]);
        let plain = decide(&own, &[], &[]);
        assert_eq!(plain.hidden.len(), HIDDEN.len() + 1);
        assert_eq!(plain.read_only.len(), READ_ONLY.len());

        let all = decide(&own, &texts(&["/proc/kcore"]), &texts(&["ALL"]));
        assert_eq!((all.hidden, all.read_only.len()), (texts(&["/proc/kcore"]), 0));

        let some = decide(
            &own,
            &texts(&["/etc/x", "/proc/keys"]),
            &texts(&["/proc/*", "/sys/firmware"]),
        );
        assert!(!some.hidden.contains(&"/sys/firmware".to_owned()) && some.read_only.is_empty());
        assert!(some.hidden.contains(&"/sys/fs/selinux".to_owned()) && some.hidden.contains(&own[0]));
        assert_eq!(some.hidden.iter().filter(|path| *path == "/proc/keys").count(), 1);
        assert!(some.hidden.contains(&"/etc/x".to_owned()));
    }

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("/proc/*", "/proc/acpi"),
            ("/proc/s*_debug", "/proc/sched_debug"),
            ("/proc/timer_????", "/proc/timer_list"),
            ("/sys/*/*/power*", "/sys/devices/virtual/powercap"),
            ("/proc/[a-k]*", "/proc/kcore"),
            ("/proc/[!a]*", "/proc/kcore"),
            ("/proc/[]k]core", "/proc/kcore"),
            ("/proc/kcore", "/proc/kcore"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/proc", "/proc/acpi"),
            ("/*", "/proc/acpi"),
            ("/proc/?", "/proc/acpi"),
            ("/proc/[b-k]cpi", "/proc/acpi"),
            ("/proc/[", "/proc/acpi"),
            ("/proc?acpi", "/proc/acpi"),
            ("", "/proc/acpi"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
