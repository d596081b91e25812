//! Files that others may read or lock at the same moment.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
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

/// Waits until nobody holds an exclusive lock on the file, and reads it, `largest` bytes at most.
///
/// # Errors
/// Those of open(2), flock(2) and read(2).
pub fn read_unlocked(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    file.lock_shared()?;
    let mut content = Vec::new();
    file.take(largest).read_to_end(&mut content)?;
    Ok(content)
}
