//! Where things are, under a root that is passed in. Nothing else in the house spells these paths.

use super::{MemberName, PodName, ResourceName};
use std::path::{Path, PathBuf};

/// `podunit`, as units name it. Programs stand at fixed places: a unit file of a package is read on another machine than
/// the one that wrote it.
pub const PODUNIT: &str = "/usr/bin/podunit";

/// The drop-in that says what the slice of a template's instance, or of each, is.
pub const SLICE_DROP_IN: &str = "podunit.conf";

/// The file tree of a system: `/` on a running host, a folder in tests and package builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self::new("/")
    }
}

impl Paths {
    /// The tree under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// An absolute path of the running system, under the root.
    pub fn under(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let path = absolute.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Folders of definitions, the first wins by file name.
    pub fn definition_dirs(&self) -> [PathBuf; 4] {
        [
            "/etc/podunit",
            "/run/podunit/definitions",
            "/usr/local/share/podunit",
            "/usr/share/podunit",
        ]
        .map(|dir| self.under(dir))
    }

    /// The folder for definitions that are gone at reboot: one of the [above](Self::definition_dirs).
    pub fn passing_definitions(&self) -> PathBuf {
        self.under("/run/podunit/definitions")
    }

    /// Which of them `podunit up` has put there for a pod: a path below the folder on each line. A name with a dot
    /// cannot be a pod's.
    pub fn brought_up(&self, pod: &PodName) -> PathBuf {
        self.run().join(".up").join(pod.as_str())
    }

    /// The host's settings, the first that exists.
    pub fn settings_files(&self) -> [PathBuf; 2] {
        ["/etc/podunit/podunit.conf", "/usr/share/podunit/podunit.conf"].map(|file| self.under(file))
    }

    /// Where distributions keep the certificates of the CAs that a system trusts, in one file; the first that exists.
    pub fn certificate_bundles(&self) -> [PathBuf; 4] {
        [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
        ]
        .map(|file| self.under(file))
    }

    /// Folders with the certificates of one registry, `HOST[:PORT]` (containers-certs.d(5)); the first that exists.
    pub fn registry_certificates(&self, host: &str) -> [PathBuf; 3] {
        [
            "/etc/podunit/certs.d",
            "/etc/containers/certs.d",
            "/etc/docker/certs.d",
        ]
        .map(|folder| self.under(folder).join(host))
    }

    /// Files with credentials for registries (containers-auth.json(5)), in the order in which they are looked into.
    /// `home` is the user's folder.
    pub fn credentials(&self, home: &Path) -> [PathBuf; 3] {
        [
            self.under("/run/containers/0/auth.json"),
            self.under(home).join(".config/containers/auth.json"),
            self.under(home).join(".docker/config.json"),
        ]
    }

    /// Folders of unit files in systemd's order (systemd.unit(5)): where a unit, and a compiled pod beside it, is
    /// looked for.
    pub fn unit_dirs(&self) -> [PathBuf; 8] {
        [
            "/etc/systemd/system",
            "/run/systemd/system",
            "/run/systemd/generator.early",
            "/run/systemd/generator",
            "/usr/local/lib/systemd/system",
            "/usr/lib/systemd/system",
            "/lib/systemd/system",
            "/run/systemd/generator.late",
        ]
        .map(|dir| self.under(dir))
    }

    /// `/run/podunit`: what is gone at reboot.
    pub fn run(&self) -> PathBuf {
        self.under("/run/podunit")
    }

    /// Held while a pod's folder is made or removed.
    pub fn run_lock(&self) -> PathBuf {
        self.run().join(".lock")
    }

    /// `podunit-pause`, the program that is PID 1 of a pod which shares process IDs.
    pub fn pause_program(&self) -> PathBuf {
        self.under("/usr/libexec/podunit/podunit-pause")
    }

    /// A folder with empty files and folders at the paths where every container has something mounted. As the lowest
    /// layer of each it spares them, as far as the image has none, from being made in the writable one.
    pub fn mount_points(&self) -> PathBuf {
        self.under("/usr/share/podunit/mount-points")
    }

    /// Where distributions install netavark; elsewhere it is found by `$PATH`.
    pub fn netavark(&self) -> [PathBuf; 2] {
        ["/usr/lib/podman/netavark", "/usr/libexec/podman/netavark"].map(|file| self.under(file))
    }

    /// The host's `resolv.conf`, and the one that systemd-resolved keeps of the servers behind its stub
    /// (systemd-resolved.service(8)).
    pub fn resolv_conf(&self) -> [PathBuf; 2] {
        ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"].map(|file| self.under(file))
    }

    /// Why the image of a request, by the request's ID, is not known to be the newest; not there if it is. A name with
    /// a dot cannot be a pod's.
    pub fn stale_image(&self, id: &str) -> PathBuf {
        self.run().join(".images").join(id)
    }

    /// State that all pods share: the address book. A name with a dot cannot be a pod's.
    pub fn run_network(&self) -> PathBuf {
        self.run().join(".network")
    }

    /// A network that pods share, as it is since its unit was started: not there if it is not.
    pub fn shared_network(&self, network: &ResourceName) -> PathBuf {
        self.shared_networks().join(network.as_str())
    }

    /// The folder of all of them, each called by its name.
    pub fn shared_networks(&self) -> PathBuf {
        self.run_network().join("shared")
    }

    /// The name by which netavark starts aardvark-dns: a link to `podunit`, which becomes it.
    pub fn name_server(&self) -> PathBuf {
        self.under("/usr/libexec/podunit/podunit-names")
    }

    /// Where distributions install aardvark-dns, which answers for names on networks.
    pub fn aardvark(&self) -> [PathBuf; 2] {
        ["/usr/lib/podman/aardvark-dns", "/usr/libexec/podman/aardvark-dns"].map(|file| self.under(file))
    }

    /// The folder where the OCI runtime keeps its state (`crun --root`), one for all pods: what crun compiles of a
    /// seccomp profile, half of a container's making, it keeps there for the next container.
    pub fn runtime_state(&self) -> PathBuf {
        self.run().join(".runtime")
    }

    /// A bind mount of its own, one for all pods: each launcher makes it private in its own mount namespace and mounts
    /// its container's root file system below, so that the host sees nothing of it.
    pub fn roots(&self) -> PathBuf {
        self.run().join(".roots")
    }

    /// Everything of one running pod.
    pub fn pod(&self, pod: &PodName) -> PodPaths {
        PodPaths {
            dir: self.run().join(pod.as_str()),
            root: self.roots().join(pod.as_str()),
        }
    }

    /// The journal's socket for messages in its native protocol (systemd-journald.service(8)).
    pub fn journal_socket(&self) -> PathBuf {
        self.under("/run/systemd/journal/socket")
    }

    /// `/var/lib/podunit/images`: blobs, references, unpacked layers.
    pub fn image_store(&self) -> PathBuf {
        self.under("/var/lib/podunit/images")
    }

    /// Named volumes, a folder for each.
    pub fn volumes(&self) -> PathBuf {
        self.under("/var/lib/podunit/volumes")
    }

    /// Held while images are updated.
    pub fn update_lock(&self) -> PathBuf {
        self.run().join(".update.lock")
    }

    /// Updates of images that are under way, a file for each.
    pub fn updates(&self) -> PathBuf {
        self.under("/var/lib/podunit/updates")
    }

    /// Images that did not come up, a file for each name.
    pub fn rejected_images(&self) -> PathBuf {
        self.under("/var/lib/podunit/rejected")
    }

    /// The file in the store that is there exactly while it has an image, by [`super::reference_key`].
    pub fn image_reference(&self, key: &str) -> PathBuf {
        self.image_store().join("refs").join(key)
    }

    /// The writable layers of a pod's members. Made by the first member, removed after an intended stop.
    pub fn writable_layers(&self, pod: &PodName) -> PathBuf {
        self.under("/var/lib/podunit/containers").join(pod.as_str())
    }

    /// The writable layer of a member, on disk (`upper` and `work` of its overlay).
    pub fn writable_layer(&self, pod: &PodName, member: &MemberName) -> PathBuf {
        self.writable_layers(pod).join(member.as_str())
    }
}

/// `/run/podunit/X`: the state of a running pod. Made by infra, mode 0700.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPaths {
    dir: PathBuf,
    root: PathBuf,
}

impl PodPaths {
    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The compiled pod that this pod was started with (0600).
    pub fn compiled(&self) -> PathBuf {
        self.dir.join("pod.json")
    }

    /// Copies of the pod's unit files as they were at the start.
    pub fn units(&self) -> PathBuf {
        self.dir.join("units")
    }

    /// Exists once the pod has been ready: written by its supervisor, read by a successor.
    pub fn ready(&self) -> PathBuf {
        self.dir.join("ready")
    }

    /// How the last start of infra went ([`crate::timeline`]).
    pub fn timeline(&self) -> PathBuf {
        self.dir.join("timeline")
    }

    /// How the supervisor saw the pod become ready ([`crate::timeline`]).
    pub fn supervisor_timeline(&self) -> PathBuf {
        self.dir.join("timeline-supervisor")
    }

    /// Pins of the shared namespaces: `net`, `ipc`, `uts`, `pid`. Exists exactly while infra is up.
    pub fn namespaces(&self) -> PathBuf {
        self.dir.join("ns")
    }

    /// What netavark was asked for, so that the same can be torn down.
    pub fn network(&self) -> PathBuf {
        self.dir.join("network.json")
    }

    /// `hosts`, `resolv.conf` and `hostname` for the members.
    pub fn etc(&self) -> PathBuf {
        self.dir.join("etc")
    }

    /// The tmpfs that is every member's `/dev/shm`, where IPC is shared.
    pub fn shm(&self) -> PathBuf {
        self.dir.join("shm")
    }

    /// The folder in [`Paths::roots`] with an empty one for each member, where its root file system is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Locked while infra connects the pod to its network, and not empty once it has: members wait for that before
    /// their programs start.
    pub fn connected(&self) -> PathBuf {
        self.dir.join("connected")
    }

    /// The folder of all members' folders, each called by its member's name.
    pub fn members(&self) -> PathBuf {
        self.dir.join("members")
    }

    /// Everything of one member.
    pub fn member(&self, member: &MemberName) -> MemberPaths {
        MemberPaths {
            dir: self.members().join(member.as_str()),
        }
    }
}

/// `/run/podunit/X/members/a`. The folder, the FIFOs and the notify folder are made by infra for every member and
/// stay until the pod is stopped, so that whoever comes later finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPaths {
    dir: PathBuf,
}

impl MemberPaths {
    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The OCI bundle: `config.json`.
    pub fn bundle(&self) -> PathBuf {
        self.dir.join("bundle")
    }

    /// FIFO that is the standard output of the member's process.
    pub fn stdout(&self) -> PathBuf {
        self.dir.join("stdout")
    }

    /// FIFO that is the standard error of the member's process.
    pub fn stderr(&self) -> PathBuf {
        self.dir.join("stderr")
    }

    /// The folder that a member with `Notify=true` sees as `/run/notify`.
    pub fn notify_dir(&self) -> PathBuf {
        self.dir.join("notify")
    }

    /// The socket in that folder, bound by the supervisor.
    pub fn notify_socket(&self) -> PathBuf {
        self.notify_dir().join("socket")
    }

    /// What is known of the image in use: [`super::UnpackedImage::digest`] on the first line, the reference on the
    /// second. Exists while the member may hold the image.
    pub fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    /// Locked while a launcher starts the member: the supervisor waits for its end before it judges.
    pub fn launching(&self) -> PathBuf {
        self.dir.join("launching")
    }

    /// There if the member has said that it is ready while its probes had still to pass. In the bundle, and so gone with
    /// the life in which it was said.
    pub fn said_ready(&self) -> PathBuf {
        self.bundle().join("said-ready")
    }

    /// What the last check of a probe came to that needed a process: written by it, read by the supervisor.
    pub fn probe(&self, probe: super::ProbeKind) -> PathBuf {
        self.dir.join(format!("probe-{}", probe.word()))
    }

    /// How the last start of the member went ([`crate::timeline`]).
    pub fn timeline(&self) -> PathBuf {
        self.dir.join("timeline")
    }

    /// The process ID of the container's own process, as the OCI runtime wrote it.
    pub fn pid_file(&self) -> PathBuf {
        self.dir.join("pid")
    }
}
