//! What was recorded of the start of each unit of a pod.

use crate::model::{Container, Paths, Pod, PullPolicy, Request};
use crate::timeline::Timeline;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a unit is in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The supervisor, which is the pod's own unit.
    Supervisor,
    /// The owner of the namespaces.
    Infra,
    /// Who fetches an image for the pod, and perhaps for others.
    Image,
    /// A container.
    Member,
}

/// When systemd last started a unit, in microseconds of `CLOCK_MONOTONIC`; 0 stands for never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// It took up the start: `ConditionTimestampMonotonic`, which it sets whether the unit has conditions or not.
    pub taken_up: u64,
    /// It made the unit's process: the start time in `ExecStart`. (`ExecMainStartTimestampMonotonic` is a later one: a
    /// member's main process is made known by its launcher.)
    pub spawned: u64,
    /// The unit became active: `ActiveEnterTimestampMonotonic`.
    pub ready: u64,
    /// The unit left active: `ActiveExitTimestampMonotonic`.
    pub left: u64,
    /// The unit was down: `InactiveEnterTimestampMonotonic`.
    pub down: u64,
    /// How often systemd has started it again by itself: `NRestarts`.
    pub restarts: u32,
}

impl Times {
    /// When the unit's last start began. systemd, where it starts a unit again by itself, does not always say when it
    /// took that up.
    pub fn began(&self) -> u64 {
        if self.taken_up > self.down {
            self.taken_up
        } else {
            self.spawned
        }
    }

    /// The times of a unit that is never active: its start is over when its process has ended.
    fn of_one_shot(self) -> Self {
        Self {
            taken_up: 0,
            ready: self.down,
            left: 0,
            down: 0,
            ..self
        }
    }

    /// When that start was over; `None` if it is not, or never will be.
    pub fn became_ready(&self) -> Option<u64> {
        (self.ready != 0 && self.ready >= self.began()).then_some(self.ready)
    }
}

/// The last start of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the unit is.
    pub role: Role,
    /// `infra`, `supervisor`, the member's name, or `image` and the reference.
    pub name: String,
    /// The unit.
    pub unit: String,
    /// Units that it is ordered after: those of the pod, and the one that fetches its image.
    pub after: Vec<String>,
    /// What systemd knows.
    pub times: Times,
    /// What the unit's own program wrote; empty if there is nothing.
    pub timeline: Timeline,
}

/// Units whose times are of interest: those of the pod, then those that fetch its images.
pub fn units(pod: &Pod) -> Vec<String> {
    let mut units = pod.service_units();
    units.extend(images(pod).into_keys());
    units
}

/// Puts together what systemd knows (`times`, in the order of [`units`]) and what the programs wrote.
pub fn read(paths: &Paths, pod: &Pod, times: &[Times]) -> Vec<Record> {
    let folder = paths.pod(&pod.name);
    let supervisor = (
        Role::Supervisor,
        "supervisor",
        Vec::new(),
        folder.supervisor_timeline(),
    );
    let infra = (Role::Infra, "infra", Vec::new(), folder.timeline());
    let members = pod.members.iter().map(|member| {
        let timeline = folder.member(&member.name).timeline();
        (
            Role::Member,
            member.name.as_str(),
            ordered_after(pod, member),
            timeline,
        )
    });
    let parts = [supervisor, infra].into_iter().chain(members);
    let units = pod.service_units().into_iter().zip(times);
    let record =
        |((role, name, after, timeline), (unit, times)): ((_, &str, _, PathBuf), (_, &Times))| Record {
            role,
            name: name.to_owned(),
            unit,
            after,
            times: *times,
            // A program that was killed wrote none, and one of another release may write none.
            timeline: Timeline::read(&timeline).unwrap_or_default(),
        };
    let mut records: Vec<Record> = parts.zip(units).map(record).collect();
    let fetched = images(pod).into_iter().zip(times.iter().skip(records.len()));
    let image = |((unit, reference), times): ((String, &str), &Times)| Record {
        role: Role::Image,
        name: format!("image {reference}"),
        unit,
        after: Vec::new(),
        times: times.of_one_shot(),
        timeline: Timeline::default(),
    };
    // Before the members, which wait for them.
    let images: Vec<Record> = fetched.map(image).collect();
    let behind_infra = records.len().min(2);
    records.splice(behind_infra..behind_infra, images);
    records
}

/// Units that fetch images for a pod, and the images.
fn images(pod: &Pod) -> BTreeMap<String, &str> {
    let fetched = pod
        .requests()
        .filter(|request| request.policy != PullPolicy::Never);
    fetched
        .map(|request| (request.unit(), request.reference.as_str()))
        .collect()
}

/// infra, those members that the definition names, and who fetches the image.
fn ordered_after(pod: &Pod, member: &Container) -> Vec<String> {
    let lines = member.units.unit.iter().filter(|line| line.key == "After");
    let named = lines.flat_map(|line| line.value.split_ascii_whitespace());
    let image = member.request().map(Request::unit);
    let others = named.map(str::to_owned).chain([pod.name.infra_unit()]);
    others.chain(image).collect()
}
