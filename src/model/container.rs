//! One member container of a pod.

use super::{
    LinuxSettings, MemberName, Passthrough, Probes, ProcessSettings, Request, Signal, SignalMap, VolumeMount,
    duration, is_default,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A member of a pod. Strings hold `%` specifiers unexpanded (see [`super::Pod`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Name within the pod.
    pub name: MemberName,
    /// The file that defines it, under the root of the running system.
    pub source: PathBuf,
    /// `ServiceName=`: another name of its unit, without `.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// What the root file system is made of.
    pub image: ImageSource,
    /// `AutoUpdate=`: where `podunit auto-update` looks for a newer image; nowhere if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_update: Option<AutoUpdate>,
    /// The line of `Exec=` as written (one line, still quoted): arguments that replace the image's command.
    /// Split, unquoted and expanded (`$`, `%`) by the launcher, with systemd's rules.
    pub exec: Option<String>,
    /// `Entrypoint=`: replaces the image's entry point. An empty list clears it; `None` keeps the image's.
    pub entrypoint: Option<Vec<String>>,
    /// `Environment=`, in the order written, a later value for a name standing in the place of the earlier.
    /// `None` as value takes the launcher's own.
    pub environment: Vec<(String, Option<String>)>,
    /// `EnvironmentFile=`, absolute, in order. A leading `-` was split off into `optional`.
    pub environment_files: Vec<EnvironmentFile>,
    /// `User=`: `user`, `uid`, `user:group` or `uid:gid`; the image's if absent.
    pub user: Option<String>,
    /// `WorkingDir=`: absolute path in the container.
    pub working_dir: Option<String>,
    /// `Volume=` of a path of the host.
    pub binds: Vec<Bind>,
    /// `Volume=` of a name, or of nothing but a place in the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeMount>,
    /// `Tmpfs=`.
    pub tmpfs: Vec<Tmpfs>,
    /// `Mount=type=devpts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devpts: Vec<Devpts>,
    /// `ReadOnly=`: the root file system cannot be written.
    pub read_only: bool,
    /// `ReadOnlyTmpfs=false`: with a root file system that cannot be written, there is no tmpfs on /run, /tmp and
    /// /var/tmp.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_tmpfs: bool,
    /// `ShmSize=`: size in bytes of the `/dev/shm` of its own that it has where the pod does not share IPC; the pod's
    /// if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<u64>,
    /// What its process is given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub process: ProcessSettings,
    /// What it sees of the kernel.
    #[serde(default, skip_serializing_if = "is_default")]
    pub linux: LinuxSettings,
    /// `AddCapability=` in upper case with `CAP_`, or `ALL`.
    pub add_capabilities: Vec<String>,
    /// `DropCapability=` in upper case with `CAP_`, or `ALL`. Applied before the added ones.
    pub drop_capabilities: Vec<String>,
    /// `StopSignal=`; the image's if absent, and SIGTERM if it has none.
    pub stop_signal: Option<Signal>,
    /// `StopTimeout=`: from the beginning of the stop to SIGKILL, `PreStop=` and every signal in between.
    #[serde(with = "duration")]
    pub stop_timeout: Duration,
    /// `PreStop=`: a command that is run in the container before its stop signal; a line as in [`Container::exec`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<String>,
    /// `StopEscalate=`: signals that follow the stop signal, ascending in time, all before the end of the timeout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop_escalate: Vec<Escalation>,
    /// `StopRepeat=`: how often the current one of these signals is sent again, evenly over the timeout.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stop_repeat: u32,
    /// `ReloadSignal=`: what a reload sends to the main process.
    pub reload_signal: Option<Signal>,
    /// `ReloadCmd=`: a command that is run in the container to reload it; a line as in [`Container::exec`]. A member
    /// with neither of the two has no reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload_cmd: Option<String>,
    /// `SignalMap=`: what signals sent to the pod become for this member.
    pub signal_map: SignalMap,
    /// `Notify=`: when the member counts as ready.
    pub ready: Ready,
    /// `ReadyProbe=`, `LiveProbe=`, `StartupProbe=` and Quadlet's `Health…=`.
    #[serde(default, skip_serializing_if = "Probes::is_empty")]
    pub probes: Probes,
    /// `Init=` and `Sidecar=`: when it runs.
    #[serde(default, skip_serializing_if = "ContainerKind::is_main")]
    pub kind: ContainerKind,
    /// `Essential=`: whether the pod is ready only with it, and its failure one of the pod.
    #[serde(default = "essential", skip_serializing_if = "is_essential")]
    pub essential: bool,
    /// `Label=`.
    pub labels: BTreeMap<String, String>,
    /// `Annotation=`. They are shown, and never given to the runtime, which would take orders from some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `[Unit]`, `[Service]` and `[Install]` of the member; before what is written there, what `Memory=`, `PidsLimit=`
    /// and `AddDevice=` are for systemd.
    pub units: Passthrough,
}

/// What a container's root file system is made of. Exactly one of `Image=` and `Rootfs=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// An image by its reference, such as `docker.io/library/nginx`, and how it is got.
    Image(Request),
    /// A directory of the host.
    Rootfs(String),
}

/// Where `podunit auto-update` looks for a newer image of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoUpdate {
    /// At the registry: the image that the reference names there.
    Registry,
    /// In the store of this machine: somebody pulled, loaded or tagged another.
    Local,
}

impl Container {
    /// What is asked for with `Image=`; `None` with `Rootfs=`.
    pub fn request(&self) -> Option<&Request> {
        match &self.image {
            ImageSource::Image(request) => Some(request),
            ImageSource::Rootfs(_) => None,
        }
    }

    /// Whether a probe has to pass before the member is ready: then the supervisor says so to systemd, not the launcher.
    pub fn is_gated(&self) -> bool {
        self.probes.are_gate(self.ready)
    }

    /// Whether something tells it to reload.
    pub fn has_reload(&self) -> bool {
        self.reload_signal.is_some() || self.reload_cmd.is_some()
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One word of `StopEscalate=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// The signal.
    pub signal: Signal,
    /// When it is sent, of the whole [`Container::stop_timeout`].
    #[serde(with = "duration")]
    pub after: Duration,
}

/// What a member that says nothing about it is.
fn essential() -> bool {
    true
}

fn is_essential(essential: &bool) -> bool {
    *essential
}

/// When a member runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerKind {
    /// As long as the pod.
    #[default]
    Main,
    /// To its end, before others start; again with each new life of the pod (`Init=true`).
    Init,
    /// As long as the pod, started before all others and stopped after them (`Sidecar=true`).
    Sidecar,
}

impl ContainerKind {
    fn is_main(&self) -> bool {
        *self == Self::Main
    }
}

/// A file of `NAME=value` lines (systemd.exec(5), `EnvironmentFile=`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentFile {
    /// Absolute path on the host.
    pub path: String,
    /// Whether a missing file is no error.
    pub optional: bool,
}

/// A directory or file of the host in the container (`Volume=SOURCE:TARGET[:OPTIONS]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// Absolute path on the host.
    pub source: String,
    /// Absolute path in the container.
    pub target: String,
    /// Options as podman-run(1) has them: `ro` `rw` `nosuid` `nodev` `noexec` `rprivate` `rshared` … The reader
    /// has checked that each is known.
    pub options: Vec<String>,
}

/// A tmpfs in the container (`Tmpfs=TARGET[:OPTIONS]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tmpfs {
    /// Absolute path in the container.
    pub target: String,
    /// Mount options such as `size=64m` or `mode=1777`; checked by the reader.
    pub options: Vec<String>,
}

/// A file system of pseudo-terminals in the container (`Mount=type=devpts`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Devpts {
    /// Absolute path in the container.
    pub target: String,
    /// Mount options such as `mode=0620`; checked by the reader.
    pub options: Vec<String>,
}

/// When a member counts as ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// As soon as its process runs.
    Started,
    /// When its process sends `READY=1` (`Notify=true`, sd_notify(3)).
    Notify,
    /// When its health check passes (`Notify=healthy`).
    Healthy,
}
