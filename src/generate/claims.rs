//! Which unit names are taken. A generated unit must not take the place of another: not of a vendor's or an
//! administrator's, and not of another pod's (`a-b` with member `c` and `a` with member `b-c` have one in common).

use super::{HEADER, UnitSet};
use crate::diagnostic::{Place, Problem};
use crate::model::{Owner, Paths};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Names that are taken, and by whom.
#[derive(Debug, Default)]
pub struct Claims {
    /// Units that are there already, by file name.
    existing: HashMap<OsString, PathBuf>,
    /// Units of definitions that were seen before, and whose they are.
    claimed: HashMap<String, usize>,
    /// Those definitions, with their files.
    owners: Vec<(Owner, PathBuf)>,
}

impl Claims {
    /// Reads which units there are under the root of `paths`, and in `output`.
    pub fn read(paths: &Paths, output: &Path) -> Self {
        let is_output = |dir: &Path| {
            dir == output || matches!((dir.canonicalize(), output.canonicalize()), (Ok(a), Ok(b)) if a == b)
        };
        // The output directory comes last: what we wrote there ourselves must not hide a stranger elsewhere.
        let dirs = paths
            .unit_dirs()
            .into_iter()
            .filter(|dir| !is_output(dir))
            .chain([output.to_owned()]);
        let mut existing = HashMap::new();
        for dir in dirs {
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                let name = entry.file_name();
                existing.entry(name).or_insert_with(|| entry.path());
            }
        }
        Self {
            existing,
            ..Self::default()
        }
    }

    /// Takes all names of a set for its owner.
    ///
    /// # Errors
    /// One of the names is taken, by a unit or by another definition; then none is taken for this one.
    pub fn claim(&mut self, set: &UnitSet) -> Result<(), Box<Problem>> {
        // It is the same whichever instance brings it along.
        let shared = match &set.owner {
            Owner::Pod(pod) => pod.slice_of_all(),
            _ => None,
        };
        let files = set
            .files
            .iter()
            .filter(|file| Some(&file.name) != shared.as_ref());
        let aliases = set.links.iter().filter(|link| !link.path.contains('/'));
        let names: Vec<(&str, Option<&str>)> = (files.map(|file| (file.name.as_str(), None)))
            .chain(aliases.map(|link| (link.path.as_str(), Some(link.target.as_str()))))
            .collect();
        for (name, alias_of) in &names {
            let owner = self.claimed.get(*name).map(|owner| &self.owners[*owner]);
            if let Some((other, source)) = owner.filter(|(other, _)| *other != set.owner) {
                let why = format!("{other} has a unit of this name");
                return Err(taken(set, name, source, &why));
            }
            let existing = self.existing.get(OsStr::new(*name));
            if let Some(path) = existing.filter(|path| !is_ours(path, &set.owner, *alias_of)) {
                return Err(taken(set, name, path, "this unit exists already"));
            }
        }
        let owner = self.owners.len();
        self.owners.push((set.owner.clone(), set.source.clone()));
        self.claimed
            .extend(names.into_iter().map(|(name, _)| (name.to_owned(), owner)));
        Ok(())
    }
}

/// Whether a unit file that exists stands for the same definition: written by podunit earlier (for a package, or copied
/// by `systemctl edit --full`), beside its compiled form, or a mask.
fn is_ours(path: &Path, owner: &Owner, alias_of: Option<&str>) -> bool {
    if let Ok(target) = std::fs::read_link(path) {
        return target == Path::new("/dev/null") || alias_of.is_some_and(|unit| target == Path::new(unit));
    }
    if alias_of.is_some() {
        return false;
    }
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return false;
    };
    if !metadata.is_file() {
        return false;
    }
    let header = format!("# {HEADER}\n");
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(header.len() as u64).read_to_end(&mut head));
    let beside = || {
        path.parent()
            .is_some_and(|dir| dir.join(owner.compiled_file()).exists())
    };
    read.is_ok() && (head.is_empty() || head == header.as_bytes() || beside())
}

fn taken(set: &UnitSet, unit: &str, by: &Path, why: &str) -> Box<Problem> {
    let owner = &set.owner;
    let message = format!(
        "{owner} needs the unit name {unit}, which is taken by {}; the {} gets no units",
        by.display(),
        owner.kind()
    );
    let problem = Problem::error(Place::file(&set.source), message).other(Place::file(by), why);
    Box::new(problem.help("rename one of the two, or remove it"))
}
