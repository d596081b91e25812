//! Definitions (`*.pod`, `*.container`, others of Quadlet and their drop-ins) → [`Pod`]s.
//!
//! [`read`] is the one way in. A definition with any error gives no pod but a [`Broken`], and never harms another.
//!
//! `asked` takes of all what is asked about; `folder` opens folders, `search` finds and reads the files, `document` holds them parsed; `section` reads values by
//! the table in `keys`; `pod`, `member` and `container` make the model of them, `directive` what systemd owns, `relation` the units in it, `lifecycle` the
//! order that follows from what kind of member each is, and `resolve` looks at all of it together. `outcome` is what became of each pod.

mod asked;
mod container;
mod directive;
mod document;
mod folder;
mod heading;
mod image;
mod image_file;
mod instance;
mod keys;
mod lifecycle;
mod limit;
mod lint;
mod linux;
mod lone;
mod member;
mod mount;
mod mount_key;
mod names;
mod network;
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
mod relation;
mod resolve;
mod resource;
mod resource_keys;
mod search;
mod section;
mod share;
mod shared_network;
mod signal;
mod stop;
mod surroundings;
mod systemd_keys;
mod volume;

pub use asked::{definitions_below, parts};
pub use directive::SHORT;
pub use keys::{DOCUMENTED, Rule, documented_keys, is_extension, rule_of};
pub use lint::{LINTS, Lint, Lints, PROBLEMS};

use crate::diagnostic::nearest;
use crate::diagnostic::{Place, Problem, Source};
use crate::model::{Directive, ImageDefinition, Owner, Paths, Pod, PodName, SharedNetwork, Volume};
use directive::Known;
use document::{Definition, Kind};
use folder::Folder;
use outcome::{Made, Outcome, collect, is_error};
use search::Listed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that the definitions of a host say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Definitions {
    /// Pods that are whole and valid, sorted by name.
    pub pods: Vec<Pod>,
    /// Pods that cannot be made, sorted by name. No unit of any pod, whole or broken, has the name of another's: a
    /// broken pod whose `pod-X.service` belongs to a whole one is not here, only its problems are.
    pub broken: Vec<Broken>,
    /// Volumes, sorted by name.
    pub volumes: Vec<Volume>,
    /// Images, sorted by name.
    pub images: Vec<ImageDefinition>,
    /// Networks, sorted by name.
    pub networks: Vec<SharedNetwork>,
    /// Definitions other than pods that cannot be made.
    pub refused: Vec<Refused>,
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

/// A definition other than a pod's that has an error, or that podunit has no use for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whose units there would be.
    pub owner: Owner,
    /// The definition, under the root of the running system.
    pub source: PathBuf,
    /// Its `[Install]` section as far as it could be read.
    pub install: Vec<Directive>,
}

/// Reads all definitions under the root of `paths`.
pub fn read(paths: &Paths) -> Definitions {
    let (outcomes, problems, sources) = outcomes(&folders(paths), None);
    collect(outcomes, problems, sources)
}

/// The same, looking also for what is probably not what was meant.
pub fn check(paths: &Paths, lints: Lints) -> Definitions {
    let (mut outcomes, problems, sources) = outcomes(&folders(paths), Some(lints));
    lint::across(&mut outcomes, &|_| true);
    collect(outcomes, problems, sources)
}

/// Reads the pods that `files` have a part in: among all definitions of `paths` if a file lies in one of their folders
/// and counts there, else among those of the folder in which it lies.
pub fn read_files(paths: &Paths, files: &[PathBuf]) -> Definitions {
    asked::read(paths, files, None, None)
}

/// The same, [checked](check).
pub fn check_files(paths: &Paths, files: &[PathBuf], lints: Lints) -> Definitions {
    asked::read(paths, files, None, Some(lints))
}

/// [Checks](check_files) one file as if it held `text`; it need not be there.
pub fn check_text(paths: &Paths, file: PathBuf, text: Vec<u8>, lints: Lints) -> Definitions {
    asked::read(paths, &[file], Some(text), Some(lints))
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
            instead: None,
        }
    };
    paths.definition_dirs().into_iter().map(folder).collect()
}

/// What becomes of everything in `folders`; what is wrong with the folders themselves; texts that problems point into.
fn outcomes(folders: &[Folder], lints: Option<Lints>) -> (Vec<Outcome>, Vec<Problem>, Vec<Source>) {
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
    let (lone, member): (Vec<&Definition>, Vec<&Definition>) =
        containers.iter().partition(|file| member::is_lone(file));
    let mut no_pods = Vec::new();
    let mut of_pods = by_pod(&member, &mut no_pods);
    let of_kind = |kind| others.iter().filter(move |file| file.kind == kind);
    pods.extend(instances_of_members(&pods, &of_pods));
    let root = folders
        .first()
        .map(|folder| Paths::new(&folder.root))
        .unwrap_or_default();
    let (networks, network_clashes) = shared_network::read_all(&root, of_kind(Kind::Network));
    let known = Known {
        lone: lone.iter().map(|file| file.base.clone()).collect(),
        volumes: of_kind(Kind::Volume)
            .map(|file| (file.base.clone(), volume::name_of(file)))
            .collect(),
        images: of_kind(Kind::Image)
            .map(|file| (file.base.clone(), image_file::request_of(file)))
            .collect(),
        pods: pods.iter().map(|pod| pod.base.clone()).collect(),
        containers: of_pods
            .iter()
            .flat_map(|(pod, files)| files.iter().map(|(file, _)| (file.base.clone(), pod.clone())))
            .collect(),
        network_names: of_kind(Kind::Network)
            .map(|file| (shared_network::name_of(file), file.base.clone()))
            .collect(),
        networks,
        network_clashes,
    };
    let mut outcomes: Vec<Outcome> = no_pods
        .into_iter()
        .map(|(file, problems)| Outcome::nothing(file, &known, problems))
        .collect();
    outcomes.extend(others.iter().map(|file| other::outcome(file, &known)));
    outcomes.extend(
        parallel::map(&lone, |file| Some(lone::outcome(file, &known, lints)))
            .into_iter()
            .flatten(),
    );
    // A pod's text is dropped when its model is made: a thousand of them would be most of the memory.
    let made = parallel::map(&pods, |listed| {
        let file = listed.read()?;
        let containers = members_of(&file.base, &of_pods);
        let outcome = outcome(&file, &containers, &known, lints);
        // A lint may point into a pod that is fine itself.
        let pointed = !outcome.problems.is_empty() || lints.is_some();
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

/// Containers by the pod that they name; to `others` those that name none, and what is wrong with them.
fn by_pod<'a>(
    containers: &[&'a Definition],
    others: &mut Vec<(&'a Definition, Vec<Problem>)>,
) -> BTreeMap<String, Vec<(&'a Definition, Place)>> {
    let mut of_pods: BTreeMap<String, Vec<(&Definition, Place)>> = BTreeMap::new();
    for file in containers.iter().copied() {
        let mut problems = Vec::new();
        let Some(value) = member::pod_of(file, &mut problems) else {
            others.push((file, problems));
            continue;
        };
        if let Some(named) = value.text.strip_suffix(Kind::Pod.suffix()) {
            match instance::pod_of(file, named) {
                Ok(base) => of_pods.entry(base).or_default().push((file, value.place())),
                Err((message, help)) => {
                    problems.push(value.error(message).help(help));
                    others.push((file, problems));
                }
            }
        } else {
            let problem = value.error("this is not the file of a pod");
            problems.push(problem.help(format!("write Pod={}.pod", value.text)));
            others.push((file, problems));
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
fn outcome(file: &Definition, containers: &[&Definition], known: &Known, lints: Option<Lints>) -> Outcome {
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
                published: Vec::new(),
            };
        }
    };
    let pod = pod::read(name.clone(), file, containers, known, &mut problems);
    let published = match lints {
        Some(lints) => lint::pod(Some(file), containers, lints, &mut problems),
        None => Vec::new(),
    };
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
        published,
    }
}

/// Containers that name a pod which has no file.
fn without_pod(base: &str, containers: &[(&Definition, Place)], known: &Known) -> Outcome {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for (file, place) in containers {
        files.extend(file.files.iter().cloned());
        problems.extend(file.problems.iter().cloned());
        member::from_file(file, &[], known, &mut Default::default(), &mut problems);
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
        published: Vec::new(),
    }
}
