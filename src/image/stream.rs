//! Readers and writers that images pass through: hashed, copied with the two sides' errors told apart, and tar
//! headers with a limit.

use super::Digest;
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Most bytes of headers before one member of a tar archive: GNU long names and PAX records.
const HEADER_MAX: u64 = 1 << 20;

/// A reader that keeps the digest of what went through it.
pub struct Hashing<R> {
    inner: R,
    hash: Sha256,
    length: u64,
}

impl<R: Read> Hashing<R> {
    /// Hashes what is read from `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            length: 0,
        }
    }

    /// The reader below.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// How many bytes were read.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of everything that was read.
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        self.length += length as u64;
        Ok(length)
    }
}

/// The digest of some bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Bytes that are copied at once.
pub const COPY_BUFFER: usize = 1 << 17;

/// Which side of [`copy`] failed.
#[derive(Debug)]
pub enum CopyError {
    /// Reading.
    Read(io::Error),
    /// Writing.
    Write(io::Error),
}

/// Copies to the end. Returns the number of bytes.
///
/// # Errors
/// Says which side failed.
pub fn copy(from: impl Read, to: impl FnMut(&[u8]) -> io::Result<()>) -> Result<u64, CopyError> {
    copy_by(&mut vec![0; COPY_BUFFER], from, to)
}

/// Copies as [`copy`] does, by way of `buffer`.
///
/// # Errors
/// As [`copy`].
pub fn copy_by(
    buffer: &mut [u8],
    mut from: impl Read,
    mut to: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, CopyError> {
    let mut total = 0;
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(total),
            Ok(length) => {
                to(&buffer[..length]).map_err(CopyError::Write)?;
                total += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

/// A reader under a tar archive that limits how much the archive may read for headers: the `tar` crate takes
/// long names and PAX records into memory whatever their size.
pub struct Limited<R> {
    inner: R,
    allowed: Rc<Cell<u64>>,
}

/// The other end of a [`Limited`].
pub struct Limit(Rc<Cell<u64>>);

impl Limit {
    /// Headers come next.
    pub fn headers(&self) {
        self.0.set(HEADER_MAX);
    }

    /// Contents come next, which are copied, not kept.
    pub fn contents(&self) {
        self.0.set(u64::MAX);
    }
}

/// Opens a tar archive whose headers are limited.
pub fn open_tar<R: Read>(inner: R) -> (tar::Archive<Limited<R>>, Limit) {
    let allowed = Rc::new(Cell::new(HEADER_MAX));
    (
        tar::Archive::new(Limited {
            inner,
            allowed: Rc::clone(&allowed),
        }),
        Limit(allowed),
    )
}

impl<R> Limited<R> {
    /// The reader below.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowed.get();
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the headers of a member are too long",
            ));
        }
        let length = buffer.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let length = self.inner.read(&mut buffer[..length])?;
        self.allowed.set(allowed - length as u64);
        Ok(length)
    }
}
