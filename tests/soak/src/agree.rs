//! Whether what systemd, the kernel and the supervisors say of pods at rest is one and the same. Pure.

use crate::look::{Look, Seen};
use crate::pods::{PODS, Pod};
use std::collections::{BTreeMap, BTreeSet};

/// What keeps the pods from being at rest.
pub fn unrest(look: &Look) -> Vec<String> {
    let mut found = Vec::new();
    for (pod, seen) in PODS.iter().zip(&look.pods) {
        let members = seen
            .members
            .iter()
            .map(|(name, unit)| (pod.member_unit(name), unit));
        let parts = [
            (pod.unit(), &seen.own),
            (pod.infra_unit(), &seen.infra),
            (pod.slice(), &seen.slice),
        ];
        for (name, unit) in parts.into_iter().chain(members) {
            if !unit.is_at_rest() {
                let job = if unit.job { ", with a job" } else { "" };
                found.push(format!("{name} is {}{job}", unit.active));
            }
        }
    }
    found
}

/// What contradicts itself, of pods at rest.
pub fn disagreements(look: &Look) -> Vec<String> {
    let mut found = Vec::new();
    for (pod, seen) in PODS.iter().zip(&look.pods) {
        let mut wrong = Vec::new();
        if seen.own.is_active() {
            of_running(pod, seen, &mut wrong);
        } else {
            of_stopped(seen, &mut wrong);
        }
        found.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", pod.name)));
    }
    of_all(look, &mut found);
    found
}

fn of_running(pod: &Pod, seen: &Seen, wrong: &mut Vec<String>) {
    if !seen.infra.is_active() {
        wrong.push(format!("the pod is active, infra is {}", seen.infra.active));
    }
    if pod.shares_pid != (seen.infra.main_process > 0) {
        wrong.push(format!("infra's process is {}", seen.infra.main_process));
    }
    of_cgroups(pod, seen, wrong);
    of_namespaces(pod, seen, wrong);
    match &seen.started_with {
        None => wrong.push("infra has copied no pod".to_owned()),
        Some(members) => of_supervisor(members, seen, wrong),
    }
}

/// Every process is in the cgroup of a unit that is active, and main processes are in their own.
fn of_cgroups(pod: &Pod, seen: &Seen, wrong: &mut Vec<String>) {
    let Some(cgroups) = &seen.cgroups else {
        return wrong.push("the pod is active and has no cgroup".to_owned());
    };
    let members = seen
        .members
        .iter()
        .map(|(name, unit)| (pod.member_unit(name), unit));
    let units = members.chain([(pod.infra_unit(), &seen.infra)]);
    let mut known: BTreeSet<String> = BTreeSet::from([pod.slice()]);
    for (name, unit) in units {
        let pids = cgroups.get(&name).map(Vec::as_slice).unwrap_or_default();
        if unit.is_active() && unit.main_process > 0 && !pids.contains(&unit.main_process) {
            wrong.push(format!(
                "{name} has the main process {} and in its cgroup {pids:?}",
                unit.main_process
            ));
        }
        if !unit.is_active() && cgroups.contains_key(&name) {
            wrong.push(format!(
                "{name} is {} and has a cgroup with {pids:?}",
                unit.active
            ));
        }
        known.insert(name);
    }
    for name in cgroups.keys().filter(|name| !known.contains(*name)) {
        wrong.push(format!("there is a cgroup {name}"));
    }
}

/// Members are in the namespaces that are pinned, and nothing is mounted twice.
fn of_namespaces(pod: &Pod, seen: &Seen, wrong: &mut Vec<String>) {
    if pod.shares_pid != seen.pins.contains_key("pid") || !seen.pins.contains_key("net") {
        wrong.push(format!("the pod holds the namespaces {:?}", seen.pins.keys()));
    }
    for (member, namespaces) in &seen.namespaces {
        for (kind, pin) in &seen.pins {
            if namespaces.get(kind) != Some(pin) {
                wrong.push(format!("{member} is in another {kind} namespace than the pod's"));
            }
        }
    }
    for twice in seen.mounts.windows(2).filter(|pair| pair[0] == pair[1]) {
        wrong.push(format!("{} is mounted twice", twice[0]));
    }
}

/// What the supervisor says is what systemd says.
fn of_supervisor(members: &[String], seen: &Seen, wrong: &mut Vec<String>) {
    let Some(told) = &seen.told else {
        return wrong.push("the supervisor does not answer".to_owned());
    };
    if !["ready", "degraded"].contains(&told.state.as_str()) {
        wrong.push(format!("at rest its state is {}: {}", told.state, told.status));
    }
    if told.status != seen.own.status {
        wrong.push(format!(
            "its status is {:?} and {:?}",
            told.status, seen.own.status
        ));
    }
    let active: BTreeSet<&str> = seen.active_members().collect();
    for member in active
        .iter()
        .filter(|name| !members.iter().any(|known| known == *name))
    {
        wrong.push(format!("{member} runs and is no member"));
    }
    let up = members
        .iter()
        .filter(|name| active.contains(name.as_str()))
        .count();
    let count = format!("{up}/{} ready", members.len());
    if !told.status.starts_with(&count) {
        wrong.push(format!(
            "{up} of {} members run, and its status is {:?}",
            members.len(),
            told.status
        ));
    }
    if (up == members.len()) && told.state != "ready" {
        wrong.push(format!("all members run, and its state is {}", told.state));
    }
    for (member, unit) in &seen.members {
        if unit.active == "failed" && told.state == "ready" && members.iter().any(|known| known == member) {
            wrong.push(format!("{member} has failed, and its state is ready"));
        }
        let pid = told.pids.get(*member).copied().unwrap_or_default();
        if unit.main_process != pid {
            wrong.push(format!("{member}'s process is {} and {pid}", unit.main_process));
        }
    }
}

fn of_stopped(seen: &Seen, wrong: &mut Vec<String>) {
    let state = &seen.own.active;
    let mut left = |what: String| wrong.push(format!("the pod is {state}, and there is still {what}"));
    if seen.infra.is_active() {
        left("infra".to_owned());
    }
    for member in seen.active_members() {
        left(format!("member {member}"));
    }
    // A slice goes with the last unit that needs it, but for two moments of systemd's: it forgets an empty one when that
    // unit ends while the start of another is taken back, or when it reads all files anew and the pod's are gone. That one
    // goes with the pod's next stop.
    let is_empty = |cgroups: &BTreeMap<_, Vec<u32>>| cgroups.values().all(Vec::is_empty);
    match &seen.cgroups {
        Some(cgroups) if !(seen.slice.is_active() && is_empty(cgroups)) => {
            left(format!("a cgroup with {cgroups:?}"));
        }
        Some(_) => {}
        None if seen.slice.is_active() => left("its slice".to_owned()),
        None => {}
    }
    if !seen.mounts.is_empty() {
        left(format!("mounted {:?}", seen.mounts));
    }
    if seen.has_folder {
        left("its folder in /run/podunit".to_owned());
    }
}

/// Processes and interfaces are as many as the pods have.
fn of_all(look: &Look, wrong: &mut Vec<String>) {
    for process in look.processes.iter().filter(|process| process.is_zombie) {
        wrong.push(format!("{} ({}) is a zombie", process.pid, process.name));
    }
    let running = |is: fn(&Pod) -> bool| {
        let pods = PODS.iter().zip(&look.pods);
        pods.filter(|(pod, seen)| seen.own.is_active() && is(pod)).count()
    };
    let named = |name: &str| {
        look.processes
            .iter()
            .filter(|process| process.name == name)
            .count()
    };
    for (name, expected) in [
        ("podunit", 0),
        ("crun", 0),
        ("netavark", 0),
        // The kernel keeps 15 letters.
        ("podunit-supervi", running(|_| true)),
        ("podunit-pause", running(|pod| pod.shares_pid)),
    ] {
        if named(name) != expected {
            wrong.push(format!("{} processes {name}, not {expected}", named(name)));
        }
    }
    let veths = look
        .interfaces
        .iter()
        .filter(|name| name.starts_with("veth"))
        .count();
    let bridged = running(|pod| pod.on_bridge);
    if veths != bridged {
        wrong.push(format!("{veths} interfaces of pods, not {bridged}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Told;
    use crate::process::Process;
    use crate::systemd::Unit;
    use std::collections::BTreeMap;

    fn unit(active: &str, main_process: u32) -> Unit {
        Unit {
            active: active.to_owned(),
            main_process,
            ..Unit::default()
        }
    }

    fn stopped() -> Look {
        let seen = |pod: &Pod| Seen {
            own: unit("inactive", 0),
            infra: unit("inactive", 0),
            slice: unit("inactive", 0),
            members: pod
                .all_members()
                .map(|name| (name, unit("inactive", 0)))
                .collect(),
            ..Seen::default()
        };
        Look {
            pods: PODS.iter().map(seen).collect(),
            ..Look::default()
        }
    }

    /// The pod of one member runs, all others are stopped.
    fn running() -> (Look, usize) {
        let mut look = stopped();
        let at = PODS.iter().position(|pod| pod.name == "solo").expect("a pod");
        let pod = &PODS[at];
        let status = "1/1 ready".to_owned();
        let seen = &mut look.pods[at];
        seen.own = Unit {
            status: status.clone(),
            ..unit("active", 10)
        };
        seen.infra = unit("active", 11);
        seen.slice = unit("active", 0);
        seen.members.insert("a", unit("active", 12));
        seen.started_with = Some(vec!["a".to_owned()]);
        seen.told = Some(Told {
            state: "ready".to_owned(),
            status,
            pids: BTreeMap::from([("a".to_owned(), 12)]),
        });
        seen.cgroups = Some(BTreeMap::from([
            (pod.slice(), Vec::new()),
            (pod.infra_unit(), vec![11]),
            (pod.member_unit("a"), vec![12, 13]),
        ]));
        seen.pins = BTreeMap::from([("net", 1), ("pid", 2)]);
        seen.namespaces = BTreeMap::from([("a", BTreeMap::from([("net", 1), ("ipc", 9), ("pid", 2)]))]);
        let process = |pid, name: &str| Process {
            pid,
            name: name.to_owned(),
            is_zombie: false,
        };
        look.processes = vec![process(10, "podunit-supervi"), process(11, "podunit-pause")];
        (look, at)
    }

    fn found(change: impl FnOnce(&mut Seen)) -> String {
        let (mut look, at) = running();
        change(&mut look.pods[at]);
        disagreements(&look).join("; ")
    }

    #[test]
    fn what_agrees_is_not_complained_of() {
        assert_eq!(disagreements(&stopped()), [""; 0]);
        assert_eq!(disagreements(&running().0), [""; 0]);
        assert_eq!(unrest(&running().0), [""; 0]);
    }

    #[test]
    fn every_view_is_held_against_the_others() {
        assert!(found(|seen| seen.infra.active = "failed".to_owned()).contains("infra is failed"));
        let other = |seen: &mut Seen| seen.cgroups.iter_mut().for_each(|groups| groups.clear());
        assert!(found(other).contains("has the main process 11 and in its cgroup []"));
        let outside = |seen: &mut Seen| seen.pins = BTreeMap::from([("net", 7), ("pid", 2)]);
        assert!(found(outside).contains("a is in another net namespace"));
        let twice = |seen: &mut Seen| seen.mounts = vec!["ns/net".to_owned(), "ns/net".to_owned()];
        assert!(found(twice).contains("ns/net is mounted twice"));
        assert!(found(|seen| seen.told = None).contains("does not answer"));
        let unseen = |seen: &mut Seen| drop(seen.members.insert("a", unit("failed", 0)));
        let said = found(unseen);
        for words in [
            "0 of 1 members run",
            "a has failed",
            "process is 0 and 12",
            "has a cgroup with [12, 13]",
        ] {
            assert!(said.contains(words), "{said}");
        }
        let left = |seen: &mut Seen| seen.own.active = "inactive".to_owned();
        for words in [
            "still infra",
            "still member a",
            "still a cgroup",
            "1 processes podunit-supervi, not 0",
        ] {
            assert!(found(left).contains(words), "{}", found(left));
        }
    }

    #[test]
    fn what_is_about_to_change_is_no_rest() {
        let (mut look, at) = running();
        look.pods[at].infra.job = true;
        assert_eq!(unrest(&look), ["pod-solo-infra.service is active, with a job"]);
        look.pods[at].own.active = "activating".to_owned();
        assert_eq!(unrest(&look).len(), 2);
    }
}
