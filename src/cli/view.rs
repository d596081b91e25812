//! How pods are, for `podunit ps` and `podunit status`: what systemd says of their units and the supervisor of the pod,
//! put beside what they were defined as. Without a supervisor there is less to tell.

use crate::compiled;
use crate::definition;
use crate::model::{Container, ContainerKind, ImageSource, Paths, Pod, PodName, PortMapping};
use crate::network;
use crate::sys::file::read_text;
use crate::systemd::manager;
use crate::systemd::pod::{self, MemberState};
use crate::systemd::unit::{Active, Properties, Unit};
use futures_util::future::join_all;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use zbus::{Connection, Variant};

/// A pod.
#[derive(Debug, Serialize)]
pub struct PodView {
    /// Its name.
    pub pod: PodName,
    /// Its unit.
    pub unit: String,
    /// The supervisor's word (`starting`, `ready`, `degraded`, `frozen`, `recovering`, `stopping`, `failed`), or where it
    /// does not answer systemd's (`inactive`, `failed`, `active` …).
    pub state: String,
    /// The state in words, empty if there are none.
    pub status: String,
    /// Since when, in microseconds since 1970; 0 if it never was anything else.
    pub since: u64,
    /// Published ports in Podman's spelling.
    pub ports: Vec<String>,
    /// Addresses on the pods' network.
    pub addresses: Vec<String>,
    /// Where it is defined.
    pub source: PathBuf,
    /// Why it runs as something other than what is defined now; `None` if that is the same.
    pub differs: Option<&'static str>,
    /// The unit that owns its namespaces.
    pub infra: UnitView,
    /// Its members.
    pub members: Vec<MemberView>,
}

/// A unit.
#[derive(Debug, Serialize)]
pub struct UnitView {
    /// Its name.
    pub unit: String,
    /// systemd's `ActiveState`; of a member the supervisor's word, where it answers (`ready`, `failed`, `frozen` …).
    pub state: String,
    /// Main process, 0 for none.
    pub pid: u32,
    /// Since when, in microseconds since 1970; 0 if it never was anything else.
    pub since: u64,
}

/// A member.
#[derive(Debug, Serialize)]
pub struct MemberView {
    /// Its name.
    pub member: String,
    /// Its unit.
    #[serde(flatten)]
    pub unit: UnitView,
    /// Whether it is ready.
    pub ready: bool,
    /// Its image, or the folder that is its root.
    pub image: String,
    /// Digest of the image that it was last started with, empty if it has none.
    pub digest: String,
    /// Why it is not ready, or what it says of itself.
    pub detail: String,
    /// Automatic restarts since the last start that somebody asked for.
    pub restarts: u32,
}

/// A unit as read, with what only people want to know.
#[derive(Default)]
struct Read {
    unit: Unit,
    status: String,
}

/// Looks at a pod.
///
/// # Errors
/// Its compiled form cannot be used, or systemd does not answer.
pub async fn look(bus: &Connection, paths: &Paths, name: &PodName) -> anyhow::Result<PodView> {
    let definition = compiled::running(paths, name)?;
    let units = definition.service_units();
    let read = join_all(units.iter().map(|unit| read(bus, unit))).await;
    let mut read = read.into_iter().collect::<zbus::Result<Vec<Read>>>()?.into_iter();
    let own = read.next().unwrap_or_default();
    let infra = read.next().unwrap_or_default();
    // The supervisor knows better, if it answers.
    let told = match own.unit.active {
        Active::Inactive | Active::Failed => None,
        _ => pod::properties(bus, name).await.ok(),
    };
    let told = told.unwrap_or_default();
    let of_members = told.members.unwrap_or_default();
    let members = definition.members.iter().zip(read).map(|(member, read)| {
        let told = of_members.iter().find(|told| told.name == member.name.as_str());
        view_member(paths, name, member, read, told)
    });
    let status = match own.unit.active {
        Active::Failed if own.status.is_empty() => own.unit.failure(),
        Active::Inactive => String::new(),
        _ => told.status.unwrap_or(own.status),
    };
    Ok(PodView {
        members: members.collect(),
        state: told.state.unwrap_or_else(|| own.unit.active.word().to_owned()),
        status,
        since: told.since.unwrap_or(own.unit.since),
        ports: ports(paths, &definition)
            .iter()
            .map(ToString::to_string)
            .collect(),
        addresses: addresses(paths, name),
        differs: differs(paths, &definition),
        source: definition.source,
        infra: view_unit(name.infra_unit(), &infra),
        unit: name.unit(),
        pod: definition.name,
    })
}

async fn read(bus: &Connection, unit: &str) -> zbus::Result<Read> {
    let mut read = Read::default();
    read.unit = manager::read_unit(bus, unit, |properties: &Properties<'_>| {
        if let Some(Variant::Str(status)) = properties.get("StatusText") {
            read.status = status.to_string();
        }
    })
    .await?;
    Ok(read)
}

fn view_unit(unit: String, read: &Read) -> UnitView {
    UnitView {
        unit,
        state: read.unit.active.word().to_owned(),
        pid: read.unit.main_pid,
        since: read.unit.since,
    }
}

fn view_member(
    paths: &Paths,
    pod: &PodName,
    member: &Container,
    read: Read,
    told: Option<&MemberState>,
) -> MemberView {
    let unit = &read.unit;
    let mut view = view_unit(pod.member_unit(&member.name), &read);
    let detail = match told {
        Some(told) if !told.detail.is_empty() => told.detail.clone(),
        None if unit.restarting => format!("{} after: {}", unit.waiting(), unit.failure()),
        None if unit.active == Active::Failed => unit.failure(),
        None if unit.active == Active::Active && member.kind == ContainerKind::Init => {
            format!("done, {}", unit.failure())
        }
        _ => read.status.clone(),
    };
    if let Some(told) = told {
        view.state.clone_from(&told.state);
    }
    MemberView {
        member: member.name.to_string(),
        ready: told.map_or(unit.active == Active::Active, |told| told.state == "ready"),
        restarts: unit.restarts,
        unit: view,
        image: match &member.image {
            ImageSource::Image(request) => request.reference.clone(),
            ImageSource::Rootfs(path) => path.clone(),
        },
        digest: held(paths, pod, member),
        detail,
    }
}

/// Digest of the image that a member holds.
fn held(paths: &Paths, pod: &PodName, member: &Container) -> String {
    let record = read_text(&paths.pod(pod).member(&member.name).image(), 4096).unwrap_or_default();
    record.lines().next().unwrap_or_default().to_owned()
}

/// What the pod publishes, with the ports of the host that were chosen when it started.
fn ports(paths: &Paths, pod: &Pod) -> Vec<PortMapping> {
    let is_chosen = |port: &PortMapping| port.host_port == 0;
    if !pod.ports.iter().any(is_chosen) {
        return pod.ports.clone();
    }
    match network::published(paths, &pod.name) {
        published if published.is_empty() => pod.ports.clone(),
        published => published,
    }
}

/// Addresses that infra asked netavark for.
fn addresses(paths: &Paths, name: &PodName) -> Vec<String> {
    let around = network::surroundings_of(paths, name).unwrap_or_default();
    around.addresses.iter().map(ToString::to_string).collect()
}

/// What has become of the definition of a running pod. The generator writes the units of a running pod whose
/// definition is gone or broken as they were, so the compiled pod does not tell; the definition itself does.
fn differs(paths: &Paths, running: &Pod) -> Option<&'static str> {
    if !paths.pod(&running.name).compiled().exists() {
        return None;
    }
    let source = paths.under(&running.source);
    if !source.exists() {
        return Some("its definition is gone");
    }
    let defined = definition::read_files(paths, &[source]);
    let template = running.name.template();
    let is_its = |name: &PodName| *name == running.name || Some(name) == template.as_ref();
    if defined.broken.iter().any(|broken| is_its(&broken.name)) {
        return Some("its definition has errors, see podunit check");
    }
    let same = compiled::find(paths, &running.name).is_ok_and(|(now, _)| now == *running);
    (!same).then_some("its definition has changed; a restart takes it up")
}

/// How long ago `since` was, in systemd's words: `3min ago`. Empty for 0.
pub fn ago(since: u64) -> String {
    if since == 0 {
        return String::new();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    span(now.as_secs().saturating_sub(since / 1_000_000)) + " ago"
}

/// A length of time in systemd's words, its two largest units: `2d 7h`.
pub fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let first = units
        .iter()
        .position(|(_, length)| seconds >= *length)
        .unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (word, length) in units.iter().skip(first).take(2) {
        if rest / length > 0 || words.is_empty() {
            words.push(format!("{}{word}", rest / length));
        }
        rest %= length;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_have_two_units_at_most() {
        assert_eq!(span(0), "0s");
        assert_eq!(span(61), "1min 1s");
        assert_eq!(span(7_200), "2h");
        assert_eq!(span(200_000), "2d 7h");
    }
}
