//! The options of `podman run`, `podman create`, `podman pod create` and their namesakes of docker: which take a value,
//! and what each becomes. Read as those programs read them (pflag), which clap cannot be told to do: what follows the
//! image is not theirs, however much it looks like an option that they know.

use super::ImportError;
use crate::diagnostic::nearest;

/// What an option becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Becomes {
    /// This key of the container, or of the pod for `pod create`, its value as it is.
    Key(&'static str),
    /// Something that more has to be said about (`run`).
    More,
    /// Nothing, and nothing is lost.
    Nothing,
    /// Nothing, and this is why.
    Lost(&'static str),
}
use Becomes::{Key, Lost, More, Nothing};

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// `--name value`, `--name=value`, `-nvalue`
    Value,
    /// `--name`, `--name=false`
    Switch,
}
use Takes::{Switch, Value};

/// An option: its long name, its letter, and so on.
type Row = (&'static str, Option<char>, Takes, Becomes);

const LOGS: &str = "output always goes to the journal";
const OF_THE_UNIT: &str =
    "what a unit keeps of its processes is systemd's to say: podunit ps, systemctl show";
const NO_TERMINAL: &str = "a unit has no terminal; podunit exec gives one";
const NO_CGROUPS: &str = "each container is in the cgroup of its own unit";
const NO_KEY: &str = "there is no key for it";

/// Options of `run` and `create`, sorted by name.
#[rustfmt::skip]
pub(super) const RUN: &[Row] = &[
    ("add-host", None, Value, Key("AddHost")),
    ("annotation", None, Value, Key("Annotation")),
    ("arch", None, Value, Key("Arch")),
    ("attach", Some('a'), Value, Nothing),
    ("authfile", None, Value, Key("AuthFile")),
    ("blkio-weight", None, Value, Lost("write IOWeight= in [Service]")),
    ("blkio-weight-device", None, Value, Lost("write IODeviceWeight= in [Service]")),
    ("cap-add", None, Value, Key("AddCapability")),
    ("cap-drop", None, Value, Key("DropCapability")),
    ("cert-dir", None, Value, Key("CertDir")),
    ("cgroup-conf", None, Value, Lost("write the limit as a key of systemd.resource-control(5) in [Service]")),
    ("cgroup-parent", None, Value, Lost("containers are in the slice of their pod")),
    ("cgroupns", None, Value, Nothing),
    ("cgroups", None, Value, Nothing),
    ("chrootdirs", None, Value, Lost(NO_KEY)),
    ("cidfile", None, Value, Nothing),
    ("conmon-pidfile", None, Value, Nothing),
    ("cpu-period", None, Value, More),
    ("cpu-quota", None, Value, More),
    ("cpu-rt-period", None, Value, Lost(NO_KEY)),
    ("cpu-rt-runtime", None, Value, Lost(NO_KEY)),
    ("cpu-shares", Some('c'), Value, More),
    ("cpus", None, Value, More),
    ("cpuset-cpus", None, Value, More),
    ("cpuset-mems", None, Value, More),
    ("creds", None, Value, Lost("a password does not belong in a definition; write AuthFile=")),
    ("decryption-key", None, Value, Lost(NO_KEY)),
    ("detach", Some('d'), Switch, Nothing),
    ("detach-keys", None, Value, Nothing),
    ("device", None, Value, Key("AddDevice")),
    ("device-cgroup-rule", None, Value, Lost("write DeviceAllow= in [Service], which systemd reads")),
    ("device-read-bps", None, Value, Lost("write IOReadBandwidthMax= in [Service]")),
    ("device-read-iops", None, Value, Lost("write IOReadIOPSMax= in [Service]")),
    ("device-write-bps", None, Value, Lost("write IOWriteBandwidthMax= in [Service]")),
    ("device-write-iops", None, Value, Lost("write IOWriteIOPSMax= in [Service]")),
    ("disable-content-trust", None, Switch, Nothing),
    ("dns", None, Value, Key("DNS")),
    ("dns-opt", None, Value, Key("DNSOption")),
    ("dns-option", None, Value, Key("DNSOption")),
    ("dns-search", None, Value, Key("DNSSearch")),
    ("entrypoint", None, Value, More),
    ("env", Some('e'), Value, Key("Environment")),
    ("env-file", None, Value, More),
    ("env-host", None, Switch, Key("EnvironmentHost")),
    ("env-merge", None, Value, Lost(NO_KEY)),
    ("expose", None, Value, Key("ExposeHostPort")),
    ("gidmap", None, Value, Key("GIDMap")),
    ("gpus", None, Value, Lost("write AddDevice= with the device's name")),
    ("group-add", None, Value, Key("GroupAdd")),
    ("group-entry", None, Value, Lost(NO_KEY)),
    ("health-cmd", None, Value, Key("HealthCmd")),
    ("health-interval", None, Value, Key("HealthInterval")),
    ("health-log-destination", None, Value, Key("HealthLogDestination")),
    ("health-max-log-count", None, Value, Key("HealthMaxLogCount")),
    ("health-max-log-size", None, Value, Key("HealthMaxLogSize")),
    ("health-on-failure", None, Value, Key("HealthOnFailure")),
    ("health-retries", None, Value, Key("HealthRetries")),
    ("health-start-interval", None, Value, Key("HealthStartupInterval")),
    ("health-start-period", None, Value, Key("HealthStartPeriod")),
    ("health-startup-cmd", None, Value, Key("HealthStartupCmd")),
    ("health-startup-interval", None, Value, Key("HealthStartupInterval")),
    ("health-startup-retries", None, Value, Key("HealthStartupRetries")),
    ("health-startup-success", None, Value, Key("HealthStartupSuccess")),
    ("health-startup-timeout", None, Value, Key("HealthStartupTimeout")),
    ("health-timeout", None, Value, Key("HealthTimeout")),
    ("healthcheck-command", None, Value, Key("HealthCmd")),
    ("hostname", Some('h'), Value, More),
    ("hosts-file", None, Value, Lost("the pod has a file of its own; AddHost= adds to it")),
    ("hostuser", None, Value, Lost(NO_KEY)),
    ("http-proxy", None, Switch, Key("HttpProxy")),
    ("image-volume", None, Value, Lost(NO_KEY)),
    ("init", None, Switch, Key("RunInit")),
    ("init-ctr", None, Value, More),
    ("init-path", None, Value, Lost("podunit's own init is taken")),
    ("interactive", Some('i'), Switch, Nothing),
    ("ip", None, Value, More),
    ("ip6", None, Value, More),
    ("ipc", None, Value, More),
    ("isolation", None, Value, Nothing),
    ("label", Some('l'), Value, Key("Label")),
    ("label-file", None, Value, Lost("write the labels as Label=")),
    ("link", None, Value, Lost("members of one pod find each other by name")),
    ("link-local-ip", None, Value, Lost(NO_KEY)),
    ("log-driver", None, Value, Lost(LOGS)),
    ("log-opt", None, Value, Lost(LOGS)),
    ("mac-address", None, Value, Lost(NO_KEY)),
    ("memory", Some('m'), Value, More),
    ("memory-reservation", None, Value, More),
    ("memory-swap", None, Value, More),
    ("memory-swappiness", None, Value, Lost(NO_KEY)),
    ("mount", None, Value, More),
    ("name", None, Value, More),
    ("net", None, Value, More),
    ("network", None, Value, More),
    ("network-alias", None, Value, Key("NetworkAlias")),
    ("no-healthcheck", None, Switch, More),
    ("no-hostname", None, Switch, Lost(NO_KEY)),
    ("no-hosts", None, Switch, Lost("the pod has a hosts file, in which its members are")),
    ("oom-kill-disable", None, Switch, Lost("write OOMPolicy= or MemoryHigh= in [Service]")),
    ("oom-score-adj", None, Value, More),
    ("os", None, Value, Key("OS")),
    ("passwd", None, Switch, Nothing),
    ("passwd-entry", None, Value, Lost(NO_KEY)),
    ("personality", None, Value, Lost(NO_KEY)),
    ("pid", None, Value, More),
    ("pidfile", None, Value, Lost(OF_THE_UNIT)),
    ("pids-limit", None, Value, More),
    ("platform", None, Value, More),
    ("pod", None, Value, More),
    ("pod-id-file", None, Value, More),
    ("preserve-fd", None, Value, Lost("a unit is not started by your shell")),
    ("preserve-fds", None, Value, Lost("a unit is not started by your shell")),
    ("privileged", None, Switch, Lost("no container has all rights of the host; write AddCapability= for what it needs")),
    ("publish", Some('p'), Value, More),
    ("publish-all", Some('P'), Switch, Lost("podunit chooses no random ports; write PublishPort=")),
    ("pull", None, Value, Key("Pull")),
    ("quiet", Some('q'), Switch, Nothing),
    ("rdt-class", None, Value, Lost(NO_KEY)),
    ("read-only", None, Switch, Key("ReadOnly")),
    ("read-only-tmpfs", None, Switch, Key("ReadOnlyTmpfs")),
    ("replace", None, Switch, Nothing),
    ("requires", None, Value, More),
    ("restart", None, Value, More),
    ("retry", None, Value, Key("Retry")),
    ("retry-delay", None, Value, Key("RetryDelay")),
    ("rm", None, Switch, Nothing),
    ("rmi", None, Switch, Lost("images stay until podunit image prune")),
    ("rootfs", None, Switch, More),
    ("runtime", None, Value, Lost("the runtime is crun")),
    ("sdnotify", None, Value, More),
    ("seccomp-policy", None, Value, Lost(NO_KEY)),
    ("secret", None, Value, Key("Secret")),
    ("security-opt", None, Value, More),
    ("shm-size", None, Value, More),
    ("shm-size-systemd", None, Value, Lost(NO_KEY)),
    ("sig-proxy", None, Switch, Nothing),
    ("stop-signal", None, Value, Key("StopSignal")),
    ("stop-timeout", None, Value, Key("StopTimeout")),
    ("storage-opt", None, Value, Lost(NO_KEY)),
    ("subgidname", None, Value, Key("SubGIDMap")),
    ("subuidname", None, Value, Key("SubUIDMap")),
    ("sysctl", None, Value, Key("Sysctl")),
    ("systemd", None, Value, Lost("a container has no systemd of its own here")),
    ("timeout", None, Value, More),
    ("tls-verify", None, Switch, Key("TLSVerify")),
    ("tmpfs", None, Value, Key("Tmpfs")),
    ("tty", Some('t'), Switch, Lost(NO_TERMINAL)),
    ("tz", None, Value, Key("Timezone")),
    ("uidmap", None, Value, Key("UIDMap")),
    ("ulimit", None, Value, More),
    ("umask", None, Value, Lost(NO_KEY)),
    ("unsetenv", None, Value, Lost(NO_KEY)),
    ("unsetenv-all", None, Switch, Lost(NO_KEY)),
    ("use-api-socket", None, Switch, Lost("there is no daemon whose socket it could be")),
    ("user", Some('u'), Value, More),
    ("userns", None, Value, Key("UserNS")),
    ("uts", None, Value, More),
    ("variant", None, Value, Key("Variant")),
    ("volume", Some('v'), Value, More),
    ("volume-driver", None, Value, Lost("write Driver= in the file of the volume")),
    ("volumes-from", None, Value, Lost("write the Volume= of the other container here too")),
    ("workdir", Some('w'), Value, Key("WorkingDir")),
];

/// Options of `pod create`, sorted by name.
#[rustfmt::skip]
pub(super) const POD_CREATE: &[Row] = &[
    ("add-host", None, Value, Key("AddHost")),
    ("blkio-weight", None, Value, Lost("write IOWeight= in [Service]")),
    ("cgroup-parent", None, Value, Lost(NO_CGROUPS)),
    ("cpu-shares", None, Value, More),
    ("cpus", None, Value, More),
    ("cpuset-cpus", None, Value, More),
    ("cpuset-mems", None, Value, More),
    ("device", None, Value, Lost("write AddDevice= in the containers that need it")),
    ("dns", None, Value, Key("DNS")),
    ("dns-opt", None, Value, Key("DNSOption")),
    ("dns-option", None, Value, Key("DNSOption")),
    ("dns-search", None, Value, Key("DNSSearch")),
    ("exit-policy", None, Value, Nothing),
    ("gidmap", None, Value, Key("GIDMap")),
    ("hostname", Some('h'), Value, More),
    ("infra", None, Switch, Nothing),
    ("infra-command", None, Value, Nothing),
    ("infra-conmon-pidfile", None, Value, Nothing),
    ("infra-image", None, Value, Nothing),
    ("infra-name", None, Value, Nothing),
    ("ip", None, Value, More),
    ("ip6", None, Value, More),
    ("label", Some('l'), Value, Key("Label")),
    ("label-file", None, Value, Lost("write the labels as Label=")),
    ("mac-address", None, Value, Lost(NO_KEY)),
    ("memory", Some('m'), Value, More),
    ("memory-swap", None, Value, More),
    ("name", Some('n'), Value, More),
    ("network", None, Value, More),
    ("network-alias", None, Value, Key("NetworkAlias")),
    ("no-hostname", None, Switch, Lost(NO_KEY)),
    ("no-hosts", None, Switch, Lost("the pod has a hosts file, in which its members are")),
    ("pid", None, Value, More),
    ("pod-id-file", None, Value, More),
    ("publish", Some('p'), Value, More),
    ("replace", None, Switch, Nothing),
    ("restart", None, Value, Lost("write Restart= in the [Service …] of the containers")),
    ("security-opt", None, Value, Lost("write it in each container")),
    ("share", None, Value, More),
    ("share-parent", None, Switch, Nothing),
    ("shm-size", None, Value, More),
    ("subgidname", None, Value, Key("SubGIDMap")),
    ("subuidname", None, Value, Key("SubUIDMap")),
    ("sysctl", None, Value, Lost("write Sysctl= in the container")),
    ("uidmap", None, Value, Key("UIDMap")),
    ("userns", None, Value, Key("UserNS")),
    ("uts", None, Value, More),
    ("volume", Some('v'), Value, Lost("write Volume= in the containers that need it")),
    ("volumes-from", None, Value, Lost("write Volume= in the containers that need it")),
];

/// An option as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// Its long name.
    pub(super) name: &'static str,
    /// Its value; `true` for a switch without one.
    pub(super) value: String,
    /// What it becomes.
    pub(super) becomes: Becomes,
}

/// Reads options until something else comes, and gives what is left.
///
/// # Errors
/// An option that there is not, or one without its value.
pub(super) fn read<'w>(
    table: &[Row],
    words: &'w [String],
) -> Result<(Vec<Given>, &'w [String]), ImportError> {
    let mut given = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        }
        let mut next = |name: &str| {
            at += 1;
            let value = words.get(at).cloned();
            value.ok_or_else(|| ImportError::text(format!("there is no value behind {name}")))
        };
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let row = table
                .iter()
                .find(|row| row.0 == name)
                .ok_or_else(|| unknown(table, name))?;
            let value = match (row.2, value) {
                (_, Some(value)) => value,
                (Value, None) => next(word)?,
                (Switch, None) => "true".to_owned(),
            };
            given.push(option(row, value));
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (place, letter) in letters.char_indices() {
                let row = table.iter().find(|row| row.1 == Some(letter));
                let row = row.ok_or_else(|| ImportError::text(format!("there is no option -{letter}")))?;
                let rest = &letters[place + letter.len_utf8()..];
                if row.2 == Switch {
                    given.push(option(row, "true".to_owned()));
                    continue;
                }
                let value = match rest.strip_prefix('=').unwrap_or(rest) {
                    "" => next(word)?,
                    rest => rest.to_owned(),
                };
                given.push(option(row, value));
                break;
            }
        } else {
            break;
        }
        at += 1;
    }
    Ok((given, words.get(at..).unwrap_or_default()))
}

fn option(row: &Row, value: String) -> Given {
    Given {
        name: row.0,
        value,
        becomes: row.3,
    }
}

fn unknown(table: &[Row], name: &str) -> ImportError {
    let near = nearest::nearest(name, table.iter().map(|row| row.0));
    let help = near.map_or_else(String::new, |near| format!("; did you mean --{near}?"));
    ImportError::text(format!("there is no option --{name}{help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in [RUN, POD_CREATE] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn options_are_read_as_podman_reads_them() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = words("-dit -p80:80 -p 81:81 --name=web --env A=b --init=false -e=X -- nginx -e z");
        let (given, rest) = read(RUN, &line).unwrap();
        let pairs: Vec<(&str, &str)> = given
            .iter()
            .map(|given| (given.name, given.value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("detach", "true"),
                ("interactive", "true"),
                ("tty", "true"),
                ("publish", "80:80"),
                ("publish", "81:81"),
                ("name", "web"),
                ("env", "A=b"),
                ("init", "false"),
                ("env", "X"),
            ]
        );
        assert_eq!(rest, words("nginx -e z"));
        for bad in ["--nmae x", "--name", "-Z", "-e"] {
            assert!(read(RUN, &words(bad)).is_err(), "{bad}");
        }
    }
}
