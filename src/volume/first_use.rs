//! The first container that uses a volume gives it what its image has there, as Podman does: contents, owner and mode.

use super::{Held, VolumeError};
use crate::sys::tree::{self, Tree};
use rustix::fs::{fchown, syncfs};
use rustix::process::{Gid, Uid};
use std::io;

/// What a container has at the place of a volume.
#[derive(Debug)]
pub struct Place {
    /// The folder there; nothing if there is none.
    pub folder: Option<Tree>,
    /// Whether what is in it is copied.
    pub copy: bool,
    /// Numeric user and group of the container's process, who get a volume for which the image has no folder.
    pub user: (u32, u32),
}

/// Fills a volume that nobody has used, unless its definition says whose it is, or something is in it already.
///
/// # Errors
/// Those of the file system. The volume is as new as before then: a later start begins again.
pub fn begin(volume: &Held, place: &Place) -> Result<(), VolumeError> {
    if !volume.is_fresh()? {
        return Ok(());
    }
    let compiled = volume.compiled()?;
    let said = compiled.as_ref();
    // A file system of another machine, or a folder of this one's: what is there was not made for the container.
    let is_ours = said
        .and_then(|volume| volume.mount.as_ref())
        .is_none_or(|mount| mount.kind == "tmpfs");
    let keeps_owner = !is_ours || said.is_some_and(|volume| volume.user.is_some() || volume.group.is_some());
    let copy = is_ours && place.copy && said.is_none_or(|volume| volume.copy);
    let data = volume.data()?;
    let filled = fill(&data, place, copy, keeps_owner, volume.is_interrupted()?, &|| {
        volume.set_interrupted()
    });
    filled.map_err(VolumeError::file("fill the volume", volume.data_path()))?;
    volume.set_used()
}

/// Fills a folder that has the container's life.
///
/// # Errors
/// Those of the file system.
pub fn fill_own(data: &Tree, place: &Place) -> io::Result<()> {
    fill(data, place, place.copy, false, false, &|| Ok(()))
}

fn fill(
    data: &Tree,
    place: &Place,
    copy: bool,
    keeps_owner: bool,
    again: bool,
    begun: &dyn Fn() -> io::Result<()>,
) -> io::Result<()> {
    // Somebody has put something there by hand: it is theirs.
    if !again && !tree::is_empty(data)? {
        return Ok(());
    }
    let Some(folder) = &place.folder else {
        if !keeps_owner {
            let (uid, gid) = place.user;
            fchown(data, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        return Ok(());
    };
    if copy && !tree::is_empty(folder)? {
        begun()?;
        tree::copy(folder, data)?;
        // What is said to be there must be there after a crash of the machine too.
        syncfs(data)?;
    }
    if !keeps_owner {
        tree::describe_like(folder, data)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Paths;
    use crate::volume::Volumes;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    fn place(folder: &Path, copy: bool) -> Place {
        Place {
            folder: Tree::open(folder).ok(),
            copy,
            user: (0, 0),
        }
    }

    #[test]
    fn the_first_user_fills_it_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("image");
        fs::create_dir(&image).unwrap();
        fs::set_permissions(&image, fs::Permissions::from_mode(0o1770)).unwrap();
        fs::write(image.join("a"), "1").unwrap();
        let volumes = Volumes::new(&Paths::new(root.path()));
        let volume = volumes.make("v").unwrap();
        begin(&volume, &place(&image, true)).unwrap();
        let data = volume.data_path();
        assert_eq!(fs::read_to_string(data.join("a")).unwrap(), "1");
        assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o1770);
        fs::remove_file(data.join("a")).unwrap();
        begin(&volume, &place(&image, true)).unwrap();
        assert!(!data.join("a").exists());
    }

    #[test]
    fn nocopy_is_for_good_and_what_is_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("image");
        fs::create_dir(&image).unwrap();
        fs::write(image.join("a"), "1").unwrap();
        let volumes = Volumes::new(&Paths::new(root.path()));
        let volume = volumes.make("v").unwrap();
        begin(&volume, &place(&image, false)).unwrap();
        begin(&volume, &place(&image, true)).unwrap();
        assert!(!volume.data_path().join("a").exists());
        let other = volumes.make("w").unwrap();
        fs::write(other.data_path().join("mine"), "").unwrap();
        begin(&other, &place(&image, true)).unwrap();
        assert!(!other.data_path().join("a").exists() && !other.is_fresh().unwrap());
    }

    #[test]
    fn a_copy_that_was_interrupted_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("image");
        fs::create_dir(&image).unwrap();
        fs::write(image.join("a"), "whole").unwrap();
        let volume = Volumes::new(&Paths::new(root.path())).make("v").unwrap();
        volume.set_interrupted().unwrap();
        fs::write(volume.data_path().join("a"), "ha").unwrap();
        begin(&volume, &place(&image, true)).unwrap();
        assert_eq!(fs::read_to_string(volume.data_path().join("a")).unwrap(), "whole");
    }
}
