//! A container without `Pod=`: a pod of one, which shares nothing but its network.

use super::directive::{self, Known};
use super::document::{Definition, Entry};
use super::outcome::{Made, Outcome, is_error};
use super::port::Ports;
use super::refused::Owner;
use super::section::{Settings, short};
use super::{
    Broken, Lints, instance, keys, lifecycle, lint, member, network, pod, port, resolve, surroundings,
};
use crate::diagnostic::Problem;
use crate::model::{Directive, FailurePolicy, Pod, PodName, Share};

/// Keys of `[Unit]` that are about restarts of one unit; all others are about the whole.
const OF_MEMBER: [&str; 6] = [
    "StartLimitAction",
    "StartLimitBurst",
    "StartLimitInterval",
    "StartLimitIntervalSec",
    "SuccessAction",
    "FailureAction",
];

/// What becomes of one.
pub(super) fn outcome(file: &Definition, known: &Known, lints: Option<Lints>) -> Outcome {
    let mut problems = file.problems.clone();
    let made = made(file, known, &mut problems);
    let published = match lints {
        Some(lints) => lint::pod(None, &[file], lints, &mut problems),
        None => Vec::new(),
    };
    Outcome {
        files: file.files.clone(),
        made,
        problems,
        published,
    }
}

fn made(file: &Definition, known: &Known, problems: &mut Vec<Problem>) -> Made {
    let of_pod = Some(file.base.clone())
        .into_iter()
        .chain(instance::template(&file.base));
    if let Some(base) = of_pod.into_iter().find(|base| known.pods.contains(base)) {
        let base = short(&base);
        let own = short(&file.base);
        let message = format!("this container would be a pod of its own, {own}, and there is {base}.pod");
        let help = format!("add Pod={base}.pod to [Container], or rename the file");
        problems.push(Problem::error(file.place(), message).help(help));
        member::from_file(file, &[], known, &mut Default::default(), problems);
        return Made::Nothing;
    }
    let message = match PodName::new(&file.base) {
        Err(error) => format!("`{}` cannot be the name of a pod: {error}", short(&file.base)),
        Ok(name) => return whole(name, file, known, problems),
    };
    problems.push(Problem::error(file.place(), message).help("rename the file"));
    member::from_file(file, &[], known, &mut Default::default(), problems);
    Made::Nothing
}

fn whole(name: PodName, file: &Definition, known: &Known, problems: &mut Vec<Problem>) -> Made {
    match read(name.clone(), file, known, problems) {
        Some(pod) if !problems.iter().any(is_error) => Made::Pod(Box::new(pod)),
        pod => {
            let mut install = pod.map(|pod| pod.units.install).unwrap_or_default();
            // The name by which it is started.
            install.push(Directive {
                key: "Alias".to_owned(),
                value: format!("{name}.service"),
            });
            Made::Broken(Broken {
                name,
                source: file.path.clone(),
                install,
            })
        }
    }
}

fn read(name: PodName, file: &Definition, known: &Known, problems: &mut Vec<Problem>) -> Option<Pod> {
    let mut ports = Ports::default();
    let mut member = member::from_file(file, &[], known, &mut ports, problems)?;
    // What says in [Pod] how the members are together says so here of the one.
    let settings = Settings::new(keys::POD, "[Container]".to_owned(), file.entries("Container"));
    let mut pod = pod::own(name, file, &settings, known, problems);
    pod.share = Share {
        net: true,
        ipc: false,
        uts: false,
        pid: false,
    };
    // A pod of which nothing is left has failed.
    pod.on_failure = FailurePolicy::StopPod;
    // Of the whole, the time of its image too, and of the member's own start.
    pod.start_timeout = directive::start_timeout(&mut member.service.clone(), problems);
    resolve::volumes_have_instances(&pod.name, std::slice::from_ref(&member), problems);
    resolve::unit_names_fit(&pod.name, std::slice::from_ref(&member), problems);
    network::check(&pod, &settings, known, &ports, problems);
    pod.instance_ports = ports.settle(&pod.name, problems);
    port::check(&ports.published, problems);
    surroundings::check(&mut pod, &settings, std::slice::from_ref(&member), problems);

    let (unit, whole): (Vec<Entry>, Vec<Entry>) =
        (member.unit.iter()).partition(|entry| OF_MEMBER.contains(&entry.key()));
    let names = [member.container.name.clone()];
    let context = directive::Context {
        pod: Some(&pod.name),
        member: None,
        members: &names,
        has_instance: file.base.contains('@'),
        known,
    };
    (pod.units.unit, _) = directive::unit(&whole, context, problems);
    if member.waits_for_network {
        pod.units.unit.extend(directive::after_network());
    }
    // Of the two, what a user starts is called so.
    member.container.service_name = None;
    let units = &mut member.container.units;
    units.unit.extend(directive::unit(&unit, context, problems).0);
    // After what keys of [Container] are for systemd: a later line overrides an earlier.
    units
        .service
        .extend(directive::service(&member.service, Owner::Member, problems));
    pod.units.install = directive::install(&member.install, pod.name.as_str(), true, problems);
    member.install.clear();
    lifecycle::check(std::slice::from_ref(&member), problems);
    pod.ports = ports.published.into_iter().map(|(port, _)| port).collect();
    pod.members = vec![member.container];
    resolve::aliases_are_free(&pod, problems);
    Some(pod)
}
