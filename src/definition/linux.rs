//! Keys of `[Container]` about what it sees of the kernel → [`LinuxSettings`].

use super::mount;
use super::section::{Settings, Value};
use crate::diagnostic::Problem;
use crate::model::{Device, Directive, LinuxSettings};
use std::collections::BTreeMap;
use std::path::Path;

/// Folders of `/dev` whose devices systemd knows by the name of their driver (systemd.resource-control(5),
/// `DeviceAllow=`), which is the only way to name all of them.
const FOLDERS: [(&str, &str); 5] = [
    ("/dev/bus/usb", "char-usb_device"),
    ("/dev/dri", "char-drm"),
    ("/dev/input", "char-input"),
    ("/dev/pts", "char-pts"),
    ("/dev/snd", "char-alsa"),
];

/// What a container's `/dev` has beside what `DeviceAllow=` always lets through.
const OWN_DEVICES: &str = "/dev/tty";

/// Reads them. What systemd has to allow for devices is added to `directives`; `folder` is that of the definition.
pub(super) fn read(
    settings: &Settings,
    folder: &Path,
    directives: &mut Vec<Directive>,
    problems: &mut Vec<Problem>,
) -> LinuxSettings {
    LinuxSettings {
        sysctl: sysctl(settings, problems),
        seccomp: seccomp(settings, folder, problems),
        mask: paths(settings, "Mask", problems),
        unmask: unmask(settings, problems),
        devices: devices(settings, directives, problems),
    }
}

fn sysctl(settings: &Settings, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for value in settings.texts("Sysctl", problems) {
        let Some((name, setting)) = value.text.split_once('=').filter(|(name, _)| is_parameter(name)) else {
            let problem = value.error("this is not a kernel parameter");
            problems.push(problem.help("write NAME=VALUE, such as net.core.somaxconn=1024"));
            continue;
        };
        // sysctl(8) takes both, and files of Podman have both.
        let name = if name.contains('/') && !name.contains('.') {
            name.replace('/', ".")
        } else {
            name.to_owned()
        };
        match namespace_of(&name) {
            Ok(_) => drop(parameters.insert(name, setting.to_owned())),
            Err((message, help)) => problems.push(value.error(message).help(help)),
        }
    }
    parameters
}

fn is_parameter(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "..";
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && name.contains(['.', '/'])
        && name.split(['.', '/']).all(is_part)
}

/// A namespace with kernel parameters of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// `net.`
    Net,
    /// System V IPC, and message queues.
    Ipc,
    /// `kernel.domainname`
    Uts,
}

/// The namespace that a parameter belongs to, or why it cannot be set and what to do.
pub(super) fn namespace_of(name: &str) -> Result<Namespace, (&'static str, &'static str)> {
    const IPC: [&str; 7] = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni"];
    let in_kernel = name.strip_prefix("kernel.");
    if name.starts_with("net.") {
        // The interface is made while the container is.
        let interface = ["ipv4", "ipv6"].iter().any(|version| {
            ["conf", "neigh"].iter().any(|of| {
                let rest = name.strip_prefix(&format!("net.{version}.{of}."));
                let interface = rest.and_then(|rest| rest.split('.').next());
                interface.is_some_and(|interface| !["all", "default", "lo"].contains(&interface))
            })
        });
        if interface {
            return Err((
                "the interface may not be there yet when this is set",
                "write default in the place of its name: the interface is made with that",
            ));
        }
        Ok(Namespace::Net)
    } else if name.starts_with("fs.mqueue.")
        || name == "kernel.shm_rmid_forced"
        || in_kernel.is_some_and(|name| IPC.contains(&name))
    {
        Ok(Namespace::Ipc)
    } else if name == "kernel.domainname" {
        Ok(Namespace::Uts)
    } else if name == "kernel.hostname" {
        Err(("the host name is a key of its own", "write HostName= in [Pod]"))
    } else {
        Err((
            "this holds for the whole host, not for a container",
            "write it into a file of /etc/sysctl.d (sysctl.d(5))",
        ))
    }
}

fn seccomp(settings: &Settings, folder: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.text("SeccompProfile", problems)?;
    if value.text == "unconfined" {
        return Some(value.text);
    }
    let path = mount::host_path(&value.text, folder);
    if path.is_none() {
        let problem = value.error("this is not the path of a profile");
        problems.push(problem.help("write an absolute path, or unconfined for no filter at all"));
    }
    path
}

/// The paths of a key, each word of which may have several, as Podman has them: `/a:/b`.
fn paths(settings: &Settings, key: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut paths = Vec::new();
    for value in settings.texts(key, problems) {
        for path in value.text.split(':') {
            match mount::container_path(path).filter(|path| path != "/") {
                Some(path) => paths.push(path),
                None => {
                    let problem = value.error(format!("`{path}` is not an absolute path in the container"));
                    problems.push(
                        problem.help("write absolute paths without `..`, such as /proc/kcore:/sys/firmware"),
                    );
                }
            }
        }
    }
    paths
}

fn unmask(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<String> {
    let values = settings.values("Unmask", problems);
    if values.iter().any(|value| value.text.eq_ignore_ascii_case("all")) {
        return vec!["ALL".to_owned()];
    }
    paths(settings, "Unmask", problems)
}

fn devices(settings: &Settings, directives: &mut Vec<Directive>, problems: &mut Vec<Problem>) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for value in settings.texts("AddDevice", problems) {
        let Some((device, rights)) = device(&value, problems) else {
            continue;
        };
        if devices.iter().any(|other| other.target == device.target) {
            let problem = value.error(format!("there is a device at {} already", device.target));
            problems.push(problem.help("remove one of them"));
            continue;
        }
        let folder = FOLDERS.iter().find(|(folder, _)| *folder == device.source);
        let name = folder.map_or(device.source.as_str(), |(_, name)| name);
        if devices.is_empty() {
            directives.push(allow(OWN_DEVICES, "rwm"));
        }
        directives.push(allow(name, &rights));
        devices.push(device);
    }
    devices
}

fn allow(device: &str, rights: &str) -> Directive {
    Directive::new("DeviceAllow", format!("{device} {rights}"))
}

/// Reads `[-]HOST[:CONTAINER][:RIGHTS]`, and gives the rights to allow: making the node takes one that the container
/// need not have.
fn device(value: &Value, problems: &mut Vec<Problem>) -> Option<(Device, String)> {
    let (text, optional) = match value.text.strip_prefix('-') {
        Some(text) => (text, true),
        None => (value.text.as_str(), false),
    };
    let parts: Vec<&str> = text.split(':').collect();
    let is_rights =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| b"rwm".contains(&byte)) && part.len() <= 3;
    let (source, target, rights) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, rights] if is_rights(rights) => (*source, *source, *rights),
        [source, target] => (*source, *target, "rwm"),
        [source, target, rights] if is_rights(rights) => (*source, *target, *rights),
        _ => {
            let problem = value.error("this is not a device");
            problems.push(
                problem.help("write HOST[:CONTAINER][:RIGHTS], such as /dev/fuse or /dev/sda:/dev/disk:r"),
            );
            return None;
        }
    };
    let is_source =
        source.starts_with("/dev/") && !source.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c));
    let Some(source) = mount::container_path(source).filter(|_| is_source) else {
        let problem = value.error("devices of the host are below /dev");
        problems.push(problem.help("write an absolute path such as /dev/fuse; Volume= is for other files"));
        return None;
    };
    let target = mount::target_path(target, value, problems)?;
    let device = Device {
        source,
        target,
        optional,
    };
    // The launcher makes the node in the container.
    let rights = if rights.contains('m') {
        rights.to_owned()
    } else {
        format!("{rights}m")
    };
    Some((device, rights))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_namespaces() {
        for (name, namespace) in [
            ("net.core.somaxconn", Namespace::Net),
            ("net.ipv4.conf.all.forwarding", Namespace::Net),
            ("net.ipv6.conf.default.disable_ipv6", Namespace::Net),
            ("kernel.shmmax", Namespace::Ipc),
            ("fs.mqueue.msg_max", Namespace::Ipc),
            ("kernel.domainname", Namespace::Uts),
        ] {
            assert_eq!(namespace_of(name), Ok(namespace), "{name}");
        }
        for bad in [
            "kernel.core_pattern",
            "vm.max_map_count",
            "kernel.hostname",
            "fs.file-max",
            "net.ipv4.conf.eth0.forwarding",
            "kernel.shmmax.x",
        ] {
            assert!(namespace_of(bad).is_err(), "{bad}");
        }
        assert!(is_parameter("net/ipv4/ip_forward") && is_parameter("net.ipv4.ip_forward"));
        for bad in ["", "net", "net..x", "net/../kernel", "net.ipv4 x", "net.a+b"] {
            assert!(!is_parameter(bad), "{bad}");
        }
    }
}
