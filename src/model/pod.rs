//! A pod as a whole.

use super::{
    Container, HostEntry, Network, PodName, PortMapping, Request, Resolver, duration, is_default, port,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Version of the compiled pod's schema. A reader takes older versions, whose fields mean what they meant, and refuses
/// newer ones, in words.
pub const SCHEMA_VERSION: u32 = 3;
/// The oldest version that is read: a pod that runs keeps what an earlier podunit wrote.
pub const OLDEST_SCHEMA: u32 = 1;

/// The compiled pod: everything a definition says, resolved and checked.
///
/// Strings that a user wrote (`Exec=`, `Environment=`, paths …) are kept as written, unquoted but with their
/// `%` specifiers: these are expanded by the program that uses them, on the host where the pod runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Name of the pod.
    pub name: PodName,
    /// The definition this was read from, under the root of the running system.
    pub source: PathBuf,
    /// `ServiceName=`: another name of the supervisor's unit, without `.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Namespaces that the members share (`Share=`).
    pub share: Share,
    /// Host name in the pod (`HostName=`); the pod's name if absent.
    pub hostname: Option<String>,
    /// Network of the pod (`Network=`).
    pub network: Network,
    /// What `/etc/hosts` of the members has beside the pod's own names (`AddHost=`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostEntry>,
    /// What `/etc/resolv.conf` of the members has in the place of the host's (`DNS=` and its like).
    #[serde(default, skip_serializing_if = "Resolver::is_of_host")]
    pub resolver: Resolver,
    /// Published ports (`PublishPort=`), the pod's own first, then those hoisted from members.
    pub ports: Vec<PortMapping>,
    /// Those of a template in which `%i` stands for the instance, as written: see [`Pod::of_instance`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instance_ports: Vec<String>,
    /// Size of the pod's `/dev/shm` in bytes.
    pub shm_size: u64,
    /// Labels of the pod (`Label=`).
    pub labels: BTreeMap<String, String>,
    /// How long the pod may take until it is ready, from `TimeoutStartSec=` in the pod's `[Service]`. `None`
    /// is no limit.
    #[serde(with = "duration::optional")]
    pub start_timeout: Option<Duration>,
    /// What becomes of the pod when a member has failed for good (`OnFailure=`).
    #[serde(default, skip_serializing_if = "FailurePolicy::is_isolate")]
    pub on_failure: FailurePolicy,
    /// What becomes of the pod when all of its containers have ended (`ExitPolicy=`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub exit_policy: ExitPolicy,
    /// Members, sorted by name.
    pub members: Vec<Container>,
    /// `[Unit]`, `[Service]` and `[Install]` of the pod.
    pub units: Passthrough,
}

impl Pod {
    /// The pod of an instance, from this template.
    ///
    /// # Errors
    /// A port that the instance does not make one, and why.
    pub fn of_instance(self, name: &PodName) -> Result<Self, (String, String)> {
        let mut ports = self.ports;
        for text in &self.instance_ports {
            let filled = port::of_instance(text, name.instance().unwrap_or_default());
            ports.extend(filled.map_err(|(why, _)| (text.clone(), why))?);
        }
        Ok(Self {
            name: name.clone(),
            ports,
            instance_ports: Vec::new(),
            ..self
        })
    }

    /// The member with this name.
    pub fn member(&self, name: &str) -> Option<&Container> {
        self.members.iter().find(|member| member.name.as_str() == name)
    }

    /// The host name that processes of the pod see.
    pub fn hostname(&self) -> &str {
        self.hostname.as_deref().unwrap_or(self.name.as_str())
    }

    /// Names of all units of the pod but the slice: supervisor, infra, members.
    pub fn service_units(&self) -> Vec<String> {
        self.service_units_of(&self.name)
    }

    /// The same of a pod that has these members and is called `name`: an instance of this template, or its template.
    pub fn service_units_of(&self, name: &PodName) -> Vec<String> {
        let mut units = vec![name.unit(), name.infra_unit()];
        units.extend(self.members.iter().map(|member| name.member_unit(&member.name)));
        units
    }

    /// Names that Quadlet gives to units and that dependencies are written with, each with the unit of ours that has it
    /// as an alias: `X-pod.service` and, for each member with a file of its own, `a.service`, or as `ServiceName=` says.
    pub fn quadlet_names(&self) -> Vec<(String, String)> {
        let (name, instance) = self.name.parts();
        let at = instance
            .map(|instance| format!("@{instance}"))
            .unwrap_or_default();
        // Of a template, ServiceName= may be written with the `@` or without it.
        let service = |name: &str| format!("{}{at}.service", name.trim_end_matches('@'));
        let is_split = |member: &Container| member.source != self.source;
        let mut names = Vec::new();
        for member in &self.members {
            let given = member.service_name.as_deref();
            let name = given.or_else(|| is_split(member).then(|| member.name.as_str()));
            names.extend(name.map(|name| (service(name), self.name.member_unit(&member.name))));
        }
        match &self.service_name {
            Some(given) => names.push((service(given), self.name.unit())),
            // A container that is a pod of its own.
            None if self.source.extension().is_some_and(|kind| kind == "container") => {
                names.push((service(name), self.name.unit()));
            }
            None if self.members.iter().any(is_split) => {
                names.push((service(&format!("{name}-pod")), self.name.unit()));
            }
            None => {}
        }
        names.retain(|(alias, unit)| alias != unit);
        names
    }

    /// What the members ask for, in their order; the same may come more than once.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.members.iter().filter_map(Container::request)
    }
}

/// Which namespaces the members share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Network: interfaces, addresses, ports, abstract sockets.
    pub net: bool,
    /// System V IPC, POSIX message queues and `/dev/shm`.
    pub ipc: bool,
    /// Host name.
    pub uts: bool,
    /// Process IDs; the pod then has a PID 1 of its own.
    pub pid: bool,
}

impl Default for Share {
    /// Podman's default: everything but process IDs.
    fn default() -> Self {
        Self {
            net: true,
            ipc: true,
            uts: true,
            pid: false,
        }
    }
}

/// What becomes of a pod when one of its essential members has failed and is not started again by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// The others go on; the pod is degraded.
    #[default]
    Isolate,
    /// All of it is started anew, after pauses that grow.
    RestartPod,
    /// All of it is stopped, and has failed.
    StopPod,
}

/// What becomes of a pod all of whose containers have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitPolicy {
    /// It stays until it is stopped.
    #[default]
    Continue,
    /// It is stopped.
    Stop,
}

impl FailurePolicy {
    fn is_isolate(&self) -> bool {
        *self == Self::Isolate
    }
}

/// One `Key=value` of a section that is passed on to systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// The key, such as `After`.
    pub key: String,
    /// The value as systemd would read it: one line, comments and continuations taken out.
    pub value: String,
}

impl Directive {
    /// A line of that key and value.
    pub fn new(key: &str, value: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            value: value.into(),
        }
    }
}

/// Sections that systemd owns, in the order in which they were written, re-serialised by the generator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passthrough {
    /// `[Unit]`
    pub unit: Vec<Directive>,
    /// `[Service]`
    pub service: Vec<Directive>,
    /// `[Install]`
    pub install: Vec<Directive>,
}
