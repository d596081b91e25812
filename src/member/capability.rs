//! Which capabilities a container has (capabilities(7)).

use super::oci::Capabilities;
use std::collections::BTreeSet;

/// All capabilities, each at its number in the kernel.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What a container has unless its definition says otherwise: Podman's list.
const DEFAULT: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// The capabilities of the calling process, and so the most that it can give: `CapPrm` of `/proc/self/status`.
pub fn available(status: &str) -> BTreeSet<&'static str> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    let bits = line
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0);
    NAMES
        .iter()
        .enumerate()
        .filter(|(number, _)| bits >> number & 1 == 1)
        .map(|(_, name)| *name)
        .collect()
}

/// The capabilities of a process with user ID `uid`: the default less `drop` plus `add`, where `ALL` is all that are
/// `available`. Root has them; another user has none but those added by name, which then are ambient, since nothing
/// else would let it keep them across execve(2).
///
/// # Errors
/// An added capability that is not available.
pub fn sets(
    uid: u32,
    add: &[String],
    drop: &[String],
    available: &BTreeSet<&'static str>,
) -> Result<Capabilities, String> {
    let names_all = |list: &[String]| list.iter().any(|name| name == "ALL");
    let mut added = BTreeSet::new();
    for name in add.iter().filter(|name| *name != "ALL") {
        match available.get(name.as_str()) {
            Some(name) => added.insert(*name),
            None => return Err(name.clone()),
        };
    }
    let mut bounding: BTreeSet<&str> = match (names_all(add), names_all(drop)) {
        (true, _) => available.clone(),
        (false, true) => BTreeSet::new(),
        (false, false) => DEFAULT
            .iter()
            .filter(|name| available.contains(*name))
            .copied()
            .collect(),
    };
    // A name given is meant more than `ALL`; a name given both ways is added last.
    bounding.retain(|name| !drop.iter().any(|dropped| dropped == name));
    bounding.extend(&added);
    if names_all(add) && uid != 0 {
        added = bounding.clone();
    }
    let owned = |set: &BTreeSet<&str>| set.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Ok(if uid == 0 {
        Capabilities {
            effective: owned(&bounding),
            permitted: owned(&bounding),
            bounding: owned(&bounding),
            ..Capabilities::default()
        }
    } else {
        Capabilities {
            bounding: owned(&bounding),
            effective: owned(&added),
            permitted: owned(&added),
            inheritable: owned(&added),
            ambient: owned(&added),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "Name:\tx\nCapPrm:\t000001ffffffffff\n";

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn given(uid: u32, add: &[&str], drop: &[&str]) -> Capabilities {
        sets(uid, &strings(add), &strings(drop), &available(ALL)).unwrap()
    }

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(available(ALL).len(), NAMES.len());
        assert_eq!(
            available("CapPrm:\t0000000000200000"),
            BTreeSet::from(["CAP_SYS_ADMIN"])
        );
        assert!(available("").is_empty());
    }

    #[test]
    fn drop_comes_before_add() {
        assert_eq!(given(0, &[], &[]).effective, strings(&DEFAULT));
        assert_eq!(given(0, &["CAP_CHOWN"], &["ALL"]).bounding, ["CAP_CHOWN"]);
        assert!(
            given(0, &[], &["CAP_CHOWN"])
                .permitted
                .iter()
                .all(|name| name != "CAP_CHOWN")
        );
        assert_eq!(given(0, &["ALL"], &["CAP_BPF"]).bounding.len(), NAMES.len() - 1);
        assert_eq!(given(0, &["ALL"], &["ALL"]).bounding.len(), NAMES.len());
    }

    #[test]
    fn inheritable_stays_empty_but_for_what_a_user_was_given() {
        let root = given(0, &["CAP_NET_RAW"], &[]);
        assert!(root.inheritable.is_empty() && root.ambient.is_empty());
        let user = given(33, &[], &[]);
        assert!(user.effective.is_empty() && user.permitted.is_empty() && user.inheritable.is_empty());
        assert_eq!(user.bounding, strings(&DEFAULT));
        let user = given(33, &["CAP_NET_RAW"], &["ALL"]);
        assert_eq!(
            (user.ambient, user.bounding),
            (strings(&["CAP_NET_RAW"]), strings(&["CAP_NET_RAW"]))
        );
    }

    #[test]
    fn what_the_launcher_lacks_cannot_be_given() {
        let few = available("CapPrm:\t0000000000000001");
        assert_eq!(
            sets(0, &strings(&["ALL"]), &[], &few).unwrap().bounding,
            ["CAP_CHOWN"]
        );
        assert_eq!(sets(0, &strings(&["CAP_BPF"]), &[], &few).unwrap_err(), "CAP_BPF");
    }
}
