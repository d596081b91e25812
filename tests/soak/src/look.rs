//! One look at all pods: what systemd, the kernel and the supervisors say of them.

use crate::pods::{PODS, Pod};
use crate::process::{self, NAMESPACES, Process};
use crate::systemd::{self, Unit};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// All that was seen at about one moment.
#[derive(Default)]
pub struct Look {
    /// As many as `PODS`.
    pub pods: Vec<Seen>,
    pub processes: Vec<Process>,
    pub interfaces: Vec<String>,
}

/// A pod.
#[derive(Default)]
pub struct Seen {
    /// `pod-X.service`.
    pub own: Unit,
    pub infra: Unit,
    /// By their names; what another form of the definition has, too.
    pub members: BTreeMap<&'static str, Unit>,
    pub slice: Unit,
    /// The members that it was started with, by what infra has copied. `None` if that is not there.
    pub started_with: Option<Vec<String>>,
    /// What the supervisor says, if it runs.
    pub told: Option<Told>,
    /// Processes by cgroup. `None` if there is no cgroup of the pod.
    pub cgroups: Option<BTreeMap<String, Vec<u32>>>,
    /// Where something is mounted in the pod's folder.
    pub mounts: Vec<String>,
    /// Namespaces that are pinned, by their kinds.
    pub pins: BTreeMap<&'static str, u64>,
    /// The namespaces of members' main processes.
    pub namespaces: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    pub has_folder: bool,
    /// File descriptors of the supervisor.
    pub descriptors: Option<usize>,
}

/// What `podunit status` says of a pod.
#[derive(Clone)]
pub struct Told {
    pub state: String,
    pub status: String,
    /// Main processes of members.
    pub pids: BTreeMap<String, u32>,
}

impl Seen {
    /// The members that are active.
    pub fn active_members(&self) -> impl Iterator<Item = &'static str> {
        let active = self.members.iter().filter(|(_, unit)| unit.is_active());
        active.map(|(name, _)| *name)
    }

    /// Main processes: supervisor, infra, members.
    pub fn main_processes(&self) -> BTreeMap<&'static str, u32> {
        let members = self.members.iter().map(|(name, unit)| (*name, unit.main_process));
        let parts = [
            (SUPERVISOR, self.own.main_process),
            (INFRA, self.infra.main_process),
        ];
        parts.into_iter().chain(members).collect()
    }
}

/// What the supervisor and infra are called beside members.
pub const SUPERVISOR: &str = "the supervisor";
pub const INFRA: &str = "infra";

/// Looks at everything. The supervisor of a pod whose units are as they were in `known` is not asked again.
pub fn look(known: Option<&Look>) -> Result<Look> {
    let mut names = Vec::new();
    for pod in &PODS {
        names.extend([pod.unit(), pod.infra_unit(), pod.slice()]);
        names.extend(pod.all_members().map(|member| pod.member_unit(member)));
    }
    let mut units = systemd::units(&names)?;
    let mounts = process::mounts();
    let known = |at: usize| known.map(|known| &known.pods[at]);
    let pods = PODS.iter().enumerate();
    Ok(Look {
        pods: pods
            .map(|(at, pod)| seen(pod, &mut units, &mounts, known(at)))
            .collect::<Result<_>>()?,
        processes: process::all(),
        interfaces: process::interfaces(),
    })
}

fn seen(
    pod: &Pod,
    units: &mut BTreeMap<String, Unit>,
    mounts: &[(String, String)],
    known: Option<&Seen>,
) -> Result<Seen> {
    let mut take = |name: String| units.remove(&name).unwrap_or_default();
    let own = take(pod.unit());
    let infra = take(pod.infra_unit());
    let slice = take(pod.slice());
    let members: BTreeMap<_, _> = pod
        .all_members()
        .map(|member| (member, take(pod.member_unit(member))))
        .collect();
    let folder = format!("/run/podunit/{}", pod.name);
    let below = |place: &str| place.strip_prefix(&folder)?.strip_prefix('/').map(str::to_owned);
    let running = members
        .iter()
        .filter(|(_, unit)| unit.is_active() && unit.main_process > 0);
    let namespaces = |pid| {
        let kinds = NAMESPACES.into_iter();
        kinds
            .filter_map(|kind| Some((kind, process::namespace(pid, kind)?)))
            .collect()
    };
    let same = known.filter(|known| known.own == own && known.infra == infra && known.members == members);
    let told = match same.and_then(|known| known.told.clone()) {
        Some(told) => Some(told),
        None if own.is_active() => told(pod)?,
        None => None,
    };
    Ok(Seen {
        told,
        cgroups: process::in_slice(&pod.slice()),
        mounts: mounts.iter().filter_map(|(place, _)| below(place)).collect(),
        pins: NAMESPACES
            .into_iter()
            .filter_map(|kind| Some((kind, process::inode(&format!("{folder}/ns/{kind}"))?)))
            .collect(),
        namespaces: running
            .map(|(name, unit)| (*name, namespaces(unit.main_process)))
            .collect(),
        has_folder: Path::new(&folder).exists(),
        started_with: started_with(&folder),
        descriptors: process::descriptors(own.main_process),
        own,
        infra,
        members,
        slice,
    })
}

fn started_with(folder: &str) -> Option<Vec<String>> {
    let text = std::fs::read(format!("{folder}/pod.json")).ok()?;
    let pod: Value = serde_json::from_slice(&text).ok()?;
    let members = pod["members"].as_array()?.iter();
    Some(
        members
            .filter_map(|member| member["name"].as_str().map(str::to_owned))
            .collect(),
    )
}

/// `None` if there is no answer now.
fn told(pod: &Pod) -> Result<Option<Told>> {
    let output = systemd::run("podunit", &["status", pod.name, "--format", "json"])?;
    if !output.status.success() {
        return Ok(None);
    }
    let said: Value = serde_json::from_slice(&output.stdout).context("podunit status")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let members = said["members"].as_array().into_iter().flatten();
    let pid = |member: &Value| {
        let pid = member["pid"].as_u64().unwrap_or_default();
        (text(&member["member"]), u32::try_from(pid).unwrap_or_default())
    };
    Ok(Some(Told {
        state: text(&said["state"]),
        status: text(&said["status"]),
        pids: members.map(pid).collect(),
    }))
}
