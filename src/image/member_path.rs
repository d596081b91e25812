//! Names of the members of a layer, and what they mean: a file, or a mark about the layers below.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is wrong with one member of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberProblem {
    /// One directory too many: what is kept of them would fill the memory.
    #[error("the names of the layer's directories fill more than 256 MiB")]
    Directories,
    /// A `..` in its name.
    #[error("its name has `..` in it")]
    Up,
    /// A name from the root.
    #[error("its name is absolute")]
    Absolute,
    /// A name that no file can have, or whose headers contradict themselves.
    #[error("its name or its headers make no sense")]
    Name,
    /// It stands behind a link that leads out.
    #[error("its folder is a link that is absolute, leads out of the image or leads nowhere")]
    ThroughLink,
    /// It stands behind what is no directory.
    #[error("its folder is not a directory")]
    NotInDirectory,
    /// A hard link with a target that is absolute or has `..`.
    #[error("it is a hard link to a name that is absolute or has `..` in it")]
    LinkTarget,
    /// A hard link to nothing.
    #[error("it is a hard link to a file that the layer does not have")]
    LinkMissing,
    /// A device node.
    #[error("it is a device node")]
    Device,
    /// A kind of member that no layer has.
    #[error("it is of a kind that podunit cannot unpack (a sparse file or an extension of a tar program)")]
    Kind,
    /// Fewer bytes than its header says.
    #[error("it ends too early")]
    Truncated,
}

/// What a member of a layer is about, with clean relative paths; the empty path is the root.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The root directory itself.
    Root,
    /// A file, directory or link.
    File(MemberPath),
    /// The layers below have no such file any more (`.wh.NAME`).
    Deleted(MemberPath),
    /// The layers below have nothing in this directory any more (`.wh..wh..opq`).
    Opaque(PathBuf),
    /// Bookkeeping of AUFS (`.wh..wh.…`), which means nothing here.
    Nothing,
}

/// The folder and the last component of a path.
#[derive(Debug, PartialEq, Eq)]
pub struct MemberPath {
    /// Relative to the root.
    pub folder: PathBuf,
    /// One component.
    pub name: OsString,
}

/// Reads the name of a member.
///
/// # Errors
/// Says what is wrong with it.
pub fn meaning(name: &[u8]) -> Result<Meaning, MemberProblem> {
    let Some(MemberPath { folder, name }) = split(&clean(name)?) else {
        return Ok(Meaning::Root);
    };
    let Some(deleted) = name.as_bytes().strip_prefix(b".wh.") else {
        return Ok(Meaning::File(MemberPath { folder, name }));
    };
    match deleted {
        b".wh..opq" => Ok(Meaning::Opaque(folder)),
        _ if deleted.starts_with(b".wh.") => Ok(Meaning::Nothing),
        b"" | b"." | b".." => Err(MemberProblem::Name),
        _ => Ok(Meaning::Deleted(MemberPath {
            folder,
            name: OsStr::from_bytes(deleted).to_owned(),
        })),
    }
}

/// Reads the target of a hard link.
///
/// # Errors
/// Says what is wrong with it.
pub fn link_target(name: &[u8]) -> Result<MemberPath, MemberProblem> {
    let path = clean(name).map_err(|problem| match problem {
        MemberProblem::Up | MemberProblem::Absolute => MemberProblem::LinkTarget,
        other => other,
    })?;
    split(&path).ok_or(MemberProblem::LinkMissing)
}

fn split(path: &Path) -> Option<MemberPath> {
    let name = path.file_name()?.to_owned();
    Some(MemberPath {
        folder: path.parent().map(Path::to_owned).unwrap_or_default(),
        name,
    })
}

/// A relative path without `.` and doubled or final slashes.
fn clean(name: &[u8]) -> Result<PathBuf, MemberProblem> {
    const PATH_MAX: usize = 4095;
    const NAME_MAX: usize = 255;
    if name.is_empty() || name.len() > PATH_MAX || name.contains(&0) {
        return Err(MemberProblem::Name);
    }
    if name.starts_with(b"/") {
        return Err(MemberProblem::Absolute);
    }
    let mut path = PathBuf::new();
    for component in name.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(MemberProblem::Up),
            long if long.len() > NAME_MAX => return Err(MemberProblem::Name),
            plain => path.push(OsStr::from_bytes(plain)),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(folder: &str, name: &str) -> MemberPath {
        MemberPath {
            folder: folder.into(),
            name: name.into(),
        }
    }

    #[test]
    fn names_have_meanings() {
        assert_eq!(meaning(b"./"), Ok(Meaning::Root));
        assert_eq!(
            meaning(b"./etc//passwd"),
            Ok(Meaning::File(path("etc", "passwd")))
        );
        assert_eq!(meaning(b"etc/"), Ok(Meaning::File(path("", "etc"))));
        assert_eq!(
            meaning(b"etc/.wh.passwd"),
            Ok(Meaning::Deleted(path("etc", "passwd")))
        );
        assert_eq!(meaning(b"etc/.wh..wh..opq"), Ok(Meaning::Opaque("etc".into())));
        assert_eq!(meaning(b".wh..wh..opq"), Ok(Meaning::Opaque("".into())));
        assert_eq!(meaning(b".wh..wh.plnk"), Ok(Meaning::Nothing));
        assert_eq!(
            meaning(b"\xff"),
            Ok(Meaning::File(MemberPath {
                folder: "".into(),
                name: OsStr::from_bytes(b"\xff").into()
            }))
        );
    }

    #[test]
    fn hostile_names_are_refused() {
        assert_eq!(meaning(b"../etc"), Err(MemberProblem::Up));
        assert_eq!(meaning(b"a/../../etc"), Err(MemberProblem::Up));
        assert_eq!(meaning(b"a/.."), Err(MemberProblem::Up));
        assert_eq!(meaning(b"/etc"), Err(MemberProblem::Absolute));
        for bad in [
            &b""[..],
            b"a\0b",
            b".wh.",
            b"a/.wh..",
            b".wh...",
            &[b'a'; 256],
            &b"a/".repeat(3000),
        ] {
            assert_eq!(meaning(bad), Err(MemberProblem::Name));
        }
        assert_eq!(link_target(b"/etc/passwd"), Err(MemberProblem::LinkTarget));
        assert_eq!(link_target(b"a/../b"), Err(MemberProblem::LinkTarget));
        assert_eq!(link_target(b"./"), Err(MemberProblem::LinkMissing));
    }
}
