//! Whether a program can be run in a container, asked before it is tried: the runtime has one exit status for every
//! failure, users of shells expect two (`126`, `127`).

use crate::sys::tree::Tree;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What stands where a program was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Something that cannot be run.
    NotExecutable,
    /// A program, or something only the kernel can judge.
    Program,
}

/// Looks for `program` in the container with the root `tree`: in the folders of `path` (as in `$PATH`), or where it
/// says if it holds a slash, `cwd` being where relative paths begin.
pub fn find(tree: &Tree, program: &str, path: &str, cwd: &str) -> Found {
    if program.contains('/') {
        return look(tree, &Path::new(cwd).join(program));
    }
    let mut found = Found::Nothing;
    for folder in path.split(':') {
        match look(tree, &Path::new(cwd).join(folder).join(program)) {
            Found::Program => return Found::Program,
            Found::NotExecutable => found = Found::NotExecutable,
            Found::Nothing => {}
        }
    }
    found
}

fn look(tree: &Tree, path: &Path) -> Found {
    match tree.open_file(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.mode() & 0o111 == 0 => Found::NotExecutable,
        Ok(_) => Found::Program,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Found::Nothing,
            // A folder, a device.
            io::ErrorKind::InvalidInput => Found::NotExecutable,
            _ => Found::Program,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("bin/folder")).unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        for (file, mode) in [("bin/yes", 0o755), ("data/no", 0o644), ("data/own", 0o700)] {
            fs::write(root.path().join(file), "").unwrap();
            fs::set_permissions(root.path().join(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("/bin/yes", root.path().join("data/link")).unwrap();
        let tree = Tree::open(root.path()).unwrap();
        for (program, expected) in [
            ("yes", Found::Program),
            ("/bin/yes", Found::Program),
            ("/data/link", Found::Program),
            ("link", Found::Program),
            ("./own", Found::Program),
            ("../bin/yes", Found::Program),
            ("no", Found::NotExecutable),
            ("/bin/folder", Found::NotExecutable),
            ("absent", Found::Nothing),
            ("/bin/yes/x", Found::Nothing),
        ] {
            assert_eq!(
                find(&tree, program, "/none:/data:/bin", "/data"),
                expected,
                "{program}"
            );
        }
    }
}
