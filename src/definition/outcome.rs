//! What became of each pod, and of files that lead to none.

use super::directive::Known;
use super::document::Definition;
use super::port::Published;
use super::{Broken, Definitions, Refused, member};
use crate::diagnostic::{Place, Problem, Severity, Source};
use crate::model::{ImageDefinition, Pod, PodName, SharedNetwork, Volume};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What became of one pod, or of a file that leads to none.
#[derive(Debug)]
pub(super) struct Outcome {
    /// All files that have a part in it.
    pub(super) files: Vec<PathBuf>,
    /// What was made of them.
    pub(super) made: Made,
    /// What is wrong with them.
    pub(super) problems: Vec<Problem>,
    /// The ports that it publishes, where lints are asked for.
    pub(super) published: Vec<Published>,
}

/// See [`Outcome`].
#[derive(Debug)]
pub(super) enum Made {
    /// A whole pod.
    Pod(Box<Pod>),
    /// One that cannot be made.
    Broken(Broken),
    /// A volume.
    Volume(Box<Volume>),
    /// An image.
    Image(Box<ImageDefinition>),
    /// A network.
    Network(Box<SharedNetwork>),
    /// Any other that cannot be made.
    Refused(Refused),
    /// Nothing that has a unit.
    Nothing,
}

pub(super) fn is_error(problem: &Problem) -> bool {
    problem.severity == Severity::Error
}

fn by_place(problem: &Problem) -> (&Path, Option<(usize, usize)>) {
    (&problem.place.path, problem.place.bytes)
}

impl Outcome {
    /// A file that leads to no pod.
    pub(super) fn nothing(file: &Definition, known: &Known, mut problems: Vec<Problem>) -> Self {
        problems.extend(file.problems.iter().cloned());
        if !file.documents.is_empty() {
            // Its own mistakes are worth knowing all the same.
            member::from_file(file, &[], known, &mut Default::default(), &mut problems);
        }
        Self {
            files: file.files.clone(),
            made: Made::Nothing,
            problems,
            published: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> Option<&PodName> {
        match &self.made {
            Made::Pod(pod) => Some(&pod.name),
            Made::Broken(broken) => Some(&broken.name),
            _ => None,
        }
    }

    pub(super) fn pod(&self) -> Option<&Pod> {
        match &self.made {
            Made::Pod(pod) => Some(pod),
            _ => None,
        }
    }

    /// The file that stands for the pod.
    pub(super) fn source(&self) -> &Path {
        self.files.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// Makes the pod a broken one.
    pub(super) fn fail(&mut self, problem: Problem) {
        self.problems.push(problem);
        if let Made::Pod(pod) = &self.made {
            let Pod {
                name, source, units, ..
            } = (**pod).clone();
            self.made = Made::Broken(Broken {
                name,
                source,
                install: units.install,
            });
        }
    }

    /// Leaves out what nobody would read, errors last.
    fn bound(&mut self) {
        const MOST: usize = 100;
        if self.problems.len() > MOST {
            self.problems
                .sort_by(|a, b| (!is_error(a), by_place(a)).cmp(&(!is_error(b), by_place(b))));
            let message = format!(
                "{} more problems of this pod are not shown",
                self.problems.len() - MOST
            );
            self.problems.truncate(MOST);
            self.problems
                .push(Problem::warning(Place::file(self.source()), message).code("more-problems"));
        }
    }

    /// Leaves nothing but the problems.
    pub(super) fn forget(&mut self) {
        self.made = Made::Nothing;
    }
}

/// Leaves out what is said a second time, since a file has a part in several instances. Sorted by place.
fn once(problems: &mut Vec<Problem>) {
    let mut kept: Vec<Problem> = Vec::with_capacity(problems.len());
    for problem in problems.drain(..) {
        let mut beside = kept
            .iter()
            .rev()
            .take_while(|other| by_place(other) == by_place(&problem));
        if !beside.any(|other| *other == problem) {
            kept.push(problem);
        }
    }
    *problems = kept;
}

/// Puts everything in order, and keeps those of the texts `sources` that are pointed into.
pub(super) fn collect(outcomes: Vec<Outcome>, problems: Vec<Problem>, sources: Vec<Source>) -> Definitions {
    let mut all = Definitions {
        problems,
        ..Definitions::default()
    };
    for mut outcome in outcomes {
        outcome.bound();
        all.problems.extend(outcome.problems);
        match outcome.made {
            Made::Pod(pod) => all.pods.push(*pod),
            Made::Broken(broken) => all.broken.push(broken),
            Made::Volume(volume) => all.volumes.push(*volume),
            Made::Image(image) => all.images.push(*image),
            Made::Network(network) => all.networks.push(*network),
            Made::Refused(refused) => all.refused.push(refused),
            Made::Nothing => {}
        }
    }
    all.pods.sort_by(|a, b| a.name.cmp(&b.name));
    all.broken.sort_by(|a, b| a.name.cmp(&b.name));
    all.volumes.sort_by(|a, b| a.name.cmp(&b.name));
    all.images.sort_by(|a, b| a.name.cmp(&b.name));
    all.networks.sort_by(|a, b| a.name.cmp(&b.name));
    all.refused.sort_by(|a, b| a.owner.cmp(&b.owner));
    all.problems.sort_by(|a, b| by_place(a).cmp(&by_place(b)));
    once(&mut all.problems);
    let others = |problem: &Problem| problem.other.as_ref().map(|(place, _)| place.path.clone());
    let paths: BTreeSet<PathBuf> = all
        .problems
        .iter()
        .flat_map(|problem| std::iter::once(problem.place.path.clone()).chain(others(problem)))
        .collect();
    all.sources = sources;
    all.sources.retain(|source| paths.contains(&source.path));
    all
}
