//! Which members an update concerns.

use crate::compiled;
use crate::model::{
    AutoUpdate, MemberName, Paths, Platform, Pod, PodName, Ready, Reference, Request, reference_key,
};
use crate::sys::file::read_text;
use std::collections::BTreeMap;

/// Longest record of a member's image that is read, in bytes.
const LONGEST: u64 = 4096;

/// A member with `AutoUpdate=`, of a pod that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its pod, as it was started.
    pub pod: PodName,
    /// Its name.
    pub member: MemberName,
    /// Its unit.
    pub unit: String,
    /// Where a newer image is looked for.
    pub policy: AutoUpdate,
    /// What it asks for, as it is meant on this machine.
    pub request: Request,
    /// The image, in full.
    pub reference: Reference,
    /// Whether it says itself when it is ready.
    pub notify: bool,
    /// Digest of the image that it was last started with.
    pub running: String,
}

/// Members with one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The image, in full.
    pub reference: Reference,
    /// What it is asked for with, if that is not this machine's.
    pub platform: Option<Platform>,
    /// Its name in the store, and in records.
    pub key: String,
    /// The members, by pod and name.
    pub members: Vec<Candidate>,
}

impl Group {
    /// A request that asks a registry, if a member wants that.
    pub fn request(&self) -> Option<&Request> {
        let of_registry = |member: &&Candidate| member.policy == AutoUpdate::Registry;
        self.members
            .iter()
            .find(of_registry)
            .map(|member| &member.request)
    }
}

/// The members of a pod that are to be kept up to date. `mean` says what a request means on this machine.
///
/// # Errors
/// Those of `mean`.
pub fn candidates(
    paths: &Paths,
    pod: &Pod,
    mean: impl Fn(&Request, &str) -> anyhow::Result<(Request, Reference)>,
) -> anyhow::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for member in &pod.members {
        let (Some(policy), Some(asked)) = (member.auto_update, member.request()) else {
            continue;
        };
        let unit = pod.name.member_unit(&member.name);
        let (request, reference) = mean(asked, &unit)?;
        // None: it was never started.
        let Ok(held) = read_text(&paths.pod(&pod.name).member(&member.name).image(), LONGEST) else {
            continue;
        };
        found.push(Candidate {
            pod: pod.name.clone(),
            member: member.name.clone(),
            unit,
            policy,
            request,
            reference,
            notify: member.ready == Ready::Notify || member.is_gated(),
            running: held.lines().next().unwrap_or_default().to_owned(),
        });
    }
    Ok(found)
}

/// The pods that run, as they were started.
pub fn running(paths: &Paths) -> Vec<Pod> {
    let names = compiled::pods(paths).into_iter();
    let runs = names.filter(|name| paths.pod(name).compiled().exists());
    runs.filter_map(|name| compiled::running(paths, &name).ok())
        .collect()
}

/// Members by their images.
pub fn groups(candidates: Vec<Candidate>) -> Vec<Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for candidate in candidates {
        let platform = candidate.request.platform.clone();
        let key = reference_key(&candidate.reference, platform.as_ref());
        let group = groups.entry(key.clone()).or_insert_with(|| Group {
            reference: candidate.reference.clone(),
            platform,
            key,
            members: Vec::new(),
        });
        group.members.push(candidate);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| {
        group
            .members
            .first()
            .map(|first| (first.pod.clone(), first.member.clone()))
    });
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(pod: &str, image: &str, policy: AutoUpdate) -> Candidate {
        Candidate {
            pod: PodName::new(pod).unwrap(),
            member: MemberName::new("a").unwrap(),
            unit: format!("pod-{pod}-a.service"),
            policy,
            request: Request::new(image),
            reference: image.parse().unwrap(),
            notify: false,
            running: String::new(),
        }
    }

    #[test]
    fn members_of_one_image_are_one_group() {
        let groups = groups(vec![
            candidate("a", "nginx", AutoUpdate::Local),
            candidate("b", "busybox", AutoUpdate::Local),
            candidate("c", "docker.io/library/nginx:latest", AutoUpdate::Registry),
        ]);
        let pods = |group: &Group| {
            group
                .members
                .iter()
                .map(|member| member.pod.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            groups.iter().map(pods).collect::<Vec<_>>(),
            [vec!["a", "c"], vec!["b"]]
        );
        assert!(groups[0].request().is_some() && groups[1].request().is_none());
    }
}
