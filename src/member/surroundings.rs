//! What of this host a member asks for by name: a time zone, a profile of AppArmor, a label of SELinux.

use super::{Error, Member, expand};
use std::fs;
use std::path::PathBuf;

/// Whether the kernel confines by AppArmor: `Y` or `N`.
const APPARMOR: &str = "/sys/module/apparmor/parameters/enabled";
/// There where SELinux is on.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// The file of the host that is to be `/etc/localtime`.
///
/// # Errors
/// The host does not know the time zone.
pub fn localtime(member: Member<'_>) -> Result<Option<PathBuf>, Error> {
    let Some(name) = &member.container.process.timezone else {
        return Ok(None);
    };
    let is_local = name == "local";
    let path = match is_local {
        true => member.paths.under("/etc/localtime"),
        false => member.paths.under("/usr/share/zoneinfo").join(name),
    };
    // The real file: the link's own target need not be there in the container.
    let file = fs::canonicalize(&path).ok().filter(|file| file.is_file());
    match file {
        Some(file) => Ok(Some(file)),
        // To systemd and the C library that is UTC (localtime(5)).
        None if is_local => Ok(None),
        None => {
            let reason = format!(
                "this host has no {}; install tzdata, or correct the name",
                path.display()
            );
            Err(Error::setting("Timezone", name, reason))
        }
    }
}

/// The profile of AppArmor, which must be one of a host that has it. SELinux is looked at here too, since no label can be
/// given: what was to be confined must not run free.
///
/// # Errors
/// The host confines in another way than the definition says.
pub fn apparmor(member: Member<'_>) -> Result<Option<String>, Error> {
    let process = &member.container.process;
    if process.selinux && member.paths.under(SELINUX).exists() {
        return Err(Error::setting(
            "SecurityLabel…",
            "",
            "podunit sets no SELinux label, and SELinux is on here; remove the keys SecurityLabel…= to run without",
        ));
    }
    let Some(written) = process.apparmor.as_deref().filter(|name| *name != "unconfined") else {
        return Ok(None);
    };
    let enabled = fs::read_to_string(member.paths.under(APPARMOR)).unwrap_or_default();
    if !enabled.starts_with('Y') {
        let reason = "this host has no AppArmor; remove the key to run without";
        return Err(Error::setting("AppArmor", written, reason));
    }
    expand(&member.specifiers(), "AppArmor", written).map(Some)
}
