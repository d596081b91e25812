//! What the unit of a `.volume` does: makes the volume as it is defined, and mounts what it asks for.

use super::{Held, VolumeError, Volumes};
use crate::model::Volume;
use nix::unistd::{Group, User};
use rustix::fs::fchown;
use rustix::process::{Gid, Uid};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes the volume if need be, keeps what its definition says, and mounts what that asks for. All texts of `volume` are
/// expanded.
///
/// # Errors
/// What kept it from that; then nothing is mounted.
pub fn start(volumes: &Volumes, volume: &Volume) -> Result<(), VolumeError> {
    let held = volumes.make(&volume.volume)?;
    held.describe(volume)?;
    let uid = volume.user.as_deref().map(user).transpose()?;
    let gid = volume.group.as_deref().map(group).transpose()?;
    if volume.mount.is_some() && !held.is_mounted()? {
        mount(&held, volume, uid, gid)?;
        // It has nothing of what was there before.
        let path = held.data_path();
        held.set_fresh().map_err(VolumeError::file("mark as new", path))?;
    }
    // What is mounted has the owner that its options say.
    let is_plain = volume.mount.as_ref().is_none_or(|mount| mount.kind == "tmpfs");
    if is_plain && (uid.is_some() || gid.is_some()) {
        let data = held.data()?;
        fchown(&data, uid.map(Uid::from_raw), gid.map(Gid::from_raw))
            .map_err(|error| VolumeError::file("give an owner to", held.data_path())(error.into()))?;
    }
    Ok(())
}

/// Unmounts what [`start`] has mounted. The volume stays.
///
/// # Errors
/// It is still in use.
pub fn stop(volumes: &Volumes, volume: &Volume) -> Result<(), VolumeError> {
    match volumes.hold(&volume.volume)? {
        Some(held) if volume.mount.is_some() && held.is_mounted()? => run("umount", &[], &held.data_path()),
        _ => Ok(()),
    }
}

fn mount(held: &Held, volume: &Volume, uid: Option<u32>, gid: Option<u32>) -> Result<(), VolumeError> {
    let Some(source) = &volume.mount else {
        return Ok(());
    };
    let is_bind = source.kind == "bind";
    let mut options: Vec<String> = Vec::new();
    if is_bind {
        options.push("bind".to_owned());
    }
    options.extend(
        source
            .options
            .iter()
            .filter(|options| !options.is_empty())
            .cloned(),
    );
    for (name, id) in [("uid", uid), ("gid", gid)] {
        options.extend(id.map(|id| format!("{name}={id}")));
    }
    let options = options.join(",");
    let mut words: Vec<&str> = Vec::new();
    if !is_bind {
        words.extend(["-t", &source.kind]);
    }
    if !options.is_empty() {
        words.extend(["-o", &options]);
    }
    words.extend(["--", &source.device]);
    run("mount", &words, &held.data_path())
}

/// mount(8) and umount(8) know the helpers of file systems. No shell, and nothing of the environment but the path.
fn run(program: &'static str, words: &[&str], path: &Path) -> Result<(), VolumeError> {
    let mut command = Command::new(program);
    command.args(words).arg(path).env_clear();
    command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(VolumeError::file("run", program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    Err(VolumeError::Mount {
        program,
        path: path.to_owned(),
        said: said.join("; "),
    })
}

/// The number of a user of this machine.
fn user(text: &str) -> Result<u32, VolumeError> {
    let found = number(text).map_or_else(|| Ok(User::from_name(text)?.map(|user| user.uid.as_raw())), found);
    account("User", "user", text, found)
}

/// The number of a group of this machine.
fn group(text: &str) -> Result<u32, VolumeError> {
    let found = number(text).map_or_else(
        || Ok(Group::from_name(text)?.map(|group| group.gid.as_raw())),
        found,
    );
    account("Group", "group", text, found)
}

fn found(number: u32) -> nix::Result<Option<u32>> {
    Ok(Some(number))
}

/// The highest number means "leave as it is" to chown(2).
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| is_number && *id != u32::MAX)
}

fn account(
    key: &'static str,
    what: &'static str,
    text: &str,
    found: nix::Result<Option<u32>>,
) -> Result<u32, VolumeError> {
    let value = text.to_owned();
    found
        .map_err(|error| VolumeError::file("read", "/etc/passwd")(io::Error::from(error)))?
        .ok_or(VolumeError::Account { key, value, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_this_machine() {
        assert_eq!(user("root").unwrap(), 0);
        assert_eq!((user("42").unwrap(), group("0").unwrap()), (42, 0));
        let error = user("no-such-user-here").unwrap_err().to_string();
        assert_eq!(error, "User=no-such-user-here: this machine has no such user");
        assert!(group(&u32::MAX.to_string()).is_err());
    }
}
