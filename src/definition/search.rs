//! Which files define something: precedence, drop-ins and masks. All reading of definitions is here.

use super::document::{Definition, Document, Kind};
use super::folder::{Directory, Folder};
use crate::diagnostic::{Place, Problem};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Largest text that is read.
const MAX_SIZE: u64 = 1 << 20;
/// A definition that was found and not yet read.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    /// Its kind.
    pub(super) kind: Kind,
    /// The file name without the extension.
    pub(super) base: String,
    directory: &'a Directory<'a>,
    name: String,
    /// Drop-ins by name, with their paths below their folders.
    drop_ins: BTreeMap<String, (&'a Directory<'a>, PathBuf)>,
    /// What is wrong with the folders of drop-ins.
    problems: Vec<Problem>,
}

/// Why a file gives no text.
#[derive(Debug)]
enum Unreadable {
    /// It is `/dev/null`: what it stands for is meant not to be.
    Masked,
    /// It is not what it should be, in words that continue "the definition …".
    Wrong {
        why: String,
        help: Option<&'static str>,
        lossy: Option<(String, usize)>,
    },
}

/// Opens those folders that are there.
pub(super) fn open<'a>(folders: &'a [Folder], problems: &mut Vec<Problem>) -> Vec<Directory<'a>> {
    folders
        .iter()
        .filter_map(|folder| Directory::open(folder, problems))
        .collect()
}

/// All definitions of `directories`, sorted by name; of files of one name, that in the first directory counts.
pub(super) fn list_all<'a>(directories: &'a [Directory<'a>], problems: &mut Vec<Problem>) -> Vec<Listed<'a>> {
    let mut files: BTreeMap<(String, Kind), (&Directory, String)> = BTreeMap::new();
    let mut drop_ins: BTreeMap<String, BTreeMap<String, (&Directory, PathBuf)>> = BTreeMap::new();
    let mut drop_in_problems: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for directory in directories {
        for name in directory.names(problems) {
            if let Some((kind, base)) = Kind::of(&name) {
                files.entry((base.to_owned(), kind)).or_insert((directory, name));
            } else if let Some(owner) = name.strip_suffix(".d").filter(|owner| Kind::of(owner).is_some()) {
                let problems = drop_in_problems.entry(owner.to_owned()).or_default();
                let names = directory.names_below(&name, problems);
                let all = drop_ins.entry(owner.to_owned()).or_default();
                for file in names.into_iter().filter(|file| file.ends_with(".conf")) {
                    let path = Path::new(&name).join(&file);
                    all.entry(file).or_insert((directory, path));
                }
            }
        }
    }
    let listed = files.into_iter().map(|((base, kind), (directory, name))| Listed {
        kind,
        base,
        directory,
        drop_ins: drop_ins.remove(&name).unwrap_or_default(),
        problems: drop_in_problems.remove(&name).unwrap_or_default(),
        name,
    });
    listed.collect()
}

impl Listed<'_> {
    /// Reads the definition and its drop-ins; nothing if it is masked by a link to `/dev/null`.
    pub(super) fn read(&self) -> Option<Definition> {
        let path = self.directory.folder.shown.join(&self.name);
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
            let path = directory.folder.shown.join(drop_in);
            definition.files.push(path.clone());
            definition.add(path, read(directory, drop_in));
        }
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
    let bytes = read_all(&file, status.st_size).map_err(cannot)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_SIZE) {
        let help = "a definition is a few lines; put data into files of its own and mount them with Volume=";
        return Err(wrong("the file is larger than 1 MiB".to_owned(), Some(help)));
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
