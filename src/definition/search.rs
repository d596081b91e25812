//! Which files define something: precedence, drop-ins and masks. All reading of definitions is here.

use super::document::{Definition, Document, Kind};
use super::folder::{Directory, Entry, Folder};
use super::podman_args;
use crate::diagnostic::{Place, Problem};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Largest text that is read.
const MAX_SIZE: u64 = 1 << 20;
/// Most folders, those in folders counted. Each is held open.
const MAX_FOLDERS: usize = 500;
/// Where Quadlet has the definitions of users, in a folder of definitions: they are not the system's.
const OF_USERS: &str = "users";

/// A folder that was looked into: itself, then what is in it.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    directory: Directory<'a>,
    /// Names that may be definitions, or folders of drop-ins; sorted.
    names: Vec<String>,
}

/// A definition that was found and not yet read.
#[derive(Debug, Clone)]
pub(super) struct Listed<'a> {
    /// Its kind.
    pub(super) kind: Kind,
    /// The file name without the extension.
    pub(super) base: String,
    directory: &'a Directory<'a>,
    /// The file: that of the template, for an instance that has drop-ins alone.
    name: String,
    /// Drop-ins by name, with their paths below their folders.
    drop_ins: BTreeMap<String, (&'a Directory<'a>, PathBuf)>,
    /// What is wrong with the folders of drop-ins.
    problems: Vec<Problem>,
}

/// A folder of drop-ins.
#[derive(Debug)]
struct DropIns<'a> {
    directory: &'a Directory<'a>,
    /// Their paths below the directory.
    files: Vec<(String, PathBuf)>,
    /// What is wrong with the folder.
    problems: Vec<Problem>,
}

/// Why a file gives no text.
#[derive(Debug)]
enum Unreadable {
    /// It is `/dev/null`, or empty: what it stands for is meant not to be.
    Masked,
    /// It is not what it should be, in words that continue "the definition …".
    Wrong {
        why: String,
        help: Option<&'static str>,
        lossy: Option<(String, usize)>,
    },
}

/// Looks into those folders that are there, and into the folders in them: each folder comes before those in it, and
/// those sorted. One that is found by several paths, by links in a circle perhaps, counts where it is found first.
pub(super) fn open<'a>(folders: &'a [Folder], problems: &mut Vec<Problem>) -> Vec<Listing<'a>> {
    let mut seen = BTreeSet::new();
    let mut listings: Vec<Listing> = Vec::new();
    for folder in folders {
        // What is to be looked into next is the last.
        let mut left: Vec<Directory> = Directory::open(folder, problems).into_iter().collect();
        while let Some(directory) = left.pop() {
            if directory
                .identity()
                .is_some_and(|identity| !seen.insert(identity))
            {
                continue;
            }
            if listings.len() == MAX_FOLDERS {
                let message =
                    format!("there are more than {MAX_FOLDERS} folders of definitions: this is not read");
                problems.push(Problem::error(Place::file(directory.place()), message));
                break;
            }
            let mut names = Vec::new();
            let mut inner = Vec::new();
            for entry in directory.entries(problems) {
                if Kind::of(&entry.name).is_some() || entry.name.ends_with(".d") {
                    names.push(entry.name);
                } else if may_hold_definitions(&directory, &entry) {
                    inner.extend(directory.subfolder(&entry, problems));
                }
            }
            left.extend(inner.into_iter().rev());
            listings.push(Listing { directory, names });
        }
    }
    listings
}

/// Whether to look into what is neither a definition nor a folder of drop-ins. Hidden folders are left alone, as hidden
/// files are.
fn may_hold_definitions(directory: &Directory, entry: &Entry) -> bool {
    let is_folder = matches!(
        entry.kind,
        FileType::Directory | FileType::Symlink | FileType::Unknown
    );
    let is_of_users = directory.is_top() && entry.name == OF_USERS;
    is_folder && directory.is_deep() && !is_of_users && !entry.name.starts_with('.')
}

/// The files of `listings` that are definitions by their names, each as it is shown to the user.
pub(super) fn files(listings: &[Listing]) -> Vec<PathBuf> {
    let of_one = |listing: &Listing| {
        let names = listing.names.iter().filter(|name| Kind::of(name).is_some());
        let shown = names.map(|name| listing.directory.shown(name));
        shown.collect::<Vec<PathBuf>>()
    };
    listings.iter().flat_map(of_one).collect()
}

/// All definitions of `listings`, sorted by name; of files of one name, that in the first folder counts. A folder of
/// drop-ins for an instance of a template makes that instance.
pub(super) fn list_all<'a>(listings: &'a [Listing<'a>]) -> Vec<Listed<'a>> {
    let mut files: BTreeMap<(String, Kind), (&Directory, String)> = BTreeMap::new();
    let mut drop_ins: BTreeMap<&str, Vec<DropIns>> = BTreeMap::new();
    for Listing { directory, names } in listings {
        for name in names {
            if let Some((kind, base)) = Kind::of(name) {
                let key = (base.to_owned(), kind);
                files.entry(key).or_insert_with(|| (directory, name.clone()));
            } else if let Some(owner) = name.strip_suffix(".d").filter(|owner| has_drop_ins(owner)) {
                drop_ins
                    .entry(owner)
                    .or_default()
                    .push(DropIns::list(directory, name));
            }
        }
    }
    for (kind, base) in drop_ins.keys().filter_map(|owner| Kind::of(owner)) {
        if let Some((prefix, instance)) = base.split_once('@')
            && !instance.is_empty()
            && let Some(template) = files.get(&(format!("{prefix}@"), kind)).cloned()
        {
            files.entry((base.to_owned(), kind)).or_insert(template);
        }
    }
    let listed = files.into_iter().map(|((base, kind), (directory, name))| {
        let mut listed = Listed {
            kind,
            base,
            directory,
            drop_ins: BTreeMap::new(),
            problems: Vec::new(),
            name,
        };
        if !drop_ins.is_empty() {
            listed.take(&drop_ins);
        }
        listed
    });
    listed.collect()
}

/// Whether drop-ins for `owner` are drop-ins of definitions: of one, of many by the beginning of their name, or of all
/// of a kind.
fn has_drop_ins(owner: &str) -> bool {
    let is_kind = |kind: Kind| kind.suffix().strip_prefix('.') == Some(owner);
    Kind::of(owner).is_some() || Kind::ALL.into_iter().any(is_kind)
}

/// Whose drop-ins count for a definition, the most particular first: for `a-b@c.pod` these are `a-b@c.pod`,
/// `a-b@.pod`, `a-@.pod`, `a-.pod` and `pod`.
fn levels(base: &str, suffix: &str) -> Vec<String> {
    let (prefix, instance) = match base.split_once('@') {
        Some((prefix, instance)) => (prefix, Some(instance)),
        None => (base, None),
    };
    let mut levels = vec![format!("{base}{suffix}")];
    if instance.is_some_and(|instance| !instance.is_empty()) {
        levels.push(format!("{prefix}@{suffix}"));
    }
    for (dash, _) in prefix.rmatch_indices('-') {
        let beginning = &prefix[..=dash];
        if instance.is_some() {
            levels.push(format!("{beginning}@{suffix}"));
        }
        levels.push(format!("{beginning}{suffix}"));
    }
    levels.push(suffix.trim_start_matches('.').to_owned());
    levels
}

impl<'a> DropIns<'a> {
    fn list(directory: &'a Directory<'a>, name: &str) -> Self {
        let mut problems = Vec::new();
        let entries = directory.entries_below(name, &mut problems);
        let files = entries.into_iter().map(|entry| entry.name);
        let files = files.filter(|file| file.ends_with(".conf"));
        Self {
            directory,
            files: files
                .map(|file| (file.clone(), Path::new(name).join(file)))
                .collect(),
            problems,
        }
    }
}

impl<'a> Listed<'a> {
    /// The same files as a definition of another name: of an instance, by its template.
    pub(super) fn instance(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// Takes the drop-ins that are for it: of one name the most particular, and of these that in the first folder.
    fn take(&mut self, drop_ins: &BTreeMap<&str, Vec<DropIns<'a>>>) {
        let levels = levels(&self.base, self.kind.suffix());
        for folder in levels
            .iter()
            .filter_map(|level| drop_ins.get(level.as_str()))
            .flatten()
        {
            self.problems.extend(folder.problems.iter().cloned());
            for (name, path) in &folder.files {
                self.drop_ins
                    .entry(name.clone())
                    .or_insert_with(|| (folder.directory, path.clone()));
            }
        }
    }
}

impl Listed<'_> {
    /// Reads the definition and its drop-ins; nothing if it is masked, by a link to `/dev/null` or by being empty.
    pub(super) fn read(&self) -> Option<Definition> {
        let path = self.directory.shown(&self.name);
        let text = match read(self.directory, Path::new(&self.name)) {
            Err(Unreadable::Masked) => return None,
            text => text,
        };
        let mut definition = Definition {
            kind: self.kind,
            base: self.base.clone(),
            path: path.clone(),
            files: vec![path.clone()],
            documents: Vec::new(),
            problems: self.problems.clone(),
        };
        definition.add(path, text);
        for (directory, drop_in) in self.drop_ins.values() {
            let path = directory.shown(drop_in);
            definition.files.push(path.clone());
            definition.add(path, read(directory, drop_in));
        }
        podman_args::expand(&mut definition);
        Some(definition)
    }
}

impl Definition {
    fn add(&mut self, path: PathBuf, text: Result<String, Unreadable>) {
        match text {
            Ok(text) => self
                .documents
                .push(Document::parse(&path, text, &mut self.problems)),
            Err(Unreadable::Masked) => {}
            Err(Unreadable::Wrong { why, help, lossy }) => {
                let bytes = lossy.as_ref().map(|(_, at)| (*at, *at + 1));
                let problem = Problem::error(
                    Place {
                        path: path.clone(),
                        bytes,
                    },
                    why,
                );
                self.problems.push(Problem {
                    help: help.map(str::to_owned),
                    ..problem
                });
                // For the line of the problem, and for [Install], which may still be whole.
                let text = lossy.map(|(text, _)| Document::parse(&path, text, &mut Vec::new()));
                self.documents.extend(text);
            }
        }
    }
}

/// Reads one file: never waits, never more than 1 MiB.
fn read(directory: &Directory, name: &Path) -> Result<String, Unreadable> {
    let wrong = |why: String, help| Unreadable::Wrong {
        why,
        help,
        lossy: None,
    };
    if let Some(bytes) = directory.instead(name) {
        return text_of(bytes.to_owned());
    }
    let cannot = |error: Errno| match error {
        Errno::NOENT | Errno::LOOP => wrong(
            "this link leads to no file".to_owned(),
            Some("repair or remove the link"),
        ),
        error => wrong(format!("the file cannot be read: {error}"), None),
    };
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match directory.open_plain(name, flags) {
        Ok(file) => file,
        // Asked first: a tree that is not the running system may have no /dev.
        Err(_) if directory.link(name).as_deref() == Some(Path::new("/dev/null")) => {
            return Err(Unreadable::Masked);
        }
        Err(_) => directory.open_below(name, flags).map_err(cannot)?,
    };
    let status = rustix::fs::fstat(&file).map_err(cannot)?;
    match FileType::from_raw_mode(status.st_mode) {
        // As in systemd.
        FileType::RegularFile if status.st_size == 0 => return Err(Unreadable::Masked),
        FileType::RegularFile => {}
        FileType::CharacterDevice if status.st_rdev == rustix::fs::makedev(1, 3) => {
            return Err(Unreadable::Masked);
        }
        other => {
            let kind = match other {
                FileType::Directory => "a directory",
                FileType::Fifo => "a FIFO",
                FileType::CharacterDevice | FileType::BlockDevice => "a device",
                _ => "not a file",
            };
            return Err(wrong(
                format!("this is {kind}; a definition is a regular file"),
                Some("move it away, or put a file in its place"),
            ));
        }
    }
    text_of(read_all(&file, status.st_size).map_err(cannot)?)
}

/// The text of a definition, of which one byte more than may be is enough.
fn text_of(bytes: Vec<u8>) -> Result<String, Unreadable> {
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_SIZE) {
        let help = "a definition is a few lines; put data into files of its own and mount them with Volume=";
        return Err(Unreadable::Wrong {
            why: "the file is larger than 1 MiB".to_owned(),
            help: Some(help),
            lossy: None,
        });
    }
    String::from_utf8(bytes).map_err(|error| Unreadable::Wrong {
        why: "this is not UTF-8 text".to_owned(),
        help: Some("save the file as UTF-8"),
        lossy: Some((
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            error.utf8_error().valid_up_to(),
        )),
    })
}

/// The bytes of a file that says it has `size`, at most one more than may be.
fn read_all(file: &OwnedFd, size: i64) -> Result<Vec<u8>, Errno> {
    let most = MAX_SIZE + 1;
    // One byte more than there should be: a read that leaves it free was the last but one.
    let room = u64::try_from(size).unwrap_or(0).saturating_add(1).min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
    while (bytes.len() as u64) < most {
        bytes.reserve(1);
        match rustix::io::read(file, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn levels_of_a_name() {
        for (base, levels) in [
            ("web", "web.pod pod"),
            ("web@", "web@.pod pod"),
            ("a-b-c", "a-b-c.pod a-b-.pod a-.pod pod"),
            ("a-b@", "a-b@.pod a-@.pod a-.pod pod"),
            ("a-b@x-y", "a-b@x-y.pod a-b@.pod a-@.pod a-.pod pod"),
        ] {
            assert_eq!(super::levels(base, ".pod").join(" "), levels);
        }
    }
}
