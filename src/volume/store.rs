//! Where volumes are: made, found, locked, removed.

use super::VolumeError;
use crate::model::volume::check_name;
use crate::model::{Paths, Volume};
use crate::sys::file;
use crate::sys::tree::Tree;
use rustix::fs::{AtFlags, FlockOperation, StatxAttributes, StatxFlags, flock, fstat, statat, statx};
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder that containers see.
pub(super) const DATA: &str = "_data";
const FRESH: &str = "fresh";
const COPYING: &str = "copying";
const COMPILED: &str = "volume.json";
/// Largest `volume.json` that is read, in bytes: definitions end at 1 MiB.
const LARGEST: u64 = 16 << 20;

/// The volumes of this machine.
#[derive(Debug)]
pub struct Volumes {
    folder: PathBuf,
}

/// A volume that nobody else changes meanwhile. It is that until the value is dropped, or the process ends.
#[derive(Debug)]
pub struct Held {
    name: String,
    path: PathBuf,
    tree: Tree,
}

impl Volumes {
    /// Those under the root of `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self {
            folder: paths.volumes(),
        }
    }

    /// Names of all volumes, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, VolumeError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(VolumeError::file("read", &self.folder))?,
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// The volume of this name, which is made if there is none: an empty folder, 0755, that nobody has used.
    ///
    /// # Errors
    /// The name is none; those of the file system.
    pub fn make(&self, name: &str) -> Result<Held, VolumeError> {
        check_name(name).map_err(|error| VolumeError::Name(name.to_owned(), error))?;
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        loop {
            let path = self.folder.join(name);
            match builder.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
                    made.map_err(VolumeError::file("make", &self.folder))?;
                    continue;
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(VolumeError::file("make", path)(error));
                }
                _ => {}
            }
            // Somebody may remove it in between.
            if let Some(held) = self.hold(name)? {
                held.complete()?;
                return Ok(held);
            }
        }
    }

    /// The volume of this name; nothing if there is none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn hold(&self, name: &str) -> Result<Option<Held>, VolumeError> {
        check_name(name).map_err(|error| VolumeError::Name(name.to_owned(), error))?;
        let path = self.folder.join(name);
        let opened = Tree::open(&self.folder).and_then(|folder| {
            let tree = folder.child(OsStr::new(name))?;
            flock(&tree, FlockOperation::LockExclusive)?;
            // Whoever had the lock before may have removed it.
            let number = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
            let there = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((number(there) == number(fstat(&tree)?)).then_some(tree))
        });
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(VolumeError::file("open the volume", path)(error)),
            Ok(tree) => Ok(tree.map(|tree| Held {
                name: name.to_owned(),
                path,
                tree,
            })),
        }
    }

    /// Removes a volume and all that is in it. `users` says who uses it, and is asked when nobody can begin to.
    ///
    /// # Errors
    /// There is none, it is in use or mounted; those of the file system.
    pub fn remove(&self, name: &str, users: &dyn Fn() -> Vec<String>) -> Result<(), VolumeError> {
        let held = self.hold(name)?;
        let held = held.ok_or_else(|| VolumeError::Missing(name.to_owned()))?;
        let users = users();
        if !users.is_empty() {
            return Err(VolumeError::InUse(name.to_owned(), users.join(", ")));
        }
        if held.is_mounted()? {
            let unit = held.compiled()?.map(|volume| volume.unit());
            let unit = unit.unwrap_or_else(|| "what did that".to_owned());
            return Err(VolumeError::Mounted(name.to_owned(), unit));
        }
        let gone = format!(".{name}.removed");
        let removed = Tree::open(&self.folder).and_then(|folder| {
            // What was interrupted before.
            folder.remove(OsStr::new(&gone))?;
            folder.move_to(OsStr::new(name), &folder, OsStr::new(&gone))?;
            folder.remove(OsStr::new(&gone))
        });
        removed.map_err(VolumeError::file("remove the volume", &held.path))
    }
}

impl Held {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that containers see.
    pub fn data_path(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// The same, opened.
    pub(super) fn data(&self) -> Result<Tree, VolumeError> {
        let opened = self.tree.child(OsStr::new(DATA));
        opened.map_err(VolumeError::file("open", self.data_path()))
    }

    /// Makes what is missing of a volume. One whose maker was killed half-way is as new as any.
    fn complete(&self) -> Result<(), VolumeError> {
        let make = || -> io::Result<()> {
            if self.tree.look(OsStr::new(DATA))?.is_some() {
                return Ok(());
            }
            self.set_fresh()?;
            let data = self.tree.make_directory(OsStr::new(DATA))?;
            Ok(rustix::fs::fchmod(&data, rustix::fs::Mode::from_raw_mode(0o755))?)
        };
        make().map_err(VolumeError::file("make the volume", &self.path))
    }

    /// From now on it is as if nobody had used it.
    pub(super) fn set_fresh(&self) -> io::Result<()> {
        match self.tree.make_file(OsStr::new(FRESH)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether nobody has used it yet.
    ///
    /// # Errors
    /// Those of stat(2).
    pub fn is_fresh(&self) -> Result<bool, VolumeError> {
        let found = self.tree.look(OsStr::new(FRESH));
        let found = found.map_err(VolumeError::file("look at", self.path.join(FRESH)))?;
        Ok(found.is_some())
    }

    /// Whether a first user was interrupted while it copied.
    pub(super) fn is_interrupted(&self) -> Result<bool, VolumeError> {
        let found = self.tree.look(OsStr::new(COPYING));
        let found = found.map_err(VolumeError::file("look at", self.path.join(COPYING)))?;
        Ok(found.is_some())
    }

    /// From now on what is in it is half of something.
    pub(super) fn set_interrupted(&self) -> io::Result<()> {
        match self.tree.make_file(OsStr::new(COPYING)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// It has been used.
    pub(super) fn set_used(&self) -> Result<(), VolumeError> {
        // A copy that is whole is not made again, even if this is killed in between.
        let removed =
            (self.tree.remove(OsStr::new(FRESH))).and_then(|()| self.tree.remove(OsStr::new(COPYING)));
        removed.map_err(VolumeError::file("remove", self.path.join(FRESH)))
    }

    /// What its definition says, as its unit left it here; nothing for one without.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn compiled(&self) -> Result<Option<Volume>, VolumeError> {
        let path = self.path.join(COMPILED);
        let text = match file::read_whole(&path, LARGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(VolumeError::file("read", &path))?,
        };
        let read = serde_json::from_slice(&text);
        read.map(Some)
            .map_err(|error| VolumeError::file("read", &path)(error.into()))
    }

    /// Keeps what its definition says.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn describe(&self, volume: &Volume) -> Result<(), VolumeError> {
        let path = self.path.join(COMPILED);
        let text = serde_json::to_vec(volume);
        text.map_err(io::Error::from)
            .and_then(|text| file::replace(&path, &text, 0o600))
            .map_err(VolumeError::file("write", &path))
    }

    /// Whether something is mounted as the volume.
    ///
    /// # Errors
    /// Those of statx(2).
    pub fn is_mounted(&self) -> Result<bool, VolumeError> {
        match statx(
            &self.tree,
            Path::new(DATA),
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::empty(),
        ) {
            Ok(found) => Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(VolumeError::file("look at", self.data_path())(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn volumes() -> (tempfile::TempDir, Volumes) {
        let root = tempfile::tempdir().unwrap();
        let volumes = Volumes::new(&Paths::new(root.path()));
        (root, volumes)
    }

    #[test]
    fn a_volume_is_made_once_and_found_again() {
        let (_root, volumes) = volumes();
        assert_eq!(volumes.names().unwrap(), Vec::<String>::new());
        assert!(volumes.hold("a").unwrap().is_none());
        let held = volumes.make("a").unwrap();
        assert!(held.is_fresh().unwrap() && !held.is_mounted().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&held.data_path()), mode(&held.path)), (0o755, 0o700));
        fs::write(held.data_path().join("file"), "").unwrap();
        held.set_used().unwrap();
        drop(held);
        let again = volumes.make("a").unwrap();
        assert!(!again.is_fresh().unwrap() && again.data_path().join("file").exists());
        assert_eq!(volumes.names().unwrap(), ["a"]);
    }

    #[test]
    fn one_that_is_in_use_stays() {
        let (_root, volumes) = volumes();
        volumes.make("a").unwrap();
        let error = volumes.remove("a", &|| vec!["pod web".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("in use by pod web"), "{error}");
        volumes.remove("a", &Vec::new).unwrap();
        assert!(matches!(
            volumes.remove("a", &Vec::new),
            Err(VolumeError::Missing(_))
        ));
        assert_eq!(fs::read_dir(&volumes.folder).unwrap().count(), 0);
    }

    #[test]
    fn many_at_once_make_one() {
        let (_root, volumes) = volumes();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        volumes.make("a").unwrap();
                        let _ = volumes.remove("a", &Vec::new);
                    }
                });
            }
        });
        volumes.make("a").unwrap();
        assert_eq!(volumes.names().unwrap(), ["a"]);
    }

    #[test]
    fn what_stands_in_its_place_is_not_followed() {
        let (root, volumes) = volumes();
        fs::create_dir_all(&volumes.folder).unwrap();
        std::os::unix::fs::symlink(root.path(), volumes.folder.join("a")).unwrap();
        assert!(volumes.make("a").is_err());
        let held = volumes.make("b").unwrap();
        fs::remove_dir(held.data_path()).unwrap();
        std::os::unix::fs::symlink(root.path(), held.data_path()).unwrap();
        assert!(held.data().is_err());
        assert!(volumes.make("../a").is_err());
    }
}
