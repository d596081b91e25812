//! `[Container]` → [`Container`].

use super::directive::Known;
use super::mount::Mounted;
use super::mount_key::{self, MountKey};
use super::port::{self, Ports};
use super::section::{Settings, Value};
use super::{image, instance, lifecycle, limit, linux, mount, probe, process, signal, stop};
use crate::diagnostic::{Place, Problem};
use crate::model::{
    Bind, Container, Devpts, Directive, EnvironmentFile, MemberName, Passthrough, Ready, Tmpfs, VolumeMount,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Capabilities of Linux 6.x (capabilities(7)), without `CAP_`.
const CAPABILITIES: &str = "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN \
    DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE \
    MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_BOOT \
    SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG SYSLOG \
    WAKE_ALARM ALL";

/// Reads one container, and adds what it publishes to `ports`. `source` is its file and `heading` the place that
/// stands for it as a whole. What has an error is left out or empty: the pod will not be made.
pub(super) fn read(
    name: MemberName,
    source: &Path,
    heading: Place,
    settings: &Settings,
    known: &Known,
    ports: &mut Ports,
    problems: &mut Vec<Problem>,
) -> Container {
    settings.check_keys(problems);
    always_true(
        settings,
        "StartWithPod",
        "all containers start with their pod in this version",
        problems,
    );
    let folder = source.parent().unwrap_or(Path::new("/"));
    port::read(settings, ports, problems);
    let mounts = mounts(settings, folder, known, problems);
    let mut directives = limit::read(settings, problems);
    let stop = stop::read(settings, problems);
    let (reload_signal, reload_cmd) = signal::reload(settings, problems);
    let ready = ready(settings, problems);
    Container {
        name,
        source: source.to_owned(),
        service_name: instance::service_name(settings, problems),
        image: image::source(settings, heading, known, problems),
        auto_update: image::auto_update(settings, problems),
        exec: settings.text("Exec", problems).map(|value| value.text),
        entrypoint: entrypoint(settings, problems),
        environment: settings.pairs("Environment", problems),
        environment_files: environment_files(settings, folder, problems),
        user: user(settings, problems),
        working_dir: working_dir(settings, problems),
        binds: mounts.binds,
        volumes: mounts.volumes,
        tmpfs: mounts.tmpfs,
        devpts: mounts.devpts,
        read_only: is_on(settings, "ReadOnly", problems),
        no_tmpfs: settings
            .flag("ReadOnlyTmpfs", problems)
            .is_some_and(|(flag, _)| !flag),
        shm_size: limit::shm_size(settings, problems),
        process: process::read(settings, problems),
        linux: linux::read(settings, folder, &mut directives, problems),
        add_capabilities: capabilities(settings, "AddCapability", problems),
        drop_capabilities: capabilities(settings, "DropCapability", problems),
        stop_signal: stop.signal,
        stop_timeout: stop.timeout,
        pre_stop: stop.hook,
        stop_escalate: stop.escalate,
        stop_repeat: stop.repeat,
        reload_signal,
        reload_cmd,
        signal_map: signal::map(settings, problems),
        ready,
        probes: probe::read(settings, ready, problems),
        kind: lifecycle::kind(settings, problems),
        essential: settings
            .flag("Essential", problems)
            .is_none_or(|(essential, _)| essential),
        labels: settings
            .pairs("Label", problems)
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
        annotations: annotations(settings, problems),
        units: Passthrough {
            unit: needs(&mounts.units),
            service: directives,
            ..Passthrough::default()
        },
    }
}

/// The member cannot do without these units, and starts after them.
fn needs(units: &[String]) -> Vec<Directive> {
    let line = |key: &str| Directive {
        key: key.to_owned(),
        value: units.join(" "),
    };
    match units {
        [] => Vec::new(),
        _ => vec![line("Requires"), line("After")],
    }
}

fn is_on(settings: &Settings, key: &str, problems: &mut Vec<Problem>) -> bool {
    settings.flag(key, problems).is_some_and(|(flag, _)| flag)
}

/// Names of annotations that runtimes take orders from.
const ORDERS: [&str; 5] = [
    "io.crun.",
    "module.wasm.",
    "org.criu.",
    "org.systemd.property.",
    "run.oci.",
];

fn annotations(settings: &Settings, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    for word in settings.values("Annotation", &mut Vec::new()) {
        if ORDERS.iter().any(|order| word.text.starts_with(order)) {
            problems.push(
                word.warning("this has no effect: annotations are shown, and do not reach the runtime"),
            );
        }
    }
    let pairs = settings.pairs("Annotation", problems).into_iter();
    pairs
        .map(|(name, value)| (name, value.unwrap_or_default()))
        .collect()
}

fn always_true(settings: &Settings, key: &str, why: &str, problems: &mut Vec<Problem>) {
    if let Some((false, value)) = settings.flag(key, problems) {
        problems.push(value.error(why).help(format!("leave {key}= out")));
    }
}

fn entrypoint(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    settings.last_entry("Entrypoint")?;
    let Some(value) = settings.text("Entrypoint", problems) else {
        return Some(Vec::new());
    };
    if !value.text.starts_with('[') {
        return Some(vec![value.text]);
    }
    let words = serde_json::from_str::<Vec<String>>(&value.text).ok();
    let words = words.filter(|words| !words.iter().any(|word| word.contains('\0')));
    if words.is_none() {
        let problem = value.error("this begins like a JSON list, but is no list of texts");
        problems.push(problem.help("write one program, or a list such as [\"/bin/sh\", \"-c\"]"));
    }
    words
}

fn environment_files(
    settings: &Settings,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<EnvironmentFile> {
    let mut files = Vec::new();
    for value in settings.texts("EnvironmentFile", problems) {
        let (name, optional) = match value.text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (value.text.as_str(), false),
        };
        // As in Quadlet: a path that is not absolute is relative to the definition, with or without a dot.
        let is_anchored = name.starts_with(['/', '%', '.']);
        let anchored = if is_anchored {
            name.to_owned()
        } else {
            format!("./{name}")
        };
        match mount::host_path(&anchored, folder).filter(|_| !name.is_empty()) {
            Some(path) => files.push(EnvironmentFile { path, optional }),
            None => problems.push(
                value
                    .error("this is no path of a file")
                    .help("write an absolute path"),
            ),
        }
    }
    files
}

fn user(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let user = settings.text("User", problems);
    let group = settings.text("Group", problems);
    for value in user.iter().chain(&group) {
        let parts = value.text.split(':').count();
        let most = if value.text == user.as_ref().map_or("", |user| &user.text) {
            2
        } else {
            1
        };
        let is_name =
            |part: &str| !part.is_empty() && !part.starts_with('-') && !part.contains(['/', ' ', '\t']);
        if parts > most || !value.text.split(':').all(is_name) {
            let problem = value.error("this is not a user or group");
            problems.push(problem.help("write a name or a number: User=nginx, User=101:101, Group=101"));
        }
    }
    match (user, group) {
        (Some(user), Some(group)) if user.text.contains(':') => {
            let problem = group
                .error("User= names a group already")
                .other(user.place(), "the group is named here");
            problems.push(problem.help("remove Group="));
            Some(user.text)
        }
        (Some(user), Some(group)) => Some(format!("{}:{}", user.text, group.text)),
        (None, Some(group)) => {
            problems.push(group.error("a group needs a user").help("add User="));
            None
        }
        (user, None) => user.map(|user| user.text),
    }
}

fn working_dir(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.text("WorkingDir", problems)?;
    let path = mount::container_path(&value.text);
    if path.is_none() {
        let problem = value.error("this is not an absolute path in the container");
        problems.push(problem.help("write an absolute path without `..`"));
    }
    path
}

/// What is mounted in a container, by the keys that say so, and units that it needs for that.
#[derive(Debug, Default)]
struct Mounts {
    binds: Vec<Bind>,
    volumes: Vec<VolumeMount>,
    tmpfs: Vec<Tmpfs>,
    devpts: Vec<Devpts>,
    units: Vec<String>,
}

impl Mounts {
    /// Adds what `Volume=` mounts, or a `Mount=` that says the same.
    fn add(&mut self, mounted: Mounted) {
        match mounted {
            Mounted::Bind(bind) => self.binds.push(bind),
            Mounted::Volume(volume, unit) => {
                self.volumes.push(volume);
                let unit = unit.filter(|unit| !self.units.contains(unit));
                self.units.extend(unit);
            }
        }
    }
}

fn mounts(settings: &Settings, folder: &Path, known: &Known, problems: &mut Vec<Problem>) -> Mounts {
    let mut taken: BTreeMap<String, Place> = BTreeMap::new();
    let mut take = |target: &str, value: &Value, problems: &mut Vec<Problem>| {
        if let Some(first) = taken.insert(target.to_owned(), value.place()) {
            let problem = value.error(format!("there is a mount on {target} already"));
            problems.push(problem.other(first, "the one before").help("remove one of them"));
        }
    };
    let mut mounts = Mounts::default();
    for value in settings.texts("Volume", problems) {
        if let Some(mounted) = mount::volume(&value, folder, known, problems) {
            take(mounted.target(), &value, problems);
            mounts.add(mounted);
        }
    }
    for value in settings.texts("Tmpfs", problems) {
        if let Some(mount) = mount::tmpfs(&value, problems) {
            take(&mount.target, &value, problems);
            mounts.tmpfs.push(mount);
        }
    }
    for value in settings.texts("Mount", problems) {
        match mount_key::read(&value, folder, known, problems) {
            Some(MountKey::Volume(mounted)) => {
                take(mounted.target(), &value, problems);
                mounts.add(mounted);
            }
            Some(MountKey::Tmpfs(mount)) => {
                take(&mount.target, &value, problems);
                mounts.tmpfs.push(mount);
            }
            Some(MountKey::Devpts(mount)) => {
                take(&mount.target, &value, problems);
                mounts.devpts.push(mount);
            }
            None => {}
        }
    }
    // Quadlet's own words for it; with ReadOnly=, there is a tmpfs on /tmp anyway.
    let is_read_only = is_on(settings, "ReadOnly", &mut Vec::new());
    if let Some((true, value)) = settings.flag("VolatileTmp", problems).filter(|_| !is_read_only) {
        let options = ["rw", "size=512M", "mode=1777"];
        take("/tmp", &value, problems);
        mounts.tmpfs.push(Tmpfs {
            target: "/tmp".to_owned(),
            options: options.map(str::to_owned).to_vec(),
        });
    }
    mounts
}

fn capabilities(settings: &Settings, key: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut capabilities = Vec::new();
    for value in settings.values(key, problems) {
        let upper = value.text.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if !CAPABILITIES.split(' ').any(|known| known == bare) {
            let near = crate::diagnostic::nearest::nearest(bare, CAPABILITIES.split(' '));
            let help = near.map_or("see capabilities(7)".to_owned(), |near| {
                format!("did you mean CAP_{near}?")
            });
            problems.push(value.error("this is not a capability").help(help));
            continue;
        }
        let name = if bare == "ALL" {
            bare.to_owned()
        } else {
            format!("CAP_{bare}")
        };
        if !capabilities.contains(&name) {
            capabilities.push(name);
        }
    }
    capabilities
}

fn ready(settings: &Settings, problems: &mut Vec<Problem>) -> Ready {
    let value = settings.value("Notify", problems);
    if value.is_some_and(|value| value.text == "healthy") {
        return Ready::Healthy;
    }
    match settings.flag("Notify", problems) {
        Some((true, _)) => Ready::Notify,
        _ => Ready::Started,
    }
}
