//! The floor of the generator: `bare-writer FROM TO` reads the folder FROM into memory, then writes the same files,
//! modes and links into the empty folder TO by the plainest code, and prints how many microseconds the writing took.
#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

enum Entry {
    Folder,
    Link(PathBuf),
    File(u32, Vec<u8>),
}

/// Everything below a folder, by path, a folder before what is in it.
fn read(dir: &Path, below: &Path, found: &mut Vec<(PathBuf, Entry)>) {
    let mut names: Vec<_> = fs::read_dir(dir.join(below))
        .unwrap()
        .map(|entry| below.join(entry.unwrap().file_name()))
        .collect();
    names.sort();
    for name in names {
        let path = dir.join(&name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_symlink() {
            found.push((name, Entry::Link(fs::read_link(path).unwrap())));
        } else if metadata.is_dir() {
            found.push((name.clone(), Entry::Folder));
            read(dir, &name, found);
        } else {
            let mode = metadata.permissions().mode();
            found.push((name, Entry::File(mode, fs::read(path).unwrap())));
        }
    }
}

fn write(entries: &[(PathBuf, Entry)]) {
    for (name, entry) in entries {
        match entry {
            Entry::Folder => fs::create_dir(name).unwrap(),
            Entry::Link(target) => symlink(target, name).unwrap(),
            Entry::File(mode, text) => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(*mode)
                    .open(name)
                    .unwrap();
                file.write_all(text).unwrap();
            }
        }
    }
}

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("bare-writer: give two folders: one to read, and an empty one to write");
        std::process::exit(2);
    };
    let mut entries = Vec::new();
    read(from, Path::new(""), &mut entries);
    std::env::set_current_dir(to).unwrap();
    let begin = Instant::now();
    write(&entries);
    println!("{}", begin.elapsed().as_micros());
}
