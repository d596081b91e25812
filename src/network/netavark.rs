//! Calling netavark (netavark(1)), which connects a network namespace to a bridge and publishes ports.
//!
//! Two at once would both make the bridge, so they take turns. One that was killed leaves half a bridge or half a
//! set of rules, and netavark never mends what it finds: whoever has the next turn takes it down first.

use super::book::{self, Lease};
use super::{NetworkError, file};
use crate::model::{Paths, Pod, PodName, PortMapping, Protocol, Settings};
use crate::sys::file::{lock, replace};
use crate::sys::namespace::{self, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How long netavark may take. It needs a tenth of a second.
const TIMEOUT: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};
/// How long each step of undoing may take, when it has failed before.
const TIMEOUT_OF_REPAIR: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// The network's name for netavark: part of the names of firewall chains.
const NETWORK: &str = "podunit";
/// The pod's interface.
const INTERFACE: &str = "eth0";

/// What netavark is asked for. Setup and teardown are given the same.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Options {
    container_id: String,
    container_name: String,
    networks: BTreeMap<String, Attachment>,
    network_info: BTreeMap<String, Bridge>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    port_mappings: Vec<Published>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Attachment {
    interface_name: String,
    static_ips: Vec<Ipv4Addr>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bridge {
    name: String,
    id: String,
    driver: String,
    network_interface: String,
    subnets: Vec<Subnet>,
    ipv6_enabled: bool,
    internal: bool,
    dns_enabled: bool,
    ipam_options: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Subnet {
    subnet: String,
    gateway: Ipv4Addr,
}

#[derive(Debug, Serialize, Deserialize)]
struct Published {
    host_ip: String,
    host_port: u16,
    container_port: u16,
    protocol: Protocol,
    range: u16,
}

/// What netavark is asked for a pod.
pub(super) fn options(pod: &Pod, settings: &Settings, address: Ipv4Addr, ports: &[PortMapping]) -> Options {
    let (network, prefix) = settings.subnet;
    let bridge = Bridge {
        name: NETWORK.to_owned(),
        id: hash(NETWORK),
        driver: "bridge".to_owned(),
        network_interface: settings.bridge.clone(),
        subnets: vec![Subnet {
            subnet: format!("{network}/{prefix}"),
            gateway: book::gateway(settings.subnet),
        }],
        ipv6_enabled: false,
        internal: false,
        dns_enabled: false,
        // netavark then takes the addresses it is given.
        ipam_options: BTreeMap::from([("driver".to_owned(), "host-local".to_owned())]),
    };
    let attachment = Attachment {
        interface_name: INTERFACE.to_owned(),
        static_ips: vec![address],
    };
    let published = |port: &PortMapping| Published {
        host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        host_port: port.host_port,
        container_port: port.container_port,
        protocol: port.protocol,
        range: 1,
    };
    Options {
        container_id: hash(pod.name.as_str()),
        container_name: pod.name.to_string(),
        networks: BTreeMap::from([(NETWORK.to_owned(), attachment)]),
        network_info: BTreeMap::from([(NETWORK.to_owned(), bridge)]),
        port_mappings: ports.iter().map(published).collect(),
    }
}

/// An identifier as netavark wants them: 64 hexadecimal digits.
fn hash(name: &str) -> String {
    Sha256::digest(name)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a pod has according to its `network.json`.
pub(super) fn lease(paths: &Paths, pod: &PodName) -> Option<Lease> {
    let options: Options = serde_json::from_slice(&fs::read(paths.pod(pod).network()).ok()?).ok()?;
    let address = *options.networks.get(NETWORK)?.static_ips.first()?;
    let mapping = |port: &Published| PortMapping {
        host_ip: port.host_ip.parse::<IpAddr>().ok(),
        host_port: port.host_port,
        container_port: port.container_port,
        protocol: port.protocol,
    };
    Some(Lease {
        address,
        ports: options.port_mappings.iter().map(mapping).collect(),
    })
}

/// Finds the program.
pub(super) fn find(paths: &Paths) -> Result<PathBuf, NetworkError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let by_path = env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("netavark"));
    paths
        .netavark()
        .into_iter()
        .chain(by_path)
        .find(|file| file.is_file())
        .ok_or(NetworkError::NoNetavark)
}

/// Connects the pod's network namespace, `ns/net`. What was asked for is kept in `network.json`, also after a
/// failure: [`teardown`] goes by it.
pub(super) fn setup(
    program: &Path,
    paths: &Paths,
    pod: &PodName,
    options: &Options,
) -> Result<(), NetworkError> {
    let path = paths.pod(pod).network();
    let json = serde_json::to_vec(options).map_err(io::Error::from);
    file(&path, json.and_then(|json| replace(&path, &json, 0o600)))?;
    let turn = Turn::take(program, paths, pod)?;
    turn.begin(pod)?;
    turn.run("setup", pod, &pin(paths, pod), &TIMEOUT)?;
    turn.end()
}

/// Undoes [`setup`], however far it came. Without `network.json` there is nothing to undo. It stays only where
/// another try may help.
pub(super) fn teardown(paths: &Paths, pod: &PodName) -> Result<(), NetworkError> {
    let path = paths.pod(pod).network();
    if !path.exists() {
        return Ok(());
    }
    let program = find(paths)?;
    let turn = Turn::take(&program, paths, pod)?;
    turn.begin(pod)?;
    let undone = match turn.undo(pod) {
        Err(Failure::Timeout(error)) => return Err(error),
        Err(Failure::Error(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    turn.end()?;
    file(&path, fs::remove_file(&path))?;
    undone
}

fn pin(paths: &Paths, pod: &PodName) -> PathBuf {
    paths.pod(pod).namespaces().join(Kind::Net.file())
}

/// The right to call netavark, which one process has at a time.
struct Turn<'a> {
    program: &'a Path,
    paths: &'a Paths,
    /// netavark and its children hold it too: when this process is killed, the turn ends with the last of them.
    _lock: File,
}

impl<'a> Turn<'a> {
    /// Waits for the turn, and undoes what the one before left unfinished, unless it was for `pod` itself.
    fn take(program: &'a Path, paths: &'a Paths, pod: &PodName) -> Result<Self, NetworkError> {
        let state = paths.run_network().join("netavark");
        file(
            &state,
            DirBuilder::new().recursive(true).mode(0o700).create(&state),
        )?;
        let path = paths.run_network().join("netavark.lock");
        let lock = file(&path, lock(&path))?;
        file(
            &path,
            rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).map_err(Into::into),
        )?;
        let turn = Self {
            program,
            paths,
            _lock: lock,
        };
        let unfinished = fs::read_to_string(turn.unfinished())
            .ok()
            .and_then(|name| PodName::new(name).ok());
        if let Some(other) = unfinished.filter(|other| other != pod) {
            if paths.pod(&other).network().exists() {
                // It is the other pod's failure, and its own `infra clean` says so.
                let _ = turn.undo(&other);
            }
            turn.end()?;
        }
        Ok(turn)
    }

    /// Where the name of the pod stands for which netavark runs.
    fn unfinished(&self) -> PathBuf {
        self.paths.run_network().join("netavark.unfinished")
    }

    fn begin(&self, pod: &PodName) -> Result<(), NetworkError> {
        let path = self.unfinished();
        file(&path, replace(&path, pod.as_str().as_bytes(), 0o600))
    }

    fn end(&self) -> Result<(), NetworkError> {
        match fs::remove_file(self.unfinished()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => file(self.unfinished(), result),
        }
    }

    /// Tears down, whether setup was finished or not.
    fn undo(&self, pod: &PodName) -> Result<(), Failure> {
        match self.run("teardown", pod, &pin(self.paths, pod), &TIMEOUT) {
            Err(Failure::Error(_)) => {
                // netavark does not take back what it finds half done, or whose namespace is gone: the bridge stays,
                // or the rules. Done in full on another namespace, it takes back all of it.
                let other = namespace::in_new(&[Kind::Net], || namespace::current(Kind::Net));
                let other = other.map_err(|error| self.failed("teardown", &error))?;
                let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), other.as_raw_fd()));
                let _ = self.run("setup", pod, &path, &TIMEOUT_OF_REPAIR);
                self.run("teardown", pod, &path, &TIMEOUT_OF_REPAIR)
            }
            // Done, or another try would hang as well.
            result => result,
        }
    }

    fn error(&self, step: &'static str, message: String) -> NetworkError {
        NetworkError::Netavark {
            program: self.program.to_owned(),
            step,
            message,
        }
    }

    fn failed(&self, step: &'static str, error: &io::Error) -> Failure {
        Failure::Error(self.error(step, error.to_string()))
    }

    fn run(
        &self,
        step: &'static str,
        pod: &PodName,
        namespace: &Path,
        timeout: &Timespec,
    ) -> Result<(), Failure> {
        let failed = |error: io::Error| self.failed(step, &error);
        // Not a pipe: a program that netavark starts, and that stays, would keep us reading.
        let output =
            rustix::fs::memfd_create("netavark", MemfdFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        let mut output = File::from(output);
        let mut child = Command::new(self.program)
            .arg("--config")
            .arg(self.paths.run_network().join("netavark"))
            .arg("--file")
            .arg(self.paths.pod(pod).network())
            .arg(step)
            .arg(namespace)
            .env_clear()
            // Where nft and iptables are.
            .env(
                "PATH",
                "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin",
            )
            // An administrator's choice of the firewall driver.
            .envs(env::var_os("NETAVARK_FW").map(|driver| ("NETAVARK_FW", driver)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output.try_clone().map_err(failed)?)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = Pid::from_child(&child);
        if !ends_in_time(pid, timeout).map_err(failed)? {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = child.wait();
            let message = format!("no answer in {} s; it was killed", timeout.tv_sec);
            return Err(Failure::Timeout(self.error(step, message)));
        }
        if child.wait().map_err(failed)?.success() {
            return Ok(());
        }
        let mut text = Vec::new();
        output
            .rewind()
            .and_then(|()| output.take(16 << 10).read_to_end(&mut text))
            .map_err(failed)?;
        Err(Failure::Error(
            self.error(step, message(&String::from_utf8_lossy(&text))),
        ))
    }
}

/// How a call of netavark failed.
enum Failure {
    Error(NetworkError),
    Timeout(NetworkError),
}

impl From<Failure> for NetworkError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(error) | Failure::Timeout(error) => error,
        }
    }
}

fn ends_in_time(pid: Pid, timeout: &Timespec) -> io::Result<bool> {
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let mut wanted = [PollFd::new(&process, PollFlags::IN)];
    Ok(rustix::io::retry_on_intr(|| poll(&mut wanted, Some(timeout)))? > 0)
}

/// netavark writes its error as JSON, and warnings before it.
fn message(output: &str) -> String {
    #[derive(Deserialize)]
    struct Answer {
        error: String,
    }
    let error = output
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Answer>(line).ok());
    let text = error.map_or_else(|| output.trim().to_owned(), |answer| answer.error);
    // Some of it comes from elsewhere; one line, and nothing that a terminal would obey.
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.is_empty() {
        "it failed without a word".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::network) fn options(address: &str, host_port: u16) -> Vec<u8> {
        let pod = Pod {
            version: 1,
            name: PodName::new("a").unwrap(),
            source: PathBuf::new(),
            share: crate::model::Share::default(),
            hostname: None,
            network: crate::model::Network::Bridge,
            ports: Vec::new(),
            shm_size: 0,
            labels: BTreeMap::new(),
            start_timeout: None,
            members: Vec::new(),
            units: crate::model::Passthrough::default(),
        };
        let port = PortMapping {
            host_ip: None,
            host_port,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let options = super::options(&pod, &Settings::default(), address.parse().unwrap(), &[port]);
        serde_json::to_vec(&options).unwrap()
    }

    #[test]
    fn options_are_what_netavark_reads() {
        let json: serde_json::Value = serde_json::from_slice(&options("10.90.0.7", 8080)).unwrap();
        assert_eq!(json["container_id"].as_str().unwrap().len(), 64);
        assert_eq!(json["networks"]["podunit"]["static_ips"][0], "10.90.0.7");
        let info = &json["network_info"]["podunit"];
        assert_eq!(
            info["subnets"][0],
            serde_json::json!({"subnet": "10.90.0.0/16", "gateway": "10.90.0.1"})
        );
        assert_eq!(info["network_interface"], "podunit0");
        let port = serde_json::json!(
            {"host_ip": "", "host_port": 8080, "container_port": 80, "protocol": "tcp", "range": 1});
        assert_eq!(json["port_mappings"][0], port);
    }

    #[test]
    fn what_netavark_says_is_one_line() {
        assert_eq!(
            message("[WARN] x\n{\"error\":\"create bridge: File exists\"}\n"),
            "create bridge: File exists"
        );
        assert_eq!(
            message("thread panicked\nat \u{1b}[31m x\n"),
            "thread panicked at  [31m x"
        );
        assert_eq!(message(""), "it failed without a word");
    }
}
