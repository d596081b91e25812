//! Definitions (`*.pod`, `*.container`, others of Quadlet and their drop-ins) → [`Pod`]s.
//!
//! [`read`] is the one way in. A definition with any error gives no pod but a [`Broken`], and never harms another.
//!
//! `folder` opens folders, `search` finds and reads the files, `document` holds them parsed; `section` reads values by
//! the table in `keys`; `pod`, `member` and `container` make the model of them, `directive` what systemd owns, `lifecycle` the
//! order that follows from what kind of member each is, and `resolve` looks at all of it together. `outcome` is what became of each pod.

mod container;
mod directive;
mod document;
mod folder;
mod heading;
mod image;
mod instance;
mod keys;
mod lifecycle;
mod limit;
mod linux;
mod member;
mod mount;
mod mount_key;
mod names;
mod other;
mod outcome;
mod parallel;
mod pod;
mod podman_args;
mod podman_flags;
mod port;
mod probe;
mod process;
mod refused;
mod refused_keys;
mod resolve;
mod search;
mod section;
mod share;
mod signal;
mod stop;
mod surroundings;
mod systemd_keys;

pub use keys::{DOCUMENTED, documented_keys};

use crate::diagnostic::nearest;
use crate::diagnostic::{Place, Problem, Source};
use crate::model::{Directive, Paths, Pod, PodName};
use directive::Known;
use document::{Definition, Kind};
use folder::Folder;
use outcome::{Made, Outcome, collect, is_error};
use search::Listed;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Everything that the definitions of a host say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Definitions {
    /// Pods that are whole and valid, sorted by name.
    pub pods: Vec<Pod>,
    /// Pods that cannot be made, sorted by name. No unit of any pod, whole or broken, has the name of another's: a
    /// broken pod whose `pod-X.service` belongs to a whole one is not here, only its problems are.
    pub broken: Vec<Broken>,
    /// All problems, warnings too, in order of file and place.
    pub problems: Vec<Problem>,
    /// The texts that problems point into.
    pub sources: Vec<Source>,
}

/// A pod whose definition has an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Name of the pod, from the file name.
    pub name: PodName,
    /// The definition, under the root of the running system: the pod's file, or that of a container whose pod has
    /// none.
    pub source: PathBuf,
    /// Its `[Install]` section as far as it could be read: what would start the pod.
    pub install: Vec<Directive>,
}

/// Reads all definitions under the root of `paths`.
pub fn read(paths: &Paths) -> Definitions {
    let (outcomes, problems, sources) = outcomes(&folders(paths));
    collect(outcomes, problems, sources)
}

/// Reads the pods that `files` have a part in: among all definitions of `paths` if a file lies in one of their folders
/// and counts there, else among those of the folder in which it lies.
pub fn read_files(paths: &Paths, files: &[PathBuf]) -> Definitions {
    // By folder: as typed first, and the names in it.
    let mut groups: BTreeMap<PathBuf, (&Path, BTreeSet<&OsStr>)> = BTreeMap::new();
    for file in files {
        let folder = file.parent().unwrap_or(Path::new(""));
        let here = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let real = here.canonicalize().unwrap_or_else(|_| here.to_owned());
        groups
            .entry(real)
            .or_insert((folder, BTreeSet::new()))
            .1
            .extend(file.file_name());
    }
    let all = folders(paths);
    let mut definitions = Definitions::default();
    for (real, (folder, mut names)) in groups {
        let shown =
            |folder: &Path, names: &BTreeSet<&OsStr>| names.iter().map(|name| folder.join(name)).collect();
        if let Some(known) = all.iter().find_map(|known| shown_in(known, folder, &real)) {
            let counted = involving(&all, &shown(&known, &names), &mut definitions);
            names.retain(|name| !counted.contains(&known.join(name)));
        }
        if !names.is_empty() {
            let path = real.strip_prefix("/").unwrap_or(&real).to_owned();
            let alone = Folder {
                root: PathBuf::from("/"),
                path,
                shown: folder.to_owned(),
                is_deep: false,
            };
            let files = shown(folder, &names);
            let counted = involving(&[alone], &files, &mut definitions);
            let message = "this file defines nothing: it, or its pod, is masked by a link to /dev/null or an empty file";
            let masked = files
                .difference(&counted)
                .map(|file| Problem::warning(Place::file(file), message));
            definitions.problems.extend(masked);
        }
    }
    definitions
}

/// How a folder, as typed and as it really is, is shown if it is `known` or below it.
fn shown_in(known: &Folder, typed: &Path, real: &Path) -> Option<PathBuf> {
    let place = known.root.join(&known.path);
    let below = |folder: &Path, place: PathBuf| folder.strip_prefix(place).ok().map(Path::to_owned);
    // As typed too: there may be a link in the folder of definitions that leads out of it.
    let by_name = || {
        below(
            &std::path::absolute(typed).ok()?,
            std::path::absolute(&place).ok()?,
        )
    };
    let below = place.canonicalize().ok().and_then(|place| below(real, place));
    let below = below.or_else(by_name)?;
    Some(match below.as_os_str().is_empty() {
        true => known.shown.clone(),
        false => known.shown.join(below),
    })
}

/// Adds the pods that `files` have a part in, and gives those files that have a part in any.
fn involving(
    folders: &[Folder],
    files: &BTreeSet<PathBuf>,
    definitions: &mut Definitions,
) -> BTreeSet<PathBuf> {
    let (mut outcomes, problems, sources) = outcomes(folders);
    outcomes.retain(|outcome| outcome.files.iter().any(|file| files.contains(file)));
    let counted = outcomes
        .iter()
        .flat_map(|outcome| outcome.files.iter().cloned())
        .collect();
    let Definitions {
        pods,
        broken,
        problems,
        sources,
    } = collect(outcomes, problems, sources);
    definitions.pods.extend(pods);
    definitions.broken.extend(broken);
    definitions.problems.extend(problems);
    definitions.sources.extend(sources);
    counted
}

/// Whether a file of this name is a definition.
pub fn is_definition(name: &str) -> bool {
    Kind::of(name).is_some()
}

/// The folders of definitions, as shown to the user those of the running system.
fn folders(paths: &Paths) -> Vec<Folder> {
    let folder = |dir: PathBuf| {
        let path = dir.strip_prefix(paths.root()).unwrap_or(&dir).to_owned();
        Folder {
            root: paths.root().to_owned(),
            shown: Path::new("/").join(&path),
            path,
            is_deep: true,
        }
    };
    paths.definition_dirs().into_iter().map(folder).collect()
}

/// What becomes of everything in `folders`; what is wrong with the folders themselves; texts that problems point into.
fn outcomes(folders: &[Folder]) -> (Vec<Outcome>, Vec<Problem>, Vec<Source>) {
    let mut problems = Vec::new();
    let listings = search::open(folders, &mut problems);
    let (mut pods, mut containers, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for listed in search::list_all(&listings) {
        match listed.kind {
            Kind::Pod => pods.push(listed),
            Kind::Container => containers.push(listed),
            _ => others.push(listed),
        }
    }
    let containers: Vec<Definition> = parallel::map(&containers, Listed::read)
        .into_iter()
        .flatten()
        .collect();
    let others: Vec<Definition> = others.iter().filter_map(Listed::read).collect();
    let mut outcomes: Vec<Outcome> = others.iter().map(other::outcome).collect();
    let mut of_pods = by_pod(&containers, &mut outcomes);
    pods.extend(instances_of_members(&pods, &of_pods));
    let known = Known {
        pods: pods.iter().map(|pod| pod.base.clone()).collect(),
        containers: of_pods
            .iter()
            .flat_map(|(pod, files)| files.iter().map(|(file, _)| (file.base.clone(), pod.clone())))
            .collect(),
    };
    // A pod's text is dropped when its model is made: a thousand of them would be most of the memory.
    let made = parallel::map(&pods, |listed| {
        let file = listed.read()?;
        let containers = members_of(&file.base, &of_pods);
        let outcome = outcome(&file, &containers, &known);
        let pointed = !outcome.problems.is_empty();
        let sources: Vec<Source> = file.into_sources().filter(|_| pointed).collect();
        Some((outcome, sources))
    });
    let mut sources = Vec::new();
    for (outcome, texts) in made.into_iter().flatten() {
        outcomes.push(outcome);
        sources.extend(texts);
    }
    // Whoever masks a pod wants none of its containers.
    of_pods.retain(|base, _| !known.pods.contains(base));
    for (base, containers) in &of_pods {
        outcomes.push(without_pod(base, containers, &known));
    }
    resolve::units_differ(&mut outcomes);
    resolve::no_circles_of_pods(&mut outcomes);
    let read = containers.into_iter().chain(others);
    sources.extend(read.flat_map(Definition::into_sources));
    (outcomes, problems, sources)
}

/// Containers by the pod that they name; those that name none get their outcome at once.
fn by_pod<'a>(
    containers: &'a [Definition],
    outcomes: &mut Vec<Outcome>,
) -> BTreeMap<String, Vec<(&'a Definition, Place)>> {
    let mut of_pods: BTreeMap<String, Vec<(&Definition, Place)>> = BTreeMap::new();
    for file in containers {
        let mut problems = Vec::new();
        let Some(value) = member::pod_of(file, &mut problems) else {
            outcomes.push(Outcome::nothing(file, problems));
            continue;
        };
        if let Some(named) = value.text.strip_suffix(Kind::Pod.suffix()) {
            match instance::pod_of(file, named) {
                Ok(base) => of_pods.entry(base).or_default().push((file, value.place())),
                Err((message, help)) => {
                    problems.push(value.error(message).help(help));
                    outcomes.push(Outcome::nothing(file, problems));
                }
            }
        } else {
            let problem = value.error("this is not the file of a pod");
            problems.push(problem.help(format!("write Pod={}.pod", value.text)));
            outcomes.push(Outcome::nothing(file, problems));
        }
    }
    of_pods
}

/// Pods that are instances only since a container is in them and not in other instances of their template.
fn instances_of_members<'a>(
    pods: &[Listed<'a>],
    of_pods: &BTreeMap<String, Vec<(&Definition, Place)>>,
) -> Vec<Listed<'a>> {
    let find = |base: &str| pods.iter().find(|pod| pod.base == base);
    let templates = of_pods
        .keys()
        .filter_map(|base| Some((base, instance::template(base)?)));
    templates
        .filter(|(base, _)| find(base).is_none())
        .filter_map(|(base, template)| Some(find(&template)?.instance(base)))
        .collect()
}

/// The containers of a pod. An instance has those of its template too, but for those of which it has an own instance.
fn members_of<'a>(
    base: &str,
    of_pods: &BTreeMap<String, Vec<(&'a Definition, Place)>>,
) -> Vec<&'a Definition> {
    let of = |base: &str| of_pods.get(base).into_iter().flatten().map(|(file, _)| *file);
    let own: Vec<&Definition> = of(base).collect();
    let Some(template) = instance::template(base) else {
        return own;
    };
    let is_own = |file: &&Definition| {
        own.iter()
            .any(|own| instance::plain(&own.base) == instance::plain(&file.base))
    };
    of(&template)
        .filter(|file| !is_own(file))
        .chain(own.iter().copied())
        .collect()
}

/// One pod with its containers.
fn outcome(file: &Definition, containers: &[&Definition], known: &Known) -> Outcome {
    let parts = std::iter::once(&file).chain(containers);
    let files: Vec<PathBuf> = parts
        .clone()
        .flat_map(|part| part.files.iter().cloned())
        .collect();
    let mut problems: Vec<Problem> = parts.flat_map(|part| part.problems.iter().cloned()).collect();
    let name = match PodName::new(&file.base) {
        Ok(name) => name,
        Err(error) => {
            let message = format!(
                "`{}` cannot be the name of a pod: {error}",
                section::short(&file.base)
            );
            problems.push(Problem::error(file.place(), message).help("rename the file"));
            return Outcome {
                files,
                made: Made::Nothing,
                problems,
            };
        }
    };
    let pod = pod::read(name.clone(), file, containers, known, &mut problems);
    let made = if problems.iter().any(is_error) {
        Made::Broken(Broken {
            name,
            source: file.path.clone(),
            install: pod.units.install,
        })
    } else {
        Made::Pod(Box::new(pod))
    };
    Outcome {
        files,
        made,
        problems,
    }
}

/// Containers that name a pod which has no file.
fn without_pod(base: &str, containers: &[(&Definition, Place)], known: &Known) -> Outcome {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for (file, place) in containers {
        files.extend(file.files.iter().cloned());
        problems.extend(file.problems.iter().cloned());
        member::from_file(file, &[], &mut Vec::new(), &mut problems);
        let near = nearest::nearest(base, known.pods.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean {near}.pod?"),
            None => format!("write a file {}.pod with a section [Pod]", section::short(base)),
        };
        let message = format!("there is no pod {}.pod", section::short(base));
        problems.push(Problem::error(place.clone(), message).help(help));
    }
    let source = containers
        .first()
        .map(|(file, _)| file.path.clone())
        .unwrap_or_default();
    let made = match PodName::new(base) {
        Ok(name) => Made::Broken(Broken {
            name,
            source,
            install: Vec::new(),
        }),
        Err(_) => Made::Nothing,
    };
    Outcome {
        files,
        made,
        problems,
    }
}
