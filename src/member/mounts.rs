//! What is mounted in a container beside its root file system.

use super::oci::Mount;
use super::{Error, absolute, expand};
use crate::model::{Bind, Container, Devpts, Tmpfs};
use crate::systemd::specifiers::Specifiers;
use std::path::{Path, PathBuf};

/// Where a member with `Notify=true` finds the folder of its notification socket.
pub const NOTIFY_DIR: &str = "/run/notify";

/// Options of `Volume=` that go to the runtime as they are.
const BIND_OPTIONS: [&str; 16] = [
    "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "bind", "rbind", "private", "rprivate",
    "shared", "rshared", "slave", "rslave",
];

/// Options of `Volume=` that the runtime does not have: labels are SELinux's, and what is copied into a new volume is
/// there already.
const BIND_OPTIONS_WITHOUT_EFFECT: [&str; 4] = ["z", "Z", "copy", "nocopy"];

/// Options of every devpts.
const DEVPTS: [&str; 4] = ["nosuid", "noexec", "newinstance", "ptmxmode=0666"];

/// The places of the host that a member sees beside those that its definition names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared {
    /// The pod's `/dev/shm`, if IPC is shared; else the size of the member's own in bytes.
    pub shm: Shm,
    /// Files of the pod for `/etc`, by name: those that exist.
    pub etc: Vec<PathBuf>,
    /// The file of the host that is its `/etc/localtime`.
    pub localtime: Option<PathBuf>,
    /// The folder of the notification socket, for a member that notifies.
    pub notify: Option<PathBuf>,
    /// The folders of its volumes.
    pub volumes: Vec<Bind>,
}

/// What `/dev/shm` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shm {
    /// The pod's.
    Pod(PathBuf),
    /// A tmpfs of the member's own, of this many bytes.
    Own(u64),
}

impl Default for Shm {
    fn default() -> Self {
        Self::Own(64 << 20)
    }
}

/// All mounts, in an order in which none hides another: by the depth of their places. What the definition mounts
/// takes the place of a default at the same path. `exists` says whether a path of the host is there.
///
/// # Errors
/// A source that is not there, an option that is not known, two mounts at one place.
pub fn resolve(
    container: &Container,
    shared: &Shared,
    specifiers: &Specifiers,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Mount>, Error> {
    let mut own: Vec<Mount> = Vec::new();
    let binds = container
        .binds
        .iter()
        .chain(&shared.volumes)
        .map(|volume| (bind(volume, specifiers, exists), "Volume", &volume.target));
    let tmpfs = container
        .tmpfs
        .iter()
        .map(|volume| (tmpfs(volume, specifiers), "Tmpfs", &volume.target));
    let devpts = container
        .devpts
        .iter()
        .map(|devpts| (pseudo_terminals(devpts, specifiers), "Mount", &devpts.target));
    for (mount, key, target) in binds.chain(tmpfs).chain(devpts) {
        let mount = mount?;
        if own.iter().any(|other| other.destination == mount.destination) {
            return Err(Error::setting(
                key,
                target,
                "something else is mounted there already",
            ));
        }
        own.push(mount);
    }
    let mut mounts = defaults(shared);
    if container.read_only && !container.no_tmpfs {
        mounts.extend(["/run", "/tmp", "/var/tmp"].map(|place| {
            mount(
                "tmpfs",
                "tmpfs",
                place,
                &["rprivate", "nosuid", "nodev", "tmpcopyup"],
            )
        }));
    }
    mounts.retain(|default| own.iter().all(|own| own.destination != default.destination));
    mounts.extend(own);
    mounts.sort_by_key(|mount| mount.destination.matches('/').count());
    Ok(mounts)
}

/// The propagation that all of the container's mounts need, if a volume's is not private.
pub fn propagation(mounts: &[Mount]) -> Option<&'static str> {
    let any = |wanted: [&str; 2]| {
        mounts
            .iter()
            .flat_map(|mount| &mount.options)
            .any(|o| wanted.contains(&o.as_str()))
    };
    if any(["shared", "rshared"]) {
        Some("shared")
    } else {
        any(["slave", "rslave"]).then_some("slave")
    }
}

fn mount(kind: &str, source: &str, destination: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    }
}

fn defaults(shared: &Shared) -> Vec<Mount> {
    let mut mounts = vec![
        mount("proc", "proc", "/proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "tmpfs",
            "tmpfs",
            "/dev",
            &["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("sysfs", "sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
        mount(
            "devpts",
            "devpts",
            "/dev/pts",
            &[&DEVPTS[..], &["mode=0620", "gid=5"]].concat(),
        ),
        mount("mqueue", "mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
        mount(
            "cgroup",
            "cgroup",
            "/sys/fs/cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ),
    ];
    let path = |path: &Path| path.to_string_lossy().into_owned();
    mounts.push(match &shared.shm {
        Shm::Pod(source) => mount(
            "bind",
            &path(source),
            "/dev/shm",
            &["bind", "rprivate", "nosuid", "noexec", "nodev"],
        ),
        Shm::Own(size) => {
            let size = format!("size={size}");
            mount(
                "tmpfs",
                "shm",
                "/dev/shm",
                &["nosuid", "noexec", "nodev", "mode=1777", &size],
            )
        }
    });
    for file in &shared.etc {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let options = ["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"];
        mounts.push(mount("bind", &path(file), &format!("/etc/{name}"), &options));
    }
    if let Some(file) = &shared.localtime {
        let options = ["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"];
        mounts.push(mount("bind", &path(file), "/etc/localtime", &options));
    }
    if let Some(folder) = &shared.notify {
        mounts.push(mount(
            "bind",
            &path(folder),
            NOTIFY_DIR,
            &["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"],
        ));
    }
    mounts
}

fn bind(volume: &Bind, specifiers: &Specifiers, exists: &dyn Fn(&Path) -> bool) -> Result<Mount, Error> {
    let source = absolute(specifiers, "Volume", &volume.source)?;
    let mut mount = mount(
        "bind",
        &source,
        &destination(specifiers, "Volume", &volume.target)?,
        &[],
    );
    if !exists(Path::new(&source)) {
        let reason = format!("there is no {source} on this host; make it, or correct the path");
        return Err(Error::setting(
            "Volume",
            format!("{}:{}", volume.source, volume.target),
            reason,
        ));
    }
    for option in &volume.options {
        if BIND_OPTIONS.contains(&option.as_str()) {
            mount.options.push(option.clone());
        } else if !BIND_OPTIONS_WITHOUT_EFFECT.contains(&option.as_str()) {
            let reason = format!("the option `{option}` is not supported; remove it");
            return Err(Error::setting(
                "Volume",
                format!("{}:{}", volume.source, volume.target),
                reason,
            ));
        }
    }
    let has_one_of =
        |mount: &Mount, wanted: &[&str]| mount.options.iter().any(|o| wanted.contains(&o.as_str()));
    if !has_one_of(&mount, &["bind", "rbind"]) {
        mount.options.push("rbind".to_owned());
    }
    if !has_one_of(&mount, &BIND_OPTIONS[10..]) {
        mount.options.push("rprivate".to_owned());
    }
    Ok(mount)
}

fn tmpfs(volume: &Tmpfs, specifiers: &Specifiers) -> Result<Mount, Error> {
    let mut mount = mount(
        "tmpfs",
        "tmpfs",
        &destination(specifiers, "Tmpfs", &volume.target)?,
        &["rprivate"],
    );
    for option in &volume.options {
        mount.options.push(expand(specifiers, "Tmpfs", option)?);
    }
    // What Podman adds where the definition does not say the opposite. Files that the image has there are copied.
    for (default, opposite) in [
        ("nosuid", "suid"),
        ("nodev", "dev"),
        ("noexec", "exec"),
        ("tmpcopyup", "notmpcopyup"),
        ("mode=1777", "mode="),
    ] {
        let said = |option: &String| option == default || option == opposite;
        let said_by_value = |option: &String| opposite.ends_with('=') && option.starts_with(opposite);
        if !mount
            .options
            .iter()
            .any(|option| said(option) || said_by_value(option))
        {
            mount.options.push(default.to_owned());
        }
    }
    mount.options.retain(|option| option != "notmpcopyup");
    Ok(mount)
}

fn pseudo_terminals(devpts: &Devpts, specifiers: &Specifiers) -> Result<Mount, Error> {
    let destination = destination(specifiers, "Mount", &devpts.target)?;
    let mut mount = mount("devpts", "devpts", &destination, &DEVPTS);
    mount.options.extend(devpts.options.iter().cloned());
    Ok(mount)
}

/// A path in the container, written in one way only.
pub(super) fn destination(specifiers: &Specifiers, key: &'static str, text: &str) -> Result<String, Error> {
    let path = absolute(specifiers, key, text)?;
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.is_empty() {
        return Err(Error::setting(
            key,
            text,
            "the root of the container is made by Image= or Rootfs=",
        ));
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::container;
    use super::*;
    use crate::model::Paths;

    fn given(container: &Container, shared: &Shared) -> Result<Vec<Mount>, Error> {
        let specifiers = Specifiers::new("pod-web-a.service", &Paths::default());
        resolve(container, shared, &specifiers, &|path| {
            !path.starts_with("/missing")
        })
    }

    fn volume(source: &str, target: &str, options: &[&str]) -> Bind {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Bind {
            source: source.to_owned(),
            target: target.to_owned(),
            options,
        }
    }

    fn find<'a>(mounts: &'a [Mount], destination: &str) -> &'a Mount {
        mounts
            .iter()
            .find(|mount| mount.destination == destination)
            .unwrap()
    }

    #[test]
    fn the_pods_own_places_are_shared() {
        let shared = Shared {
            shm: Shm::Pod("/run/podunit/web/shm".into()),
            etc: vec!["/run/podunit/web/etc/hosts".into()],
            localtime: Some("/usr/share/zoneinfo/UTC".into()),
            notify: Some("/run/podunit/web/members/a/notify".into()),
            volumes: vec![],
        };
        let mounts = given(&container("a"), &shared).unwrap();
        assert_eq!(find(&mounts, "/dev/shm").source, "/run/podunit/web/shm");
        assert_eq!(find(&mounts, "/etc/hosts").source, "/run/podunit/web/etc/hosts");
        assert_eq!(find(&mounts, "/run/notify").kind, "bind");
        assert_eq!(find(&mounts, "/etc/localtime").source, "/usr/share/zoneinfo/UTC");
        let own = given(&container("a"), &Shared::default()).unwrap();
        assert!(
            find(&own, "/dev/shm")
                .options
                .contains(&"size=67108864".to_owned())
        );
    }

    #[test]
    fn volumes_have_podmans_defaults_and_replace_ours() {
        let mut container = container("a");
        container.binds = vec![
            volume("/srv/%N", "/data//x/", &["ro", "Z"]),
            volume("/h", "/dev/shm", &["rslave"]),
        ];
        let mounts = given(&container, &Shared::default()).unwrap();
        let data = find(&mounts, "/data/x");
        assert_eq!(data.source, "/srv/pod-web-a");
        assert_eq!(data.options, ["ro", "rbind", "rprivate"]);
        assert_eq!(
            mounts
                .iter()
                .filter(|mount| mount.destination == "/dev/shm")
                .count(),
            1
        );
        assert_eq!(find(&mounts, "/dev/shm").options, ["rslave", "rbind"]);
        assert_eq!(propagation(&mounts), Some("slave"));
        assert_eq!(
            propagation(&given(&super::super::spec::tests::container("a"), &Shared::default()).unwrap()),
            None
        );
    }

    #[test]
    fn no_mount_hides_another() {
        let mut container = container("a");
        container.binds = vec![volume("/b", "/run/deep/er", &[]), volume("/a", "/run", &[])];
        let shared = Shared {
            notify: Some("/n".into()),
            ..Shared::default()
        };
        let mounts = given(&container, &shared).unwrap();
        let at = |destination: &str| {
            mounts
                .iter()
                .position(|mount| mount.destination == destination)
                .unwrap()
        };
        assert!(at("/run") < at("/run/notify") && at("/run/notify") < at("/run/deep/er"));
        assert!(at("/dev") < at("/dev/pts") && at("/sys") < at("/sys/fs/cgroup"));
    }

    #[test]
    fn what_cannot_be_mounted_is_named() {
        for (bad, expected) in [
            (
                volume("/missing/x", "/x", &[]),
                "there is no /missing/x on this host",
            ),
            (volume("/a", "/x", &["idmap"]), "`idmap` is not supported"),
            (volume("a", "/x", &[]), "not an absolute path"),
            (volume("/a/../b", "/x", &[]), "not an absolute path"),
            (volume("/a", "/./", &[]), "root of the container"),
        ] {
            let mut container = container("a");
            container.binds = vec![bad];
            let message = given(&container, &Shared::default()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let mut container = container("a");
        container.binds = vec![volume("/a", "/x", &[])];
        container.tmpfs = vec![Tmpfs {
            target: "/x/".to_owned(),
            options: vec![],
        }];
        assert!(given(&container, &Shared::default()).is_err());
    }

    #[test]
    fn a_read_only_root_leaves_the_usual_places_to_write_in() {
        let mut container = container("a");
        container.read_only = true;
        container.tmpfs = vec![Tmpfs {
            target: "/tmp".to_owned(),
            options: vec!["exec".into(), "mode=0700".into()],
        }];
        let mounts = given(&container, &Shared::default()).unwrap();
        assert_eq!(find(&mounts, "/var/tmp").kind, "tmpfs");
        assert_eq!(
            find(&mounts, "/tmp").options,
            ["rprivate", "exec", "mode=0700", "nosuid", "nodev", "tmpcopyup"]
        );
        container.no_tmpfs = true;
        let mounts = given(&container, &Shared::default()).unwrap();
        assert!(
            !mounts
                .iter()
                .any(|mount| ["/var/tmp", "/run"].contains(&mount.destination.as_str()))
        );
    }
}
