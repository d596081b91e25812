//! Options of podman-run(1) and podman-pod-create(1), and what each is here.

use super::limit;
use To::{Each, Key, Nothing, Refused, Service, Switch};

/// What an option is here.
#[derive(Debug, Clone, Copy)]
pub(super) enum To {
    /// A key with the same value.
    Key(&'static str),
    /// A key with each part of the value, which commas separate.
    Each(&'static str),
    /// A boolean key; the option needs no value.
    Switch(&'static str),
    /// A key of `[Service]`, whose value is made from the option's; `None` if it cannot be.
    Service(&'static str, fn(&str) -> Option<String>),
    /// `--sdnotify`, whose words are not those of `Notify=`.
    Ready,
    /// `--security-opt`, which is several keys.
    Security,
    /// Nothing, since it changes nothing here; whether it has a value.
    Nothing(bool),
    /// It cannot be had, and what to write instead; whether it has a value.
    Refused(bool, &'static str),
}

/// An option: its long name, its letter, what it is.
pub(super) type Flag = (&'static str, Option<char>, To);

const IN_CONTAINER: &str = "write it in the containers";
const NAMESPACES: &str = "write Share= in [Pod]";
const TERMINAL: &str = "podunit exec -it gives a terminal in a container that runs";
const REMOVE: &str = "leave it out";

/// Options of podman run.
#[rustfmt::skip]
pub(super) const RUN: &[Flag] = &[
    ("add-host", None, Each("AddHost")),
    ("annotation", None, Each("Annotation")),
    ("arch", None, Key("Arch")),
    ("attach", Some('a'), Refused(true, TERMINAL)),
    ("authfile", None, Key("AuthFile")),
    ("blkio-weight", None, Service("IOWeight", io_weight)),
    ("cap-add", None, Each("AddCapability")),
    ("cap-drop", None, Each("DropCapability")),
    ("cert-dir", None, Key("CertDir")),
    ("cgroup-parent", None, Refused(true, "limits of the pod stand in [Service] of its file")),
    ("cgroupns", None, Nothing(true)),
    ("cgroups", None, Key("CgroupsMode")),
    ("cidfile", None, Nothing(true)),
    ("conmon-pidfile", None, Nothing(true)),
    ("cpu-shares", Some('c'), Service("CPUWeight", cpu_weight)),
    ("cpus", None, Service("CPUQuota", cpu_quota)),
    ("cpuset-cpus", None, Service("AllowedCPUs", as_it_is)),
    ("cpuset-mems", None, Service("AllowedMemoryNodes", as_it_is)),
    ("detach", Some('d'), Nothing(false)),
    ("device", None, Each("AddDevice")),
    ("device-read-bps", None, Service("IOReadBandwidthMax", io_rate)),
    ("device-read-iops", None, Service("IOReadIOPSMax", io_rate)),
    ("device-write-bps", None, Service("IOWriteBandwidthMax", io_rate)),
    ("device-write-iops", None, Service("IOWriteIOPSMax", io_rate)),
    ("dns", None, Each("DNS")),
    ("dns-option", None, Each("DNSOption")),
    ("dns-search", None, Each("DNSSearch")),
    ("entrypoint", None, Key("Entrypoint")),
    ("env", Some('e'), Key("Environment")),
    ("env-file", None, Key("EnvironmentFile")),
    ("env-host", None, Switch("EnvironmentHost")),
    ("expose", None, Each("ExposeHostPort")),
    ("gidmap", None, Key("GIDMap")),
    ("gpus", None, Refused(true, "name the devices: AddDevice=")),
    ("group-add", None, Each("GroupAdd")),
    ("health-cmd", None, Key("HealthCmd")),
    ("health-interval", None, Key("HealthInterval")),
    ("health-log-destination", None, Key("HealthLogDestination")),
    ("health-max-log-count", None, Key("HealthMaxLogCount")),
    ("health-max-log-size", None, Key("HealthMaxLogSize")),
    ("health-on-failure", None, Key("HealthOnFailure")),
    ("health-retries", None, Key("HealthRetries")),
    ("health-start-period", None, Key("HealthStartPeriod")),
    ("health-startup-cmd", None, Key("HealthStartupCmd")),
    ("health-startup-interval", None, Key("HealthStartupInterval")),
    ("health-startup-retries", None, Key("HealthStartupRetries")),
    ("health-startup-success", None, Key("HealthStartupSuccess")),
    ("health-startup-timeout", None, Key("HealthStartupTimeout")),
    ("health-timeout", None, Key("HealthTimeout")),
    ("hostname", Some('h'), Key("HostName")),
    ("http-proxy", None, Switch("HttpProxy")),
    ("init", None, Switch("RunInit")),
    ("init-path", None, Nothing(true)),
    ("interactive", Some('i'), Refused(false, TERMINAL)),
    ("ip", None, Key("IP")),
    ("ip6", None, Key("IP6")),
    ("ipc", None, Refused(true, NAMESPACES)),
    ("label", Some('l'), Key("Label")),
    ("log-driver", None, Key("LogDriver")),
    ("log-opt", None, Key("LogOpt")),
    ("mac-address", None, Refused(true, REMOVE)),
    ("memory", Some('m'), Key("Memory")),
    ("memory-reservation", None, Service("MemoryLow", memory)),
    ("memory-swap", None, Refused(true, "write MemorySwapMax= in [Service], which is swap alone")),
    ("mount", None, Key("Mount")),
    ("name", None, Key("ContainerName")),
    ("network", None, Key("Network")),
    ("network-alias", None, Each("NetworkAlias")),
    ("no-healthcheck", None, Refused(false, "write HealthCmd=none")),
    ("oom-kill-disable", None, Refused(false, "write OOMScoreAdjust=-1000 in [Service]")),
    ("oom-score-adj", None, Service("OOMScoreAdjust", as_it_is)),
    ("os", None, Key("OS")),
    ("pid", None, Refused(true, NAMESPACES)),
    ("pidfile", None, Nothing(true)),
    ("pids-limit", None, Key("PidsLimit")),
    ("platform", None, Refused(true, "write OS=, Arch= and Variant=")),
    ("pod", None, Refused(true, "write Pod=")),
    ("privileged", None, Refused(false, "name what the program needs: AddCapability=, AddDevice=, Unmask=ALL, SeccompProfile=unconfined")),
    ("publish", Some('p'), Each("PublishPort")),
    ("publish-all", Some('P'), Refused(false, "write PublishPort= for each port")),
    ("pull", None, Key("Pull")),
    ("quiet", Some('q'), Nothing(false)),
    ("read-only", None, Switch("ReadOnly")),
    ("read-only-tmpfs", None, Switch("ReadOnlyTmpfs")),
    ("replace", None, Nothing(false)),
    ("requires", None, Refused(true, "write Requires= and After=")),
    ("restart", None, Service("Restart", restart)),
    ("retry", None, Key("Retry")),
    ("retry-delay", None, Key("RetryDelay")),
    ("rm", None, Nothing(false)),
    ("sdnotify", None, To::Ready),
    ("secret", None, Key("Secret")),
    ("security-opt", None, To::Security),
    ("shm-size", None, Key("ShmSize")),
    ("sig-proxy", None, Nothing(false)),
    ("stop-signal", None, Key("StopSignal")),
    ("stop-timeout", None, Key("StopTimeout")),
    ("subgidname", None, Key("SubGIDMap")),
    ("subuidname", None, Key("SubUIDMap")),
    ("sysctl", None, Each("Sysctl")),
    ("systemd", None, Refused(true, "a systemd in a container is not supported by this version")),
    ("timeout", None, Service("RuntimeMaxSec", as_it_is)),
    ("tls-verify", None, Switch("TLSVerify")),
    ("tmpfs", None, Key("Tmpfs")),
    ("tty", Some('t'), Refused(false, TERMINAL)),
    ("tz", None, Key("Timezone")),
    ("uidmap", None, Key("UIDMap")),
    ("ulimit", None, Each("Ulimit")),
    ("umask", None, Refused(true, "containers have 0022; set it in the command: sh -c 'umask 0077; exec …'")),
    ("unsetenv", None, Refused(true, "write Environment=NAME= for an empty variable")),
    ("user", Some('u'), Key("User")),
    ("userns", None, Key("UserNS")),
    ("uts", None, Refused(true, NAMESPACES)),
    ("variant", None, Key("Variant")),
    ("volume", Some('v'), Key("Volume")),
    ("volumes-from", None, Refused(true, "write the same Volume= in both")),
    ("workdir", Some('w'), Key("WorkingDir")),
];

/// Options of podman pod create.
#[rustfmt::skip]
pub(super) const POD_CREATE: &[Flag] = &[
    ("add-host", None, Each("AddHost")),
    ("blkio-weight", None, Service("IOWeight", io_weight)),
    ("cgroup-parent", None, Refused(true, "limits of the pod stand in [Service] of its file")),
    ("cpu-shares", Some('c'), Service("CPUWeight", cpu_weight)),
    ("cpus", None, Service("CPUQuota", cpu_quota)),
    ("cpuset-cpus", None, Service("AllowedCPUs", as_it_is)),
    ("cpuset-mems", None, Service("AllowedMemoryNodes", as_it_is)),
    ("device", None, Refused(true, "write AddDevice= in the containers")),
    ("device-read-bps", None, Service("IOReadBandwidthMax", io_rate)),
    ("device-write-bps", None, Service("IOWriteBandwidthMax", io_rate)),
    ("dns", None, Each("DNS")),
    ("dns-option", None, Each("DNSOption")),
    ("dns-search", None, Each("DNSSearch")),
    ("exit-policy", None, Key("ExitPolicy")),
    ("gidmap", None, Key("GIDMap")),
    ("gpus", None, Refused(true, "write AddDevice= in the containers")),
    ("hostname", None, Key("HostName")),
    ("infra", None, Nothing(false)),
    ("infra-command", None, Nothing(true)),
    ("infra-conmon-pidfile", None, Nothing(true)),
    ("infra-image", None, Nothing(true)),
    ("infra-name", None, Nothing(true)),
    ("ip", None, Key("IP")),
    ("ip6", None, Key("IP6")),
    ("label", Some('l'), Key("Label")),
    ("mac-address", None, Refused(true, REMOVE)),
    ("memory", Some('m'), Service("MemoryMax", memory)),
    ("memory-swap", None, Refused(true, "write MemorySwapMax= in [Service], which is swap alone")),
    ("name", Some('n'), Key("PodName")),
    ("network", None, Key("Network")),
    ("network-alias", None, Each("NetworkAlias")),
    ("pid", None, Refused(true, "write Share=")),
    ("pod-id-file", None, Nothing(true)),
    ("publish", Some('p'), Each("PublishPort")),
    ("replace", None, Nothing(false)),
    ("restart", None, Refused(true, "write Restart= in [Service …] of the containers")),
    ("security-opt", None, Refused(true, IN_CONTAINER)),
    ("share", None, Key("Share")),
    ("share-parent", None, Nothing(false)),
    ("shm-size", None, Key("ShmSize")),
    ("subgidname", None, Key("SubGIDMap")),
    ("subuidname", None, Key("SubUIDMap")),
    ("sysctl", None, Refused(true, "write Sysctl= in one of the containers")),
    ("uidmap", None, Key("UIDMap")),
    ("userns", None, Key("UserNS")),
    ("uts", None, Refused(true, "write Share=")),
    ("volume", Some('v'), Key("Volume")),
    ("volumes-from", None, Refused(true, "write the same Volume= in both")),
];

/// Parts of `--security-opt`: what it begins with, the key, and the key's value if the option has none.
pub(super) const SECURITY: &[(&str, &str, Option<&str>)] = &[
    ("apparmor", "AppArmor", None),
    ("label=disable", "SecurityLabelDisable", Some("true")),
    ("label=filetype:", "SecurityLabelFileType", None),
    ("label=level:", "SecurityLabelLevel", None),
    ("label=nested", "SecurityLabelNested", Some("true")),
    ("label=type:", "SecurityLabelType", None),
    ("mask", "Mask", None),
    ("no-new-privileges", "NoNewPrivileges", Some("true")),
    ("seccomp", "SeccompProfile", None),
    ("unmask", "Unmask", None),
];

fn as_it_is(text: &str) -> Option<String> {
    let is_plain =
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    is_plain.then(|| text.to_owned())
}

fn cpu_quota(text: &str) -> Option<String> {
    let cpus: f64 = text.parse().ok()?;
    (cpus > 0.0 && cpus < 100_000.0).then(|| format!("{:.0}%", (cpus * 100.0).ceil()))
}

/// As the runtime turns the shares of cgroup v1 into a weight.
fn cpu_weight(text: &str) -> Option<String> {
    let shares: u64 = text.parse().ok()?;
    let shares = shares.clamp(2, 262_144);
    Some((1 + (shares - 2) * 9999 / 262_142).to_string())
}

/// The same for input and output.
fn io_weight(text: &str) -> Option<String> {
    let weight: u64 = text.parse().ok().filter(|weight| (10..=1000).contains(weight))?;
    Some((1 + (weight - 10) * 9999 / 990).to_string())
}

fn memory(text: &str) -> Option<String> {
    limit::size(text).map(|bytes| bytes.to_string())
}

/// `DEVICE:RATE`
fn io_rate(text: &str) -> Option<String> {
    let (device, rate) = text.rsplit_once(':')?;
    let device = as_it_is(device).filter(|device| device.starts_with("/dev/"))?;
    Some(format!("{device} {}", limit::size(rate)?))
}

fn restart(text: &str) -> Option<String> {
    let policy = text.split(':').next().unwrap_or_default();
    let restart = match policy {
        "no" | "never" => "no",
        "always" | "unless-stopped" => "always",
        "on-failure" => "on-failure",
        _ => return None,
    };
    Some(restart.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    #[test]
    fn tables_are_sorted_and_name_keys() {
        for (table, keys) in [(RUN, keys::CONTAINER), (POD_CREATE, keys::POD)] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
            for (name, _, to) in table {
                if let Key(key) | Each(key) | Switch(key) = to {
                    assert!(keys::find(keys, key).is_some(), "--{name}: {key}");
                }
            }
        }
        for (_, key, _) in SECURITY {
            assert!(keys::find(keys::CONTAINER, key).is_some(), "{key}");
        }
    }

    #[test]
    fn values_in_the_words_of_systemd() {
        assert_eq!(cpu_quota("1.5").as_deref(), Some("150%"));
        assert_eq!(cpu_quota("0.001").as_deref(), Some("1%"));
        for bad in ["", "0", "-1", "x", "NaN", "inf"] {
            assert_eq!(cpu_quota(bad), None, "{bad}");
        }
        assert_eq!(cpu_weight("1024").as_deref(), Some("39"));
        assert_eq!(cpu_weight("262144").as_deref(), Some("10000"));
        assert_eq!(io_weight("10").as_deref(), Some("1"));
        assert_eq!(io_weight("1001"), None);
        assert_eq!(io_rate("/dev/sda:1mb").as_deref(), Some("/dev/sda 1048576"));
        assert_eq!(io_rate("sda:1"), None);
        assert_eq!(restart("on-failure:3").as_deref(), Some("on-failure"));
        assert_eq!(as_it_is("0-3,5").as_deref(), Some("0-3,5"));
        assert_eq!(as_it_is("0\n[x]"), None);
    }
}
