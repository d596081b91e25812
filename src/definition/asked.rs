//! What of all definitions is asked about: files or folders, of the host's definitions or anywhere else.

use super::folder::Folder;
use super::outcome::{Outcome, collect};
use super::{Definitions, Lints, folders, lint, outcomes, search};
use crate::diagnostic::{Place, Problem};
use crate::model::Paths;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A folder with definitions that are asked about.
struct Asked<'f> {
    /// As typed.
    folder: &'f Path,
    /// Paths of the definitions below it.
    names: BTreeSet<PathBuf>,
    /// Whether it was named itself, so that folders in it count as they do in a folder of definitions.
    is_whole: bool,
}

impl<'f> Asked<'f> {
    /// `files` by their folders, as these really are; what is below a folder that is asked about too belongs to that.
    fn all(files: &'f [PathBuf]) -> BTreeMap<PathBuf, Self> {
        let mut all: BTreeMap<PathBuf, Self> = BTreeMap::new();
        let (folders, files): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(|file| file.is_dir());
        for folder in folders {
            let names = definitions_below(folder).into_iter();
            let asked = Self {
                folder,
                names: names
                    .filter_map(|name| Some(name.strip_prefix(folder).ok()?.to_owned()))
                    .collect(),
                is_whole: true,
            };
            all.insert(real(folder), asked);
        }
        for file in files {
            let folder = file.parent().unwrap_or(Path::new(""));
            let here = real(folder);
            let name = Path::new(file.file_name().unwrap_or_default());
            match all
                .iter_mut()
                .find(|(whole, asked)| asked.is_whole && here.starts_with(whole))
            {
                Some((whole, asked)) => {
                    let below = here.strip_prefix(whole).unwrap_or(Path::new(""));
                    asked.names.insert(below.join(name));
                }
                None => {
                    let asked = all.entry(here).or_insert(Self {
                        folder,
                        names: BTreeSet::new(),
                        is_whole: false,
                    });
                    asked.names.insert(name.to_owned());
                }
            }
        }
        all
    }

    /// The definitions as they are shown in a folder that is shown as this.
    fn shown(&self, folder: &Path) -> BTreeSet<PathBuf> {
        self.names.iter().map(|name| folder.join(name)).collect()
    }

    /// The folder by itself, below `root`, where it really is `real`.
    fn alone(&self, root: &Path, real: &Path) -> Folder {
        Folder {
            root: root.to_owned(),
            path: real.strip_prefix(root).unwrap_or(real).to_owned(),
            shown: self.folder.to_owned(),
            is_deep: self.is_whole,
            instead: None,
        }
    }
}

/// Where a folder really is.
fn real(folder: &Path) -> PathBuf {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    here.canonicalize().unwrap_or_else(|_| here.to_owned())
}

/// All definitions in a folder and in the folders in it, as the generator looks for them; sorted.
pub fn definitions_below(folder: &Path) -> Vec<PathBuf> {
    let asked = Asked {
        folder,
        names: BTreeSet::new(),
        is_whole: true,
    };
    let alone = [asked.alone(Path::new("/"), &real(folder))];
    let mut files = search::files(&search::open(&alone, &mut Vec::new()));
    files.sort();
    files
}

/// Reads what `files` have a part in, of definitions or folders of them; with a `text`, as if the one file held that.
pub(super) fn read(
    paths: &Paths,
    files: &[PathBuf],
    text: Option<Vec<u8>>,
    lints: Option<Lints>,
) -> Definitions {
    let mut all = folders(paths);
    // With a text there is one file.
    let instead = text.zip(files.first().and_then(|file| file.file_name()));
    let instead = instead.map(|(text, name)| (name.to_string_lossy().into_owned(), text));
    let mut definitions = Definitions::default();
    for (real, mut asked) in Asked::all(files) {
        if let Some((at, known)) = all
            .iter()
            .enumerate()
            .find_map(|(at, known)| Some((at, shown_in(known, asked.folder, &real)?)))
        {
            all[at].instead = instead.clone().map(|(name, text)| (known.join(name), text));
            let counted = involving(&all, &asked.shown(&known), lints, &mut definitions);
            asked.names.retain(|name| !counted.contains(&known.join(name)));
        }
        if !asked.names.is_empty() {
            let mut alone = asked.alone(Path::new("/"), &real);
            alone.instead = instead
                .clone()
                .map(|(name, text)| (asked.folder.join(name), text));
            let files = asked.shown(asked.folder);
            let counted = involving(&[alone], &files, lints, &mut definitions);
            let message = "this file defines nothing: it, or its pod, is masked by a link to /dev/null or an empty file, or a file of \
                           its name comes before it";
            let masked = files
                .difference(&counted)
                .map(|file| Problem::warning(Place::file(file), message).code("masked"));
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
    lints: Option<Lints>,
    definitions: &mut Definitions,
) -> BTreeSet<PathBuf> {
    let (mut outcomes, problems, sources) = outcomes(folders, lints);
    let involved = |outcome: &Outcome| outcome.files.iter().any(|file| files.contains(file));
    lint::across(&mut outcomes, &involved);
    outcomes.retain(involved);
    let counted = outcomes
        .iter()
        .flat_map(|outcome| outcome.files.iter().cloned())
        .collect();
    let Definitions {
        pods,
        broken,
        volumes,
        images,
        networks,
        refused,
        problems,
        sources,
    } = collect(outcomes, problems, sources);
    definitions.pods.extend(pods);
    definitions.broken.extend(broken);
    definitions.volumes.extend(volumes);
    definitions.images.extend(images);
    definitions.networks.extend(networks);
    definitions.refused.extend(refused);
    definitions.problems.extend(problems);
    definitions.sources.extend(sources);
    counted
}

/// All files that have a part in what `files` have a part in, drop-ins too; each as it would be shown to the user.
pub fn parts(paths: &Paths, files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut parts = BTreeSet::new();
    for (real, asked) in Asked::all(files) {
        let own = asked.shown(asked.folder);
        let (outcomes, _, _) = outcomes(&[asked.alone(paths.root(), &real)], None);
        let involved = outcomes
            .into_iter()
            .filter(|outcome| outcome.files.iter().any(|file| own.contains(file)));
        parts.extend(involved.flat_map(|outcome| outcome.files));
        if !asked.is_whole {
            parts.extend(own);
        }
    }
    parts
}
