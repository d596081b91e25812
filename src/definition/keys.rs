//! The one table of keys: what each is, how it is read, and whether this version honours it.
//!
//! The names and the read rules are Quadlet's (podman-systemd.unit(5)), so that its files can be used as they are.

use super::directive::SHORT;
use super::refused::{self, Owner, Refusal};
use super::refused_keys::{ARTIFACT, BUILD, KUBE};
use super::{resource_keys, systemd_keys};
use crate::diagnostic::nearest;
use Rule::{All, Args, Bool, Exec, Number, Pairs, Single, Words};
use Status::{Elsewhere, Honoured, NoEffect, Unsupported};

/// How the assignments of a key become values. Where nothing else is said, an empty assignment clears what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The last assignment, one pair of `"` around it removed; empty is as if unset.
    Single,
    /// Each assignment is a value, one pair of `"` around it removed, which Quadlet would leave there.
    All,
    /// Words of all assignments; quotes removed, backslashes kept.
    Words,
    /// Words of all assignments; quotes removed, C escapes read.
    Args,
    /// A command line: the last assignment, checked as words but kept as written.
    Exec,
    /// `NAME=value` words, read as [`Rule::Args`].
    Pairs,
    /// A boolean (systemd.syntax(7)), the last assignment.
    Bool,
    /// A number, the last assignment.
    Number,
}

/// The rule of a key, by the name of its section.
pub fn rule_of(section: &str, key: &str) -> Option<Rule> {
    let table = match section {
        "Pod" => POD,
        "Container" => CONTAINER,
        _ => return None,
    };
    find(table, key).map(|key| key.rule)
}

/// What this version does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It does what the documentation says.
    Honoured,
    /// Accepted, with a warning that says why it changes nothing.
    NoEffect(&'static str),
    /// An error, with what to write instead.
    Unsupported(&'static str),
    /// An error: the section in which it belongs and why, and what to write.
    Elsewhere(&'static str, &'static str),
}

/// One key of a section.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// How it is read.
    pub(super) rule: Rule,
    /// What it is for, in one line.
    pub(super) doc: &'static str,
    /// Whether it is honoured.
    pub(super) status: Status,
}

pub(super) const fn key(name: &'static str, rule: Rule, status: Status, doc: &'static str) -> Key {
    Key {
        name,
        rule,
        doc,
        status,
    }
}

pub(super) const NO_GLOBAL: &str = "podunit runs no Podman; the host's own settings are in podunit.conf(5)";
pub(super) const NO_MODULE: &str =
    "podunit reads no containers.conf; write what the module says as keys here, or into podunit.conf(5)";
const HEALTH_LOG: &str = "changes of a container's health go to the journal, with what the check said";
const NO_USERNS: &str = "this version makes no user namespaces: users of the container are those of the host with the same numbers; \
    leave the key out, and write User= for a program that need not be root";
const POD_NAMES: &str = "[Pod]: its members share one /etc/hosts and /etc/resolv.conf";
const POD_ADDRESS: &str = "[Pod]: its members share one network";
const NO_LABELS: &str = "podunit sets no SELinux label; where SELinux is on, the container does not start";
const POD_NETWORK: &str = "write Network= in [Pod]";

/// Keys of `[Pod]`.
#[rustfmt::skip]
pub(super) const POD: &[Key] = &[
    key("AddHost", All, Honoured, "Names in /etc/hosts of the members: NAME[;NAME…]:ADDRESS, or :host-gateway for the host"),
    key("ContainersConfModule", All, Unsupported(NO_MODULE), "Modules of containers.conf"),
    key("DNS", All, Honoured, "Name servers of the members, in the place of the host's"),
    key("DNSOption", All, Honoured, "Options of the resolver (resolv.conf(5)), in the place of the host's"),
    key("DNSSearch", All, Honoured, "Search domains, in the place of the host's; . for none"),
    key("ExitPolicy", Single, Honoured, "When all containers have ended: continue (if absent), or stop, which stops the pod"),
    key("GIDMap", Words, Unsupported(NO_USERNS), "Map of group IDs"),
    key("GlobalArgs", Args, Unsupported(NO_GLOBAL), "Arguments to podman"),
    key("HostName", All, Honoured, "Host name that the members see"),
    key("IP", Single, Honoured, "IPv4 address in the network, if there is one"),
    key("IP6", Single, Honoured, "IPv6 address in the network, if there is one"),
    key("Label", Pairs, Honoured, "Labels, NAME=value"),
    key("Network", All, Honoured, "none, host, bridge, networks as NAME.network[:ip=ADDRESS,ip6=ADDRESS,mac=ADDRESS,alias=NAME,interface_name=NAME], or NAME.pod whose network it joins"),
    key("NetworkAlias", All, Honoured, "Further names of the pod in its networks"),
    key("OnFailure", Single, Honoured, "When a member has failed for good: isolate, restart-pod or stop-pod"),
    key("PodName", Single, Honoured, "The pod's name, which is that of its file"),
    key("PodmanArgs", Args, Honoured, "Options of podman pod create; those that say what a key says are read as that key, others are refused"),
    key("PublishPort", All, Honoured, "Ports of the host that lead into the pod: [IP:][HOST:]POD[/PROTOCOL]; without HOST one is chosen at each start"),
    key("RemapGid", Words, Unsupported(NO_USERNS), "Map of group IDs"),
    key("RemapUid", Words, Unsupported(NO_USERNS), "Map of user IDs"),
    key("RemapUidSize", Number, Unsupported(NO_USERNS), "Size of the user namespace"),
    key("RemapUsers", Single, Unsupported(NO_USERNS), "User namespace"),
    key("ServiceName", Single, Honoured, "Another name of the pod's unit, without .service; its own is pod-X.service"),
    key("Share", Words, Honoured, "Namespaces that the members share: net ipc uts pid, or none"),
    key("ShmSize", Single, Honoured, "Size of /dev/shm"),
    key("StopTimeout", Single, Honoured, "StopTimeout= of the containers that do not say so themselves"),
    key("SubGIDMap", Single, Unsupported(NO_USERNS), "Map of group IDs"),
    key("SubUIDMap", Single, Unsupported(NO_USERNS), "Map of user IDs"),
    key("UIDMap", Words, Unsupported(NO_USERNS), "Map of user IDs"),
    key("UserNS", Single, Unsupported(NO_USERNS), "User namespace"),
    key("Volume", All, Honoured, "Files of the host, or volumes, in every container: SOURCE:TARGET[:OPTIONS]"),
];

/// Keys of `[Container]` and `[Container NAME]`.
#[rustfmt::skip]
pub(super) const CONTAINER: &[Key] = &[
    key("AddCapability", Words, Honoured, "Capabilities in addition to the default"),
    key("AddDevice", Words, Honoured, "Devices of the host, or folders of such: [-]HOST[:CONTAINER][:RIGHTS]; with `-`, one that is missing is left out"),
    key("AddHost", All, Elsewhere(POD_NAMES, "write AddHost= in [Pod]"), "Names in /etc/hosts"),
    key("After", Words, Honoured, "Members or units that are to be ready before; as After= in the member's [Unit]"),
    key("Annotation", Pairs, Honoured, "Annotations, NAME=value, shown by podunit inspect; the runtime gets none"),
    key("AppArmor", Single, Honoured, "Profile of AppArmor that the host has loaded, or unconfined"),
    key("Arch", Single, Honoured, "Processor that the image is for, such as arm64; this machine's if absent"),
    key("AuthFile", Single, Honoured, "The file with credentials for the registry (containers-auth.json(5))"),
    key("AutoUpdate", Single, Honoured, "Where podunit auto-update looks for a newer image: registry or local"),
    key("CertDir", Single, Honoured, "The folder with certificates for the registry (containers-certs.d(5))"),
    key("CgroupsMode", Single, NoEffect("each container is in the cgroup of its own unit"), "Use of cgroups"),
    key("ContainerName", Single, NoEffect("a container is named after its section or file, and called POD/NAME by commands"), "Name of the container"),
    key("ContainersConfModule", All, Unsupported(NO_MODULE), "Modules of containers.conf"),
    key("DNS", All, Elsewhere(POD_NAMES, "write DNS= in [Pod]"), "Name servers"),
    key("DNSOption", All, Elsewhere(POD_NAMES, "write DNSOption= in [Pod]"), "Options of the resolver"),
    key("DNSSearch", All, Elsewhere(POD_NAMES, "write DNSSearch= in [Pod]"), "Search domains"),
    key("DropCapability", Words, Honoured, "Capabilities taken from the default"),
    key("Entrypoint", Single, Honoured, "Entry point: a program, or a JSON list; empty clears that of the image"),
    key("Environment", Pairs, Honoured, "Environment variables, NAME=value"),
    key("EnvironmentFile", Args, Honoured, "Files of environment variables"),
    key("EnvironmentHost", Bool, Honoured, "The whole environment of the container's unit, under that of the image"),
    key("Essential", Bool, Honoured, "Whether the pod needs it: to be ready, and not to have failed; yes if absent"),
    key("Exec", Exec, Honoured, "Arguments that replace the command of the image"),
    key("ExposeHostPort", All, NoEffect("exposing a port publishes nothing; PublishPort= does"), "Documented ports"),
    key("GIDMap", Words, Unsupported(NO_USERNS), "Map of group IDs"),
    key("GlobalArgs", Args, Unsupported(NO_GLOBAL), "Arguments to podman"),
    key("Group", Single, Honoured, "Group that the program runs as, with User="),
    key("GroupAdd", All, Honoured, "One more group of the process, by name or number"),
    key("HealthCmd", Single, Honoured, "Health check: a command in the container, which must end with status 0; none for no check"),
    key("HealthInterval", Single, Honoured, "From one health check to the next, 30s if absent; disable for no check"),
    key("HealthLogDestination", Single, NoEffect(HEALTH_LOG), "Where results of health checks go"),
    key("HealthMaxLogCount", Single, NoEffect(HEALTH_LOG), "How many results are kept"),
    key("HealthMaxLogSize", Single, NoEffect(HEALTH_LOG), "How long a result may be"),
    key("HealthOnFailure", Single, Honoured, "What is done about an unhealthy container: none, kill, restart or stop"),
    key("HealthRetries", Single, Honoured, "So many failures in a row make a container unhealthy, 3 if absent"),
    key("HealthStartPeriod", Single, Honoured, "How long after a start failures do not count, unless a check has passed"),
    key("HealthStartupCmd", Single, Honoured, "The check that must pass once before the health check begins"),
    key("HealthStartupInterval", Single, Honoured, "From one such check to the next, 30s if absent"),
    key("HealthStartupRetries", Single, Honoured, "So many failures in a row end the container; without end if absent"),
    key("HealthStartupSuccess", Single, Honoured, "So many passes in a row are needed, 1 if absent"),
    key("HealthStartupTimeout", Single, Honoured, "How long such a check may take, 30s if absent"),
    key("HealthTimeout", Single, Honoured, "How long a health check may take, 30s if absent"),
    key("HostName", Single, Elsewhere("[Pod]: its members have one host name", "write HostName= in [Pod]"), "Host name"),
    key("HttpProxy", Bool, Honoured, "Proxy variables of the environment of the container's unit; no if absent"),
    key("IP", Single, Elsewhere(POD_ADDRESS, "write IP= in [Pod]"), "IPv4 address"),
    key("IP6", Single, Elsewhere(POD_ADDRESS, "write IP6= in [Pod]"), "IPv6 address"),
    key("Image", Single, Honoured, "Image that the container runs"),
    key("Init", Bool, Honoured, "It runs to its end before others start, and again with each new life of the pod"),
    key("Label", Pairs, Honoured, "Labels, NAME=value"),
    key("LiveInterval", Single, Honoured, "From one check of LiveProbe= to the next, 10s if absent"),
    key("LiveOnFailure", Single, Honoured, "What is done about an unhealthy container: none, kill, restart (if absent) or stop"),
    key("LiveProbe", Single, Honoured, "Whether the container is healthy: a command, tcp:PORT, http://:PORT/PATH or unix:/PATH"),
    key("LiveRetries", Single, Honoured, "So many failures in a row make a container unhealthy, 3 if absent"),
    key("LiveTimeout", Single, Honoured, "How long a check of LiveProbe= may take, 5s if absent"),
    key("LogDriver", Single, Honoured, "journald or passthrough: the journal, as if absent; none: nobody reads the output"),
    key("LogOpt", Words, NoEffect("the journal has settings of its own (journald.conf(5))"), "Options of the log"),
    key("Mask", Args, Honoured, "Paths to hide in addition to the default: PATH[:PATH…]"),
    key("Memory", Single, Honoured, "Limit of memory, such as 512m: MemoryMax= of the container's unit"),
    key("Mount", Args, Honoured, "Mounts as in podman-run(1): type=bind, volume, tmpfs or devpts, source=, target=, options"),
    key("Network", All, Elsewhere("[Pod]: its members share one network", POD_NETWORK), "Network"),
    key("NetworkAlias", All, Elsewhere(POD_ADDRESS, "write NetworkAlias= in [Pod]"), "Names in the network"),
    key("NoNewPrivileges", Bool, Honoured, "Whether no program can gain privileges (set-user-ID bits); yes if absent"),
    key("Notify", Single, Honoured, "Whether the program says when it is ready (sd_notify(3))"),
    key("OS", Single, Honoured, "Operating system that the image is for; linux if absent"),
    key("PidsLimit", Single, Honoured, "Limit of processes and threads, -1 for none: TasksMax= of the container's unit"),
    key("Pod", Single, Honoured, "The pod of a container that has a file of its own"),
    key("PodmanArgs", Args, Honoured, "Options of podman run; those that say what a key says are read as that key, others are refused"),
    key("PreStop", Exec, Honoured, "Command that is run in the container before its stop signal"),
    key("PublishPort", All, Honoured, "Ports of the host that lead into the pod: [IP:][HOST:]POD[/PROTOCOL]; without HOST one is chosen at each start"),
    key("Pull", Single, Honoured, "When the registry is asked for the image: always, missing, never or newer"),
    key("ReadOnly", Bool, Honoured, "The root file system cannot be written"),
    key("ReadOnlyTmpfs", Bool, Honoured, "Whether ReadOnly=yes leaves a tmpfs on /run, /tmp and /var/tmp; yes if absent"),
    key("ReadyInterval", Single, Honoured, "From one check of ReadyProbe= to the next, 10s if absent"),
    key("ReadyProbe", Single, Honoured, "Whether the container is ready: a command, tcp:PORT, http://:PORT/PATH or unix:/PATH"),
    key("ReadyRetries", Single, Honoured, "So many failures in a row take readiness away, 3 if absent"),
    key("ReadySuccess", Single, Honoured, "So many passes in a row are needed, 1 if absent"),
    key("ReadyTimeout", Single, Honoured, "How long a check of ReadyProbe= may take, 5s if absent"),
    key("ReloadCmd", Exec, Honoured, "Command that is run in the container to reload it; its exit status counts"),
    key("ReloadSignal", Single, Honoured, "Signal that reloads"),
    key("RemapGid", Words, Unsupported(NO_USERNS), "Map of group IDs"),
    key("RemapUid", Words, Unsupported(NO_USERNS), "Map of user IDs"),
    key("RemapUidSize", Number, Unsupported(NO_USERNS), "Size of the user namespace"),
    key("RemapUsers", Single, Unsupported(NO_USERNS), "User namespace"),
    key("Requires", Words, Honoured, "Members or units without which it does not run; as Requires= in the member's [Unit]"),
    key("Retry", Single, Honoured, "How often a pull that failed is tried again; 3 if absent"),
    key("RetryDelay", Single, Honoured, "Time between these attempts; from a second, doubled each time, if absent"),
    key("Rootfs", Single, Honoured, "Folder of the host in the place of an image"),
    key("RunInit", Bool, Honoured, "The program is not PID 1 of its namespace, and what is reaps, as Share=pid has it for the pod"),
    key("SeccompProfile", Single, Honoured, "A file in the place of the default seccomp profile, or unconfined"),
    key("Secret", Args, Unsupported("mount a file of the host: Volume=/path/secret:/run/secrets/secret:ro"), "Secrets of Podman"),
    key("SecurityLabelDisable", Bool, NoEffect("podunit sets no SELinux label"), "No SELinux label"),
    key("SecurityLabelFileType", Single, NoEffect(NO_LABELS), "SELinux label"),
    key("SecurityLabelLevel", Single, NoEffect(NO_LABELS), "SELinux label"),
    key("SecurityLabelNested", Bool, NoEffect(NO_LABELS), "SELinux label"),
    key("SecurityLabelType", Single, NoEffect(NO_LABELS), "SELinux label"),
    key("ServiceName", Single, Honoured, "Another name of the container's unit, without .service"),
    key("ShmSize", Single, Honoured, "Size of /dev/shm, where the pod does not share ipc or has one container"),
    key("Sidecar", Bool, Honoured, "It starts before all other members and stops after them"),
    key("SignalMap", Words, Honoured, "What signals sent to the pod become: HUP:USR1 USR2:none"),
    key("StartWithPod", Bool, Honoured, "Always true: members start with their pod"),
    key("StartupInterval", Single, Honoured, "From one check of StartupProbe= to the next, 10s if absent"),
    key("StartupProbe", Single, Honoured, "Whether the container has started, which the other probes wait for"),
    key("StartupRetries", Single, Honoured, "So many failures in a row end the container; without end if absent"),
    key("StartupSuccess", Single, Honoured, "So many passes in a row are needed, 1 if absent"),
    key("StartupTimeout", Single, Honoured, "How long a check of StartupProbe= may take, 5s if absent"),
    key("StopEscalate", Words, Honoured, "Signals after the stop signal, by time or share of StopTimeout=: QUIT@70%"),
    key("StopRepeat", Number, Honoured, "How often the current signal of a stop is sent again within StopTimeout="),
    key("StopSignal", Single, Honoured, "Signal that stops"),
    key("StopTimeout", Single, Honoured, "From the beginning of a stop to SIGKILL, in seconds; 10 if absent"),
    key("SubGIDMap", Single, Unsupported(NO_USERNS), "Map of group IDs"),
    key("SubUIDMap", Single, Unsupported(NO_USERNS), "Map of user IDs"),
    key("Sysctl", Words, Honoured, "Kernel parameters of network and IPC, NAME=value, in the pod's namespaces or the container's own"),
    key("TLSVerify", Bool, Honoured, "Whether the registry must show a certificate that is trusted"),
    key("Timezone", Single, Honoured, "Time zone of the host as /etc/localtime: a name such as Europe/Berlin, or local"),
    key("Tmpfs", All, Honoured, "tmpfs in the container: TARGET[:OPTIONS]"),
    key("UIDMap", Words, Unsupported(NO_USERNS), "Map of user IDs"),
    key("Ulimit", All, Honoured, "Limits of the process: NAME=SOFT[:HARD], such as nofile=1024:2048; host for those of the unit"),
    key("Unmask", Args, Honoured, "Paths that are neither hidden nor read-only, patterns too: PATH[:PATH…], or ALL"),
    key("User", Single, Honoured, "User that the program runs as"),
    key("UserNS", Single, Unsupported(NO_USERNS), "User namespace"),
    key("Variant", Single, Honoured, "Variant of that processor, such as v7"),
    key("VolatileTmp", Bool, Honoured, "A tmpfs of 512 MiB on /tmp, unless ReadOnly=yes has one there"),
    key("Volume", All, Honoured, "Files of the host, or volumes, in the container: SOURCE:TARGET[:OPTIONS]"),
    key("Wants", Words, Honoured, "Members or units that start with it; as Wants= in the member's [Unit]"),
    key("WorkingDir", Single, Honoured, "Working directory"),
];

/// Keys of these tables that are not Quadlet's: in files that are to stay good for Quadlet they stand in `[X-Podunit]`.
const EXTENSIONS: &[&str] = &[
    "After",
    "Arch",
    "AuthFile",
    "CertDir",
    "Essential",
    "Init",
    "LiveInterval",
    "LiveOnFailure",
    "LiveProbe",
    "LiveRetries",
    "LiveTimeout",
    "OS",
    "OnFailure",
    "PreStop",
    "ReadyInterval",
    "ReadyProbe",
    "ReadyRetries",
    "ReadySuccess",
    "ReadyTimeout",
    "Requires",
    "Share",
    "Sidecar",
    "SignalMap",
    "StartupInterval",
    "StartupProbe",
    "StartupRetries",
    "StartupSuccess",
    "StartupTimeout",
    "StopEscalate",
    "StopRepeat",
    "TLSVerify",
    "Variant",
    "Wants",
];

/// Whether a key of `POD` or `CONTAINER` is one that Quadlet does not know there.
pub fn is_extension(name: &str) -> bool {
    EXTENSIONS.binary_search(&name).is_ok()
}

/// Keys of `[Quadlet]`.
pub(super) const QUADLET: &[Key] = &[key(
    "DefaultDependencies",
    Bool,
    Honoured,
    "Whether the unit waits for the network to be online (network-online.target); no if absent, unlike in Quadlet",
)];

/// Keys of `[Install]`.
pub(super) const INSTALL: &[&str] = &[
    "Alias",
    "Also",
    "DefaultInstance",
    "RequiredBy",
    "UpheldBy",
    "WantedBy",
];

/// A key as the manual shows it.
#[derive(Debug)]
pub struct DocumentedKey {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub doc: &'static str,
    /// `accepted` or `refused`, for a key that does nothing.
    pub verdict: &'static str,
    /// For a key that does nothing: why, or what to write instead.
    pub instead: Option<&'static str>,
    /// Whether Quadlet does not know it.
    pub is_extension: bool,
}

/// Sections of Quadlet's, and the tables of their keys.
const SECTIONS: &[(&str, &[Key])] = &[
    ("Container", CONTAINER),
    ("Pod", POD),
    ("Volume", resource_keys::VOLUME),
    ("Network", resource_keys::NETWORK),
    ("Image", resource_keys::IMAGE),
    ("Quadlet", QUADLET),
    ("Artifact", ARTIFACT),
    ("Build", BUILD),
    ("Kube", KUBE),
];

/// Names of the sections whose keys are in a table.
pub const DOCUMENTED: [&str; SECTIONS.len()] = {
    let mut names = [""; SECTIONS.len()];
    let mut at = 0;
    while at < SECTIONS.len() {
        names[at] = SECTIONS[at].0;
        at += 1;
    }
    names
};

/// All keys of a section, sorted by name, for the manual.
pub fn documented_keys(section: &str) -> impl Iterator<Item = DocumentedKey> {
    let table = SECTIONS.iter().find(|(name, _)| *name == section);
    let table = table.map_or(&[] as &[Key], |(_, table)| table);
    table.iter().map(|key| {
        let (verdict, instead) = match key.status {
            Honoured => ("honoured", None),
            NoEffect(why) => ("accepted, without effect", Some(why)),
            Unsupported(why) | Elsewhere(_, why) => ("refused", Some(why)),
        };
        DocumentedKey {
            name: key.name,
            doc: key.doc,
            verdict,
            instead,
            is_extension: is_extension(key.name),
        }
    })
}

/// The key with this name.
pub(super) fn find<'t>(table: &'t [Key], name: &str) -> Option<&'t Key> {
    let at = table.binary_search_by_key(&name, |key| key.name).ok()?;
    table.get(at)
}

/// What to do about a key that is not in `table`, whose section a user writes as `section`.
pub(super) fn help_for_unknown(table: &[Key], section: &str, name: &str) -> String {
    if let Some(help) = help_for_misplaced(section, name) {
        return help;
    }
    let own = nearest::near(name, table.iter().map(|key| key.name), nearest::MOST_EDITS);
    let theirs = nearest::near(name, passed_on(section), nearest::FEW_EDITS);
    match (own, theirs) {
        // At the same distance, what is at home in this section was meant.
        (Some((edits, key)), other) if other.is_none_or(|(more, _)| edits <= more) => {
            did_you_mean(table, key)
        }
        (_, Some((_, key))) => {
            let home = systemd_section(section, key).unwrap_or_default();
            format!("did you mean {key}=, which belongs in {home}?")
        }
        _ => REMOVE.to_owned(),
    }
}

/// What to do about a key that no section knows.
pub(super) const REMOVE: &str = "remove it, or begin its name with X- to keep it as a note";

/// What to do about a key that another section has, seen from `section`.
pub(super) fn help_for_misplaced(section: &str, name: &str) -> Option<String> {
    let tables = [("Pod", POD), ("Container …", CONTAINER)];
    let mut found = tables
        .iter()
        .filter_map(|(other, table)| Some((other, find(table, name)?.status)));
    // After= and its like are at home in [Unit], and short in [Container …] alone.
    let is_short = |name| SHORT.contains(&name);
    if let Some((other, _)) = found
        .clone()
        .find(|(_, status)| *status == Honoured && !is_short(name))
    {
        return Some(format!("{name}= belongs in [{other}]"));
    }
    if let Some(home) = systemd_section(section, name) {
        return Some(match refusal(section, name) {
            Some(refusal) => refusal.instead.to_owned(),
            None => format!("{name}= belongs in {home}"),
        });
    }
    let (other, status) = found.next()?;
    Some(match status {
        Unsupported(instead) | Elsewhere(_, instead) => {
            format!("{name}= belongs in [{other}], and is not supported there: {instead}")
        }
        _ => format!("{name}= belongs in [{other}]"),
    })
}

fn did_you_mean(table: &[Key], name: &str) -> String {
    match find(table, name).map(|key| (key.status, key.doc)) {
        Some((Unsupported(instead), _)) => {
            format!("did you mean {name}=? It is not supported by this version: {instead}")
        }
        Some((Elsewhere(home, _), _)) => {
            let section = home.split(':').next().unwrap_or_default();
            format!("did you mean {name}=, which belongs in {section}?")
        }
        Some((_, doc)) => format!("did you mean {name}= ({doc})?"),
        None => format!("did you mean {name}=?"),
    }
}

/// The section of systemd's in which a key stands that is about the same thing as `section`.
fn systemd_section(section: &str, key: &str) -> Option<String> {
    let kind = if systemd_keys::UNIT.contains(&key) {
        "Unit"
    } else if systemd_keys::SERVICE.contains(&key) {
        "Service"
    } else if INSTALL.contains(&key) {
        return Some("[Install]".to_owned());
    } else {
        return None;
    };
    // `[Container web]` goes with `[Service web]`.
    let name = section.strip_prefix("[Container ");
    Some(name.map_or_else(|| format!("[{kind}]"), |name| format!("[{kind} {name}")))
}

/// Keys of systemd's that can be set.
fn passed_on(section: &str) -> impl Iterator<Item = &'static str> {
    let all = systemd_keys::UNIT
        .iter()
        .chain(systemd_keys::SERVICE)
        .chain(INSTALL);
    all.copied().filter(move |key| refusal(section, key).is_none())
}

/// Why systemd's key cannot be set where it belongs.
fn refusal(section: &str, key: &str) -> Option<Refusal> {
    if systemd_keys::UNIT.contains(&key) {
        return refused::in_unit(key);
    }
    let owner = if section == "[Pod]" {
        Owner::Pod
    } else {
        Owner::Member
    };
    refused::in_service(key, owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_documented() {
        assert!(EXTENSIONS.is_sorted());
        for table in [
            POD,
            CONTAINER,
            QUADLET,
            resource_keys::VOLUME,
            resource_keys::NETWORK,
            resource_keys::IMAGE,
            KUBE,
        ] {
            assert!(table.is_sorted_by(|a, b| a.name < b.name));
            assert!(
                table
                    .iter()
                    .all(|key| !key.doc.is_empty() && !key.doc.ends_with('.'))
            );
        }
    }

    #[test]
    fn every_key_of_quadlet_is_known() {
        // Podman 6.0 has 94 and 29 of them.
        let ours = |table: &[Key]| table.iter().filter(|key| is_extension(key.name)).count();
        assert_eq!(CONTAINER.len() - ours(CONTAINER), 94);
        assert_eq!(POD.len() - ours(POD), 29);
        assert_eq!(
            ours(CONTAINER) + ours(POD),
            EXTENSIONS.len(),
            "each is a key of one of them"
        );
        assert_eq!(resource_keys::VOLUME.len(), 16);
        // Route is ours.
        assert_eq!(resource_keys::NETWORK.len(), 18 + 1);
        assert_eq!(resource_keys::IMAGE.len(), 18);
        assert_eq!(KUBE.len(), 19);
    }

    #[test]
    fn typing_errors_find_the_key() {
        for (typed, meant) in [
            ("Imge", "Image"),
            ("image", "Image"),
            ("Enviroment", "Environment"),
            ("Evn", ""),
        ] {
            assert_eq!(
                nearest::nearest(typed, CONTAINER.iter().map(|key| key.name)).unwrap_or(""),
                meant
            );
        }
        assert_eq!(
            help_for_unknown(POD, "[Pod]", "Restart"),
            "write it in the [Service …] of the containers"
        );
        for (typed, help) in [
            ("Restart", "Restart= belongs in [Service a]"),
            ("MemoryMax", "MemoryMax= belongs in [Service a]"),
            ("WantedBy", "WantedBy= belongs in [Install]"),
            ("Restrat", "did you mean Restart=, which belongs in [Service a]?"),
            ("Share", "Share= belongs in [Pod]"),
            ("HostNam", "did you mean HostName=, which belongs in [Pod]?"),
        ] {
            assert_eq!(help_for_unknown(CONTAINER, "[Container a]", typed), help);
        }
        let refused = help_for_unknown(CONTAINER, "[Container a]", "Secrt");
        assert!(
            refused.starts_with("did you mean Secret=? It is not supported"),
            "{refused}"
        );
    }
}
