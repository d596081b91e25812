//! The members of a layer, one after another, into directories and files.

use super::attributes::attributes;
use super::tap::Recording;
use crate::image::member_path::{Meaning, MemberPath, MemberProblem, link_target, meaning};
use crate::image::record::REPLACED;
use crate::image::stream::{COPY_BUFFER, CopyError, copy_by};
use crate::sys::tree::{Attributes, Kind, Tree, describe};
use flate2::Crc;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tar::{Entry, EntryType};

/// Most bytes that the names of a layer's directories may have together: they are kept until its end.
const DIRECTORY_NAMES_MAX: usize = 256 << 20;

/// One member: refused, or not made. The name is added above.
pub(super) enum Failure {
    Refused(MemberProblem),
    Archive(io::Error),
    Write(io::Error),
}

impl From<MemberProblem> for Failure {
    fn from(problem: MemberProblem) -> Self {
        Self::Refused(problem)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// A directory of the layer.
struct Folder {
    /// As a member has named it.
    named: PathBuf,
    /// Without links.
    path: PathBuf,
    tree: Tree,
}

/// A layer that is being unpacked.
pub(super) struct Layer<'a> {
    /// Of `tree` and what is beside it.
    into: &'a Tree,
    tree: Tree,
    recording: Recording,
    has_contents: bool,
    /// The last one: the next member is likely to be in it too.
    folder: Option<Rc<Folder>>,
    /// How often something gave way.
    replaced: u32,
    /// Times of directories, by their paths without links, set when nothing is made in them any more.
    times: BTreeMap<PathBuf, (i64, u32)>,
    /// Bytes of the names in `times`, those of repeated members too.
    names: usize,
    /// For contents. One for each file would be as much work as a small file.
    buffer: Vec<u8>,
    bytes: u64,
}

impl<'a> Layer<'a> {
    pub(super) fn new(into: &'a Tree, recording: Recording, has_contents: bool) -> io::Result<Self> {
        let mut layer = Self {
            into,
            tree: into.make_directory(OsStr::new("tree"))?,
            recording,
            has_contents,
            folder: None,
            replaced: 0,
            times: BTreeMap::new(),
            names: 0,
            buffer: vec![0; COPY_BUFFER],
            bytes: 0,
        };
        let as_root = Attributes {
            uid: 0,
            gid: 0,
            mode: 0o755,
            modified: (0, 0),
            xattrs: Vec::new(),
        };
        layer.root(&as_root)?;
        Ok(layer)
    }

    pub(super) fn member<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), Failure> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let full_name = entry.path_bytes().into_owned();
        match meaning(&full_name)? {
            Meaning::Nothing => Ok(()),
            Meaning::Opaque(folder) => Ok(self.folder(&folder)?.tree.make_opaque()?),
            Meaning::Deleted(path) => self.delete(&path),
            Meaning::Root if kind.is_dir() => Ok(self.root(&attributes(entry)?)?),
            Meaning::Root => Err(MemberProblem::Name.into()),
            Meaning::File(path) => {
                let attributes = attributes(entry)?;
                // Before POSIX, a directory was a file with a slash at the end of its name.
                if kind.is_dir() || (kind.is_file() && full_name.ends_with(b"/")) {
                    self.directory(path, &attributes)
                } else {
                    self.file(&path, &attributes, kind, entry)
                }
            }
        }
    }

    fn root(&mut self, attributes: &Attributes) -> io::Result<()> {
        self.times.insert(PathBuf::new(), attributes.modified);
        describe(&self.tree, attributes)
    }

    fn folder(&mut self, named: &Path) -> Result<Rc<Folder>, Failure> {
        if let Some(folder) = &self.folder
            && folder.named == named
        {
            return Ok(Rc::clone(folder));
        }
        let problem = |error: io::Error| match Errno::from_io_error(&error) {
            Some(Errno::NOTDIR) => MemberProblem::NotInDirectory.into(),
            // EEXIST: a link that leads nowhere.
            Some(Errno::XDEV | Errno::LOOP | Errno::EXIST) => MemberProblem::ThroughLink.into(),
            _ => Failure::Write(error),
        };
        let is = |error: &io::Error, number| Errno::from_io_error(error) == Some(number);
        let (tree, path) = match self.tree.directory_without_links(named) {
            Err(error) if is(&error, Errno::NOENT) || is(&error, Errno::LOOP) => {
                let missing = |path: &&Path| {
                    let opened = self.tree.directory_beneath(path);
                    opened.is_err_and(|error| is(&error, Errno::NOENT))
                };
                let missing: Vec<&Path> = named.ancestors().take_while(missing).collect();
                let tree = self.tree.make_path(named).map_err(problem)?;
                for made in missing {
                    let path = self.tree.directory_beneath(made)?.path_in(&self.tree)?;
                    // The same layer gives the same, whenever it is unpacked.
                    self.time(path, (0, 0))?;
                }
                let path = tree.path_in(&self.tree)?;
                (tree, path)
            }
            other => (other.map_err(problem)?, named.to_owned()),
        };
        let folder = Rc::new(Folder {
            named: named.to_owned(),
            path,
            tree,
        });
        self.folder = Some(Rc::clone(&folder));
        Ok(folder)
    }

    /// A deletion is about the layers below: what this layer has itself stays.
    fn delete(&mut self, path: &MemberPath) -> Result<(), Failure> {
        let folder = &self.folder(&path.folder)?.tree;
        match folder.look(&path.name)? {
            None => folder.make_whiteout(&path.name)?,
            Some(Kind::Directory) => folder.child(&path.name)?.make_opaque()?,
            Some(Kind::Whiteout | Kind::Other) => {}
        }
        Ok(())
    }

    fn directory(&mut self, path: MemberPath, attributes: &Attributes) -> Result<(), Failure> {
        let folder = self.folder(&path.folder)?;
        let directory = match folder.tree.make_directory(&path.name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let standing = folder.tree.look(&path.name)?;
                if standing == Some(Kind::Directory) {
                    folder.tree.child(&path.name)?
                } else {
                    self.replace(&folder, &path.name)?;
                    let made = folder.tree.make_directory(&path.name)?;
                    if standing == Some(Kind::Whiteout) {
                        made.make_opaque()?;
                    }
                    made
                }
            }
            other => other?,
        };
        describe(&directory, attributes)?;
        self.time(folder.path.join(path.name), attributes.modified)
    }

    /// Notes the time of a directory.
    fn time(&mut self, path: PathBuf, modified: (i64, u32)) -> Result<(), Failure> {
        self.names += path.as_os_str().len();
        if self.names > DIRECTORY_NAMES_MAX {
            return Err(MemberProblem::Directories.into());
        }
        self.times.insert(path, modified);
        Ok(())
    }

    /// Takes away what stands at a name. Contents of files stay beside the tree: the archive has them.
    fn replace(&mut self, folder: &Folder, name: &OsStr) -> Result<(), Failure> {
        // It may be on the way to the last folder.
        self.folder = None;
        let holds_contents = match folder.tree.look(name)? {
            None => return Ok(()),
            Some(Kind::Whiteout) => false,
            Some(Kind::Directory) => !folder.tree.remove_empty(name)?,
            Some(Kind::Other) => true,
        };
        if !holds_contents {
            return Ok(folder.tree.remove(name)?);
        }
        self.recording.moved(&folder.path.join(name), self.replaced)?;
        let number = self.replaced.to_string();
        self.replaced += 1;
        let replaced = self.into.make_path(Path::new(REPLACED))?;
        Ok(folder.tree.move_to(name, &replaced, OsStr::new(&number))?)
    }

    /// Anything but a directory. It takes the place of whatever had its name.
    fn file<R: Read>(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        kind: EntryType,
        entry: &mut Entry<'_, R>,
    ) -> Result<(), Failure> {
        let folder = self.folder(&path.folder)?;
        let made = match self.make(&folder, path, attributes, kind, entry) {
            Err(Failure::Write(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.replace(&folder, &path.name)?;
                self.make(&folder, path, attributes, kind, entry)?
            }
            other => other?,
        };
        match made {
            None => Ok(()),
            Some(file) => self.fill(&folder, path, attributes, (kind, &file), entry),
        }
    }

    /// Makes a file, or something else altogether.
    fn make<R: Read>(
        &self,
        folder: &Folder,
        path: &MemberPath,
        attributes: &Attributes,
        kind: EntryType,
        entry: &Entry<'_, R>,
    ) -> Result<Option<File>, Failure> {
        let (folder, name) = (&folder.tree, &path.name);
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                return Ok(Some(folder.make_file(name)?));
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or(MemberProblem::Name)?;
                if target.is_empty() || target.contains(&0) {
                    return Err(MemberProblem::Name.into());
                }
                folder.make_symlink(OsStr::from_bytes(&target), name)?;
                folder.describe_node(name, attributes, false)?;
            }
            EntryType::Link => {
                let target = link_target(&entry.link_name_bytes().ok_or(MemberProblem::Name)?)?;
                let missing = |_| MemberProblem::LinkMissing;
                let other = self.tree.directory_beneath(&target.folder).map_err(missing)?;
                match other.look(&target.name)? {
                    Some(Kind::Other) => folder.make_hard_link(&other, &target.name, name)?,
                    _ => return Err(MemberProblem::LinkMissing.into()),
                }
            }
            EntryType::Fifo => {
                folder.make_fifo(name)?;
                folder.describe_node(name, attributes, true)?;
            }
            // A container's `/dev` is the runtime's own: what a root file system has there is never seen.
            EntryType::Char | EntryType::Block if path.folder.starts_with("dev") => {}
            EntryType::Char | EntryType::Block => return Err(MemberProblem::Device.into()),
            _ => return Err(MemberProblem::Kind.into()),
        }
        Ok(None)
    }

    /// Gives a file its contents.
    fn fill<R: Read>(
        &mut self,
        folder: &Folder,
        path: &MemberPath,
        attributes: &Attributes,
        (kind, mut file): (EntryType, &File),
        entry: &mut Entry<'_, R>,
    ) -> Result<(), Failure> {
        let size = entry.size();
        // The contents of a sparse file are not in the archive as they are in the file.
        let is_plain = kind != EntryType::GNUSparse;
        if is_plain {
            self.recording.contents();
        }
        let mut crc = Crc::new();
        let has_contents = self.has_contents;
        let copied = copy_by(&mut self.buffer, entry, |bytes: &[u8]| {
            crc.update(bytes);
            match has_contents {
                true => file.write_all(bytes),
                false => Ok(()),
            }
        });
        let copied = copied.map_err(|error| match error {
            CopyError::Read(error) => Failure::Archive(error),
            CopyError::Write(error) => Failure::Write(error),
        })?;
        if is_plain {
            self.recording
                .file(&folder.path.join(&path.name), copied, crc.sum())?;
        }
        if copied != size {
            return Err(MemberProblem::Truncated.into());
        }
        if !self.has_contents {
            file.set_len(size)?;
        }
        self.bytes += copied;
        Ok(describe(file, attributes)?)
    }

    pub(super) fn finish(self) -> io::Result<u64> {
        for (path, modified) in self.times {
            // A directory may have given way to something else since.
            if let Ok(directory) = self.tree.directory_without_links(&path) {
                directory.set_modified(modified)?;
            }
        }
        Ok(self.bytes)
    }
}
