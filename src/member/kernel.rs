//! What a container sees of the kernel, as the definition says and this machine has it.

use super::masks::{self, Masks};
use super::oci::{Device, Seccomp};
use super::profile::{self, Machine};
use super::{Error, Member, absolute, expand, seccomp};
use crate::model::LinuxSettings;
use crate::model::linux;
use crate::sys::tree::Tree;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Longest `SeccompProfile=` that is read, in bytes.
const PROFILE_MAX: u64 = 1 << 20;
/// Most devices in a folder of `AddDevice=`, and how deep they may lie.
const DEVICES_MAX: usize = 256;
const DEPTH_MAX: usize = 4;

/// What has been decided of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Paths that are hidden or read-only.
    pub masks: Masks,
    /// Parameters of its namespaces.
    pub sysctl: BTreeMap<String, String>,
    /// Devices of the host.
    pub devices: Vec<Device>,
    /// The filter of system calls; none at all if absent.
    pub seccomp: Option<Seccomp>,
}

/// Decides, for a container that has these capabilities at most.
///
/// # Errors
/// A device that is not there, a profile that is none.
pub fn decide(member: Member<'_>, capabilities: &[String]) -> Result<Kernel, Error> {
    let LinuxSettings {
        sysctl,
        seccomp,
        mask,
        unmask,
        devices,
    } = &member.container.linux;
    let specifiers = member.specifiers();
    let all = |key, texts: &[String]| -> Result<Vec<String>, Error> {
        let texts = texts.iter();
        texts.map(|text| expand(&specifiers, key, text)).collect()
    };
    let parameter = |(name, value): (&String, &String)| -> Result<(String, String), Error> {
        Ok((name.clone(), expand(&specifiers, "Sysctl", value)?))
    };
    let mut nodes = Vec::new();
    for device in devices {
        add_device(member, device, &mut nodes)?;
    }
    Ok(Kernel {
        masks: masks::decide(&throttling(), &all("Mask", mask)?, &all("Unmask", unmask)?),
        sysctl: sysctl.iter().map(parameter).collect::<Result<_, _>>()?,
        devices: nodes,
        seccomp: match seccomp.as_deref() {
            None => Some(seccomp::profile(capabilities)),
            Some("unconfined") => None,
            Some(path) => Some(own_profile(member, path, capabilities)?),
        },
    })
}

fn own_profile(member: Member<'_>, written: &str, capabilities: &[String]) -> Result<Seccomp, Error> {
    let path = absolute(&member.specifiers(), "SeccompProfile", written)?;
    let host = member.paths.root();
    let host = Tree::open(host).map_err(Error::file("open", host))?;
    let failed = |error: &dyn std::fmt::Display| Error::setting("SeccompProfile", written, error);
    let text = host
        .read_file(&path, PROFILE_MAX)
        .map_err(|error| failed(&error))?;
    let text = String::from_utf8(text).map_err(|error| failed(&error))?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let machine = Machine {
        capabilities,
        architecture: match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
        kernel: kernel.trim(),
    };
    profile::read(&text, machine).map_err(|error| failed(&error))
}

/// Adds the nodes of one `AddDevice=`: the device, or those in the folder.
fn add_device(member: Member<'_>, device: &linux::Device, nodes: &mut Vec<Device>) -> Result<(), Error> {
    let specifiers = member.specifiers();
    let source = absolute(&specifiers, "AddDevice", &device.source)?;
    let target = absolute(&specifiers, "AddDevice", &device.target)?;
    let path = member.paths.under(&source);
    let failed = |reason: String| Error::setting("AddDevice", &device.source, reason);
    let found = match fs::metadata(&path) {
        Ok(found) => found,
        Err(error) if device.optional && error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let reason = "this host has no such device; write `-` before it if the container can do without";
            return Err(failed(reason.to_owned()));
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let before = nodes.len();
    if found.is_dir() {
        walk(&path, &target, DEPTH_MAX, nodes).map_err(|error| failed(error.to_string()))?;
    } else {
        nodes.extend(node(target, &found));
    }
    match nodes.len() - before {
        0 if device.optional => Ok(()),
        0 => Err(failed("this is no device, and no folder of devices".to_owned())),
        count if count > DEVICES_MAX => Err(failed(format!(
            "there are more than {DEVICES_MAX} devices in this folder; name those that the container needs"
        ))),
        _ => Ok(()),
    }
}

fn walk(folder: &Path, target: &str, depth: usize, nodes: &mut Vec<Device>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        // Links in here lead to other nodes of the same folder, or out of it.
        let Some(name) = name.to_str() else { continue };
        let (found, target) = (entry.metadata()?, format!("{target}/{name}"));
        if found.is_dir() && depth > 1 {
            walk(&entry.path(), &target, depth - 1, nodes)?;
        } else {
            nodes.extend(node(target, &found));
        }
    }
    Ok(())
}

/// A device's node with the rights that it has on the host; nothing for what is no device.
fn node(path: String, found: &Metadata) -> Option<Device> {
    let kind = match found.file_type() {
        kind if kind.is_char_device() => "c",
        kind if kind.is_block_device() => "b",
        _ => return None,
    };
    Some(Device {
        path,
        kind,
        major: rustix::fs::major(found.rdev()),
        minor: rustix::fs::minor(found.rdev()),
        file_mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
    })
}

/// Counters of every processor that tell a container about its neighbours.
fn throttling() -> Vec<String> {
    let processors = fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten()
        .flatten();
    let folders = processors.map(|processor| processor.path().join("thermal_throttle"));
    folders
        .filter(|folder| folder.exists())
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::spec::tests::pod;
    use crate::model::{Device as Wanted, Network, Paths, Share};

    fn decided(linux: LinuxSettings) -> Result<Kernel, Error> {
        let mut pod = pod(Share::default(), Network::Bridge);
        pod.members[0].linux = linux;
        let member = Member {
            paths: &Paths::default(),
            pod: &pod,
            container: &pod.members[0],
        };
        decide(member, &[])
    }

    fn device(source: &str, optional: bool) -> LinuxSettings {
        LinuxSettings {
            devices: vec![Wanted {
                source: source.to_owned(),
                target: "/dev/x".to_owned(),
                optional,
            }],
            ..LinuxSettings::default()
        }
    }

    #[test]
    fn devices_are_as_on_the_host() {
        let null = decided(device("/dev/null", false)).unwrap().devices.remove(0);
        assert_eq!((null.kind, null.major, null.minor), ("c", 1, 3));
        assert_eq!(null.path, "/dev/x");
        assert_eq!(decided(device("/dev/no-such", true)).unwrap().devices, []);
        for (bad, expected) in [("/dev/no-such", "no such device"), ("/etc/passwd", "no device")] {
            let error = decided(device(bad, false)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_profile_of_ones_own_takes_the_place_of_the_default() {
        let with = |seccomp: Option<&str>| {
            decided(LinuxSettings {
                seccomp: seccomp.map(str::to_owned),
                ..LinuxSettings::default()
            })
        };
        assert!(with(None).unwrap().seccomp.is_some());
        assert_eq!(with(Some("unconfined")).unwrap().seccomp, None);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#).unwrap();
        let own = with(file.path().to_str()).unwrap().seccomp.unwrap();
        assert_eq!(own.default_action, "SCMP_ACT_ALLOW");
        fs::write(file.path(), "{").unwrap();
        assert!(with(file.path().to_str()).is_err() && with(Some("/no/such/file")).is_err());
    }
}
