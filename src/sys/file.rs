//! Files that others may read or lock at the same moment.

use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file so that nobody ever sees half of it: to a name beside it, then rename(2). A file of that name that
/// is there is replaced. `mode` is its permissions, less the umask.
///
/// Two writers of one path must hold a lock: they use the same name beside it.
///
/// # Errors
/// Those of open(2), write(2) and rename(2); the file is then as it was.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(".new");
    let beside = path.with_file_name(beside);
    // One that was killed may have left it, with whatever permissions.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(content)?;
    fs::rename(&beside, path)
}

/// Takes an exclusive lock on the file, which is made if need be, and waits for it (flock(2)). The lock ends with
/// the returned file, or with the process.
///
/// # Errors
/// Those of open(2) and flock(2).
pub fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

/// Reads a small file: `largest` bytes of it at most, whatever more there is.
///
/// # Errors
/// Those of open(2) and read(2).
pub fn read(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    read_from(File::open(path)?, largest)
}

/// Reads a small text as [`read`] does.
///
/// # Errors
/// Those of [`read`]; `InvalidData` for what is not UTF-8.
pub fn read_text(path: &Path, largest: u64) -> io::Result<String> {
    String::from_utf8(read(path, largest)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads a regular file whole. Never blocks, whatever stands at the path.
///
/// # Errors
/// Those of open(2) and read(2); `FileTooLarge` for a file of more than `largest` bytes.
pub fn read_whole(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let content = read_from(file, largest + 1)?;
    if content.len() as u64 > largest {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {} MiB", largest >> 20),
        ));
    }
    Ok(content)
}

/// Reads what an open file has from where it stands: `largest` bytes of it at most.
///
/// # Errors
/// Those of read(2).
pub fn read_from(file: impl Read, largest: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(largest).read_to_end(&mut content)?;
    Ok(content)
}

/// Whether somebody holds an exclusive lock on the file; nobody does if there is none.
pub fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Waits until nobody holds an exclusive lock on the file, and then reads it as [`read`] does.
///
/// # Errors
/// Those of open(2), flock(2) and read(2).
pub fn read_unlocked(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    file.lock_shared()?;
    read_from(file, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_and_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(!is_locked(&path));
        let mut held = lock(&path).unwrap();
        assert!(is_locked(&path));
        let reader = std::thread::spawn({
            let path = path.clone();
            move || read_unlocked(&path, 3).unwrap()
        });
        held.write_all(b"word").unwrap();
        drop(held);
        assert_eq!(reader.join().unwrap(), b"wor");
        assert!(!is_locked(&path));
    }
}
