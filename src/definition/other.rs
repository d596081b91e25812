//! Definitions that are neither pod nor container.

use super::directive::Known;
use super::document::{Definition, Kind};
use super::outcome::{Made, Outcome, is_error};
use super::{Refused, image_file, resource, shared_network, volume};
use crate::diagnostic::Problem;
use crate::model::Owner;

/// What becomes of one.
pub(super) fn outcome(file: &Definition, known: &Known) -> Outcome {
    let mut problems = file.problems.clone();
    let made = match resource::owner(file, &mut problems) {
        Some(owner) => made(file, owner, known, &mut problems),
        None => Made::Nothing,
    };
    Outcome {
        files: file.files.clone(),
        made,
        problems,
        published: Vec::new(),
    }
}

fn made(file: &Definition, owner: Owner, known: &Known, problems: &mut Vec<Problem>) -> Made {
    let made = match &owner {
        Owner::Volume(name) => {
            let sections = resource::sections(file, problems);
            Made::Volume(Box::new(volume::read(
                name.clone(),
                file,
                sections,
                known,
                problems,
            )))
        }
        Owner::Image(name) => {
            let sections = resource::sections(file, problems);
            Made::Image(Box::new(image_file::read(
                name.clone(),
                file,
                sections,
                known,
                problems,
            )))
        }
        Owner::Network(name) => {
            let mut sections = resource::sections(file, problems);
            let mut network = shared_network::read_own(name.clone(), file, &mut sections, problems).network;
            network.units = resource::units(&sections, known, problems);
            problems.extend(
                known
                    .network_clashes
                    .get(&file.base)
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
            Made::Network(Box::new(network))
        }
        _ => {
            problems.push(refusal(file));
            Made::Nothing
        }
    };
    if !problems.iter().any(is_error) {
        return made;
    }
    // What would start it is asked for again: the rest may not have been read.
    let sections = resource::sections(file, &mut Vec::new());
    Made::Refused(Refused {
        owner,
        source: file.path.clone(),
        install: resource::install(&sections, &mut Vec::new()),
    })
}

/// Why files of a kind are not for podunit, and what to do.
fn refusal(file: &Definition) -> Problem {
    let (why, help) = match file.kind {
        Kind::Kube => (
            "podunit plays no Kubernetes files".to_owned(),
            "make a definition of it, NAME.pod: `podunit import` does that; then remove this file",
        ),
        Kind::Build => (
            "podunit builds no images".to_owned(),
            "build it with a tool for that, such as buildah, push it or `podunit image load` it, and write its name \
             in Image=; then remove this file",
        ),
        Kind::Artifact => (
            "podunit has no artifacts".to_owned(),
            "fetch the files in another way, such as a unit of your own, and mount them with Volume=; then remove this \
             file",
        ),
        kind => (
            format!(
                "files {} are not supported by this version of podunit",
                kind.suffix()
            ),
            "remove this file",
        ),
    };
    Problem::error(file.place(), why).help(help)
}
