//! Folders of definitions: opened once, listed, and links in them followed inside their root only.

use crate::diagnostic::{Place, Problem};
use rustix::fs::{FileType, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// Most entries of a folder.
const MAX_ENTRIES: usize = 100_000;

/// A folder of definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    /// The tree in which links are followed.
    pub(super) root: PathBuf,
    /// Where it is, below the root.
    pub(super) path: PathBuf,
    /// How it is shown to the user.
    pub(super) shown: PathBuf,
    /// Whether folders in it hold definitions too.
    pub(super) is_deep: bool,
    /// The path of a file in it as it is shown, there or not, and what is read in the place of it.
    pub(super) instead: Option<(PathBuf, Vec<u8>)>,
}

/// A folder that is there, opened: a [`Folder`], or one below it.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    folder: &'a Folder,
    /// Where it is below the folder; empty for the folder itself.
    below: PathBuf,
    fd: OwnedFd,
}

/// What a folder has under a name.
#[derive(Debug)]
pub(super) struct Entry {
    /// The name.
    pub(super) name: String,
    /// What it is, `Unknown` if the file system does not say.
    pub(super) kind: FileType,
}

impl<'a> Directory<'a> {
    /// Opens a folder; none if it is not there.
    pub(super) fn open(folder: &'a Folder, problems: &mut Vec<Problem>) -> Option<Self> {
        let root = open_root(folder);
        let opened = root.and_then(|root| {
            let plain = without_links(root.as_fd(), &folder.path, OFlags::DIRECTORY);
            or_by_links(plain, folder, Path::new(""), OFlags::DIRECTORY)
        });
        let fd = or_problem(opened, &folder.shown, problems)?;
        Some(Self {
            folder,
            below: PathBuf::new(),
            fd,
        })
    }

    /// Opens the folder `entry` of this one; none if it is no folder, or a link that leads to none.
    pub(super) fn subfolder(&self, entry: &Entry, problems: &mut Vec<Problem>) -> Option<Self> {
        let opened = self.open_below(Path::new(&entry.name), OFlags::DIRECTORY);
        let fd = match opened {
            Err(_) if entry.kind != FileType::Directory => return None,
            opened => or_problem(opened, &self.shown(&entry.name), problems)?,
        };
        Some(Self {
            folder: self.folder,
            below: self.below.join(&entry.name),
            fd,
        })
    }

    /// Whether this is one of the folders of definitions, not below one.
    pub(super) fn is_top(&self) -> bool {
        self.below.as_os_str().is_empty()
    }

    /// Whether folders in it hold definitions too.
    pub(super) fn is_deep(&self) -> bool {
        self.folder.is_deep
    }

    /// Which folder it is, by whatever path it was found; `None` if that cannot be known.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        let status = rustix::fs::fstat(&self.fd).ok()?;
        Some((status.st_dev, status.st_ino))
    }

    /// How it is shown to the user.
    pub(super) fn place(&self) -> PathBuf {
        // An empty path would add a slash.
        match self.is_top() {
            true => self.folder.shown.clone(),
            false => self.folder.shown.join(&self.below),
        }
    }

    /// How what is `below` it is shown to the user.
    pub(super) fn shown(&self, below: impl AsRef<Path>) -> PathBuf {
        self.place().join(below)
    }

    /// What is in it, sorted by name.
    pub(super) fn entries(&self, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let mut entries = list(&self.fd, &self.place(), problems);
        if let Some((path, _)) = &self.folder.instead
            && path.parent() == Some(self.place().as_path())
            && let Some(name) = path.file_name()
        {
            let name = name.to_string_lossy().into_owned();
            if let Err(at) = entries.binary_search_by(|entry| entry.name.cmp(&name)) {
                let kind = FileType::RegularFile;
                entries.insert(at, Entry { name, kind });
            }
        }
        entries
    }

    /// What is read in the place of a file, if something is.
    pub(super) fn instead(&self, name: &Path) -> Option<&[u8]> {
        let (path, text) = self.folder.instead.as_ref()?;
        (*path == self.shown(name)).then_some(text.as_slice())
    }

    /// What is in the folder `name` of this one, sorted by name; nothing if it is not there.
    pub(super) fn entries_below(&self, name: &str, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let shown = self.shown(name);
        let opened = self.open_below(Path::new(name), OFlags::DIRECTORY);
        or_problem(opened, &shown, problems).map_or_else(Vec::new, |fd| list(&fd, &shown, problems))
    }

    /// Opens what is `below`, where no link is on the way.
    pub(super) fn open_plain(&self, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        without_links(self.fd.as_fd(), below, flags)
    }

    /// Opens what is `below`, following links inside the folder's root only.
    pub(super) fn open_below(&self, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        or_by_links(
            self.open_plain(below, flags),
            self.folder,
            &self.below.join(below),
            flags,
        )
    }

    /// What the link `below` holds; nothing if it is none.
    pub(super) fn link(&self, below: &Path) -> Option<PathBuf> {
        let folder = self.folder.root.join(&self.folder.path);
        std::fs::read_link(folder.join(&self.below).join(below)).ok()
    }
}

/// A folder that is not there is no problem.
fn or_problem(opened: Result<OwnedFd, Errno>, shown: &Path, problems: &mut Vec<Problem>) -> Option<OwnedFd> {
    match opened {
        Ok(fd) => Some(fd),
        Err(Errno::NOENT) => None,
        Err(error) => {
            let message = format!("the folder of definitions cannot be read: {error}");
            problems.push(Problem::error(Place::file(shown), message));
            None
        }
    }
}

/// What is in a folder, sorted by name.
fn list(directory: &OwnedFd, shown: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let message = match entry {
            Ok(entry) if found.len() < MAX_ENTRIES => {
                let name = entry.file_name().to_string_lossy();
                if name != "." && name != ".." {
                    found.push(Entry {
                        name: name.into_owned(),
                        kind: entry.file_type(),
                    });
                }
                continue;
            }
            Ok(_) => format!("the folder has more than {MAX_ENTRIES} files: none of them is read"),
            Err(error) => format!("the folder of definitions cannot be read: {error}"),
        };
        problems.push(Problem::error(Place::file(shown), message));
        return Vec::new();
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Opens what is `below` a folder, where no link is on the way: what nearly every definition is, and the quickest.
fn without_links(folder: BorrowedFd, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let step = |at: BorrowedFd, name: &OsStr, flags: OFlags| {
        rustix::fs::openat(
            at,
            name,
            flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
    };
    let mut names = below.components().map(|part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(Errno::INVAL),
    });
    let last = names.next_back().ok_or(Errno::INVAL)??;
    let mut at: Option<OwnedFd> = None;
    for name in names {
        let from = at.as_ref().map_or(folder, AsFd::as_fd);
        at = Some(step(from, name?, OFlags::PATH | OFlags::DIRECTORY)?);
    }
    step(at.as_ref().map_or(folder, AsFd::as_fd), last, flags)
}

/// What was opened without links, or else with them: what is not there needs no second look.
fn or_by_links(
    plain: Result<OwnedFd, Errno>,
    folder: &Folder,
    below: &Path,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    match plain {
        Err(error) if error != Errno::NOENT => in_root(folder, below, flags),
        plain => plain,
    }
}

fn open_root(folder: &Folder) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&folder.root, flags, Mode::empty())
}

/// Opens what is `below` a folder, following links inside the folder's root only.
fn in_root(folder: &Folder, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC;
    rustix::fs::openat2(
        open_root(folder)?,
        folder.path.join(below),
        flags,
        Mode::empty(),
        resolve,
    )
}
