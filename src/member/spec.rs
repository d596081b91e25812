//! The OCI `config.json` of a container: everything decided, put in the runtime's words.

use super::kernel::Kernel;
use super::mounts;
use super::oci::{Capabilities, Linux, Mount, Namespace, Process, ProcessUser, Rlimit, Root, Spec, VERSION};
use super::user::User;
use crate::model::{Network, Pod};
use std::path::Path;

/// File mode creation mask of a container's process.
const UMASK: u32 = 0o022;

/// What has been decided of a container's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Identity.
    pub user: User,
    /// Absolute path in the container.
    pub working_dir: String,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Its limits, where they are not those of the unit.
    pub rlimits: Vec<Rlimit>,
    /// Whether programs can gain privileges.
    pub new_privileges: bool,
    /// Its profile of AppArmor.
    pub apparmor: Option<String>,
}

/// What has been decided of its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The mounted root file system.
    pub root: &'a Path,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// Mounts, in order.
    pub mounts: &'a [Mount],
    /// The host name, where the UTS namespace is the container's own.
    pub hostname: &'a str,
    /// The pod's folder of pinned namespaces.
    pub pins: &'a Path,
    /// The PID namespace that it joins, where the pod shares none and it is to have a PID 1 that reaps.
    pub own_pid: Option<&'a Path>,
    /// What it sees of the kernel.
    pub kernel: &'a Kernel,
}

/// Puts it together.
pub fn build(pod: &Pod, place: &Place<'_>, run: Run) -> Spec {
    let kernel = place.kernel;
    Spec {
        oci_version: VERSION,
        process: process(run),
        root: Root {
            path: place.root.to_string_lossy().into_owned(),
            readonly: place.read_only,
        },
        hostname: (!pod.share.uts).then(|| place.hostname.to_owned()),
        linux: Linux {
            namespaces: namespaces(pod, place),
            rootfs_propagation: mounts::propagation(place.mounts),
            masked_paths: kernel.masks.hidden.clone(),
            readonly_paths: kernel.masks.read_only.clone(),
            sysctl: kernel.sysctl.clone(),
            devices: kernel.devices.clone(),
            seccomp: kernel.seccomp.clone(),
        },
        mounts: place.mounts.to_vec(),
    }
}

/// The process of a container in the runtime's words.
pub fn process(run: Run) -> Process {
    Process {
        terminal: false,
        console_size: None,
        user: ProcessUser {
            uid: run.user.uid,
            gid: run.user.gid,
            umask: UMASK,
            additional_gids: run.user.groups,
        },
        args: run.arguments,
        env: run.environment,
        cwd: run.working_dir,
        capabilities: run.capabilities,
        rlimits: run.rlimits,
        no_new_privileges: !run.new_privileges,
        apparmor_profile: run.apparmor,
    }
}

/// Names of the pins, under `/run/podunit/X/ns`, that a member of this pod joins.
pub fn joined(pod: &Pod) -> Vec<&'static str> {
    let shared = [
        ("net", pod.share.net && pod.network != Network::Host),
        ("ipc", pod.share.ipc),
        ("uts", pod.share.uts),
        ("pid", pod.share.pid),
    ];
    shared
        .into_iter()
        .filter(|(_, shared)| *shared)
        .map(|(name, _)| name)
        .collect()
}

/// Joined where shared, new where not. Not listed, and so the host's own: the network of a pod with `Network=host`.
fn namespaces(pod: &Pod, place: &Place<'_>) -> Vec<Namespace> {
    let joined = joined(pod);
    let mut list = vec![
        Namespace {
            kind: "mount",
            path: None,
        },
        Namespace {
            kind: "cgroup",
            path: None,
        },
    ];
    for (pin, kind) in [("net", "network"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")] {
        if pin == "net" && pod.share.net && pod.network == Network::Host {
            continue;
        }
        let pinned = joined.contains(&pin).then(|| place.pins.join(pin));
        let path = match pinned {
            None if pin == "pid" => place.own_pid.map(Path::to_owned),
            pinned => pinned,
        };
        let path = path.map(|path| path.to_string_lossy().into_owned());
        list.push(Namespace { kind, path });
    }
    list
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::member::oci::Device;
    use crate::member::{capability, masks, seccomp};
    use crate::model::{Container, ImageSource, MemberName, PodName, Ready, Request, Share};
    use std::time::Duration;

    /// A member with nothing set.
    pub(in crate::member) fn container(name: &str) -> Container {
        Container {
            name: MemberName::new(name).unwrap(),
            source: "/etc/podunit/web.pod".into(),
            service_name: None,
            image: ImageSource::Image(Request::new("docker.io/library/busybox")),
            auto_update: None,
            exec: None,
            entrypoint: None,
            environment: vec![],
            environment_files: vec![],
            user: None,
            working_dir: None,
            binds: vec![],
            volumes: vec![],
            tmpfs: vec![],
            devpts: vec![],
            read_only: false,
            no_tmpfs: false,
            shm_size: None,
            process: Default::default(),
            linux: Default::default(),
            add_capabilities: vec![],
            drop_capabilities: vec![],
            stop_signal: None,
            stop_timeout: Duration::from_secs(10),
            pre_stop: None,
            stop_escalate: Vec::new(),
            stop_repeat: 0,
            reload_signal: None,
            reload_cmd: None,
            signal_map: Default::default(),
            ready: Ready::Started,
            probes: crate::model::Probes::default(),
            kind: Default::default(),
            essential: true,
            labels: Default::default(),
            annotations: Default::default(),
            units: Default::default(),
        }
    }

    /// A pod with one member `a`.
    pub(in crate::member) fn pod(share: Share, network: Network) -> Pod {
        Pod {
            version: crate::model::SCHEMA_VERSION,
            name: PodName::new("web").unwrap(),
            source: "/etc/podunit/web.pod".into(),
            service_name: None,
            share,
            hostname: None,
            network,
            hosts: vec![],
            resolver: Default::default(),
            ports: vec![],
            instance_ports: Vec::new(),
            shm_size: 64 << 20,
            labels: Default::default(),
            start_timeout: None,
            on_failure: Default::default(),
            exit_policy: Default::default(),
            members: vec![container("a")],
            units: Default::default(),
        }
    }

    fn run() -> Run {
        Run {
            arguments: vec!["nginx".to_owned(), "-g".to_owned()],
            environment: vec!["PATH=/bin".to_owned()],
            user: User {
                uid: 33,
                gid: 33,
                groups: vec![4],
                home: "/".to_owned(),
            },
            working_dir: "/srv".to_owned(),
            capabilities: capability::sets(0, &[], &[], &capability::available("CapPrm:\t1ffffffffff"))
                .unwrap(),
            rlimits: vec![Rlimit {
                kind: "RLIMIT_NOFILE".to_owned(),
                soft: 64,
                hard: u64::MAX,
            }],
            new_privileges: false,
            apparmor: Some("profile".to_owned()),
        }
    }

    fn built(share: Share, network: Network) -> Spec {
        let mounts = [];
        let run = run();
        let kernel = Kernel {
            masks: masks::decide(&[], &[], &[]),
            sysctl: [("net.core.somaxconn".to_owned(), "5".to_owned())].into(),
            devices: vec![Device {
                path: "/dev/x".to_owned(),
                kind: "c",
                major: 10,
                minor: 229,
                file_mode: 0o660,
                uid: 0,
                gid: 5,
            }],
            seccomp: Some(seccomp::profile(&run.capabilities.bounding)),
        };
        let place = Place {
            root: Path::new("/run/podunit/.roots/web/a"),
            read_only: true,
            mounts: &mounts,
            hostname: "web",
            pins: Path::new("/run/podunit/web/ns"),
            own_pid: Some(Path::new("/proc/1234/ns/pid")),
            kernel: &kernel,
        };
        build(&pod(share, network), &place, run)
    }

    fn namespace(spec: &Spec, kind: &str) -> Option<Option<String>> {
        spec.linux
            .namespaces
            .iter()
            .find(|namespace| namespace.kind == kind)
            .map(|found| found.path.clone())
    }

    #[test]
    fn shared_namespaces_are_joined_and_others_are_new() {
        let pin = |name: &str| Some(Some(format!("/run/podunit/web/ns/{name}")));
        let spec = built(
            Share {
                net: true,
                ipc: true,
                uts: true,
                pid: true,
            },
            Network::Bridge,
        );
        for (kind, name) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")] {
            assert_eq!(namespace(&spec, kind), pin(name));
        }
        assert_eq!(
            (namespace(&spec, "mount"), namespace(&spec, "cgroup")),
            (Some(None), Some(None))
        );
        assert_eq!(namespace(&spec, "user"), None);
        assert_eq!(spec.hostname, None);

        let alone = built(
            Share {
                net: false,
                ipc: false,
                uts: false,
                pid: false,
            },
            Network::Bridge,
        );
        for kind in ["network", "ipc", "uts"] {
            assert_eq!(namespace(&alone, kind), Some(None));
        }
        // That of the PID 1 that `RunInit=` asks for.
        assert_eq!(
            namespace(&alone, "pid"),
            Some(Some("/proc/1234/ns/pid".to_owned()))
        );
        assert_eq!(alone.hostname.as_deref(), Some("web"));

        let host = built(Share::default(), Network::Host);
        assert_eq!(namespace(&host, "network"), None);
        assert_eq!(namespace(&host, "ipc"), pin("ipc"));
    }

    #[test]
    fn the_file_is_what_the_specification_says() {
        let spec = built(Share::default(), Network::Bridge);
        let written = serde_json::to_value(&spec).unwrap();
        let read: oci_spec::runtime::Spec = serde_json::from_value(written.clone()).unwrap();
        let again = serde_json::to_value(&read).unwrap();
        fn contains(whole: &serde_json::Value, part: &serde_json::Value, at: &str) {
            match (whole, part) {
                (serde_json::Value::Object(whole), serde_json::Value::Object(part)) => {
                    for (key, value) in part {
                        contains(
                            whole.get(key).unwrap_or(&serde_json::Value::Null),
                            value,
                            &format!("{at}.{key}"),
                        );
                    }
                }
                (serde_json::Value::Array(whole), serde_json::Value::Array(part))
                    if whole.len() == part.len() =>
                {
                    whole
                        .iter()
                        .zip(part)
                        .enumerate()
                        .for_each(|(n, (w, p))| contains(w, p, &format!("{at}.{n}")));
                }
                // A set in one order or another.
                (serde_json::Value::Array(whole), serde_json::Value::Array(part)) => {
                    assert_eq!(whole, part, "{at}")
                }
                _ => assert!(
                    whole == part || at.contains(".capabilities."),
                    "{at}: {whole} {part}"
                ),
            }
        }
        contains(&again, &written, "");
        assert_eq!(read.process().as_ref().unwrap().no_new_privileges(), Some(true));
        assert!(written.get("annotations").is_none() && written.get("hooks").is_none());
    }
}
