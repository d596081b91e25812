//! One blob, from a registry to a file: resumed where an earlier attempt ended, verified at the end.

use super::content_range::ContentRange;
use super::error::RegistryError;
use super::failure::failure_of_read;
use super::http::Answer;
use super::pace::paced;
use super::retry::{Pauses, Retry};
use super::session::Session;
use crate::image::Digest;
use crate::image::error::{BlobProblem, ImageError};
use crate::image::manifest::Blob;
use crate::image::store::failed;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;
use ureq::http::header;

/// What a download must have gained to begin counting failures anew, in bytes.
const GAIN: u64 = 1 << 20;
/// How much is read and written at once.
const CHUNK: usize = 128 << 10;

/// A blob that is being downloaded.
pub struct Download<'a> {
    session: &'a Session,
    blob: Blob,
    file: &'a mut File,
    /// For messages.
    path: &'a Path,
    timeout: Duration,
    /// Bytes that are in the file, all of them in `hash`.
    have: u64,
    hash: Sha256,
    /// Whether the bytes came in one answer. If not, what is wrong may be wrong with an earlier one.
    is_of_one: bool,
    /// Whether the registry can be asked for a part.
    has_ranges: bool,
    /// Whether the whole was wrong once already.
    was_wrong: bool,
}

/// Why an attempt ended. A full disk is no fault of the registry.
enum Ended {
    Registry(RegistryError),
    Store(ImageError),
}

impl From<RegistryError> for Ended {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

/// Downloads a blob into `file`, which may hold the beginning of it already. `progress` is told how many bytes are
/// there. On success the file holds exactly the blob. `path` is the file's, for messages.
///
/// # Errors
/// A registry that does not give it, or gives something else; a file that cannot be written.
pub fn download(
    session: &Session,
    blob: Blob,
    (file, path): (&mut File, &Path),
    (retry, pauses, timeout): (Retry, &dyn Pauses, Duration),
    progress: &dyn Fn(u64),
) -> Result<(), ImageError> {
    let mut download = Download {
        session,
        blob,
        file,
        path,
        timeout,
        have: 0,
        hash: Sha256::new(),
        is_of_one: false,
        has_ranges: true,
        was_wrong: false,
    };
    download.take_up().map_err(failed("read", path))?;
    loop {
        let before = download.have;
        let done = retry.run(pauses, || match download.attempt(pauses, progress) {
            Err(Ended::Registry(error)) => Err(error),
            Err(Ended::Store(error)) => Ok(Err(error)),
            Ok(()) => Ok(Ok(())),
        });
        match done {
            Ok(result) => return result,
            Err(error) if error.may_pass() && download.have >= before.saturating_add(GAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Download<'_> {
    /// Hashes what an earlier attempt has left.
    fn take_up(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length > self.blob.size {
            return self.restart();
        }
        self.file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.file.read(&mut buffer)? {
                0 => break,
                length => {
                    self.hash.update(&buffer[..length]);
                    self.have += length as u64;
                }
            }
        }
        Ok(())
    }

    /// Begins at the beginning.
    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hash = Sha256::new();
        self.have = 0;
        Ok(())
    }

    /// Downloads what is missing, and verifies the whole.
    fn attempt(&mut self, pauses: &dyn Pauses, progress: &dyn Fn(u64)) -> Result<(), Ended> {
        loop {
            progress(self.have);
            while self.have < self.blob.size {
                self.part(pauses, progress)?;
            }
            let found = Digest::from_bytes(self.hash.clone().finalize().into());
            if found == self.blob.digest {
                return Ok(());
            }
            let is_final = self.is_of_one || self.was_wrong || self.blob.size == 0;
            self.was_wrong = true;
            self.restart_on_disk()?;
            if is_final {
                return Err(self.lie(BlobProblem::Contents { found }).into());
            }
        }
    }

    /// Asks once for all that is missing, and takes what comes.
    fn part(&mut self, pauses: &dyn Pauses, progress: &dyn Fn(u64)) -> Result<(), Ended> {
        let asked = self.have > 0 && self.has_ranges;
        if !asked && self.have > 0 {
            self.restart_on_disk()?;
        }
        self.require_room()?;
        let range = (header::RANGE, format!("bytes={}-", self.have));
        let headers: &[_] = if asked { &[range] } else { &[] };
        let path = format!("blobs/{}", self.blob.digest);
        let answer = self.session.get("GET", &path, headers, &self.what())?;
        let end = match answer.status() {
            200 => {
                self.restart_on_disk()?;
                self.is_of_one = true;
                if let Some(found) = answer.length().filter(|length| *length != self.blob.size) {
                    let expected = self.blob.size;
                    return Err(self.lie(BlobProblem::Size { expected, found }).into());
                }
                self.blob.size
            }
            _ => match self.end_of_part(&answer) {
                Some(end) => {
                    self.is_of_one = false;
                    end
                }
                // Not the part that was asked for: the whole will do.
                None => {
                    self.has_ranges = false;
                    return Ok(());
                }
            },
        };
        self.copy(answer, end, pauses, progress)
    }

    /// Where a part ends that begins where it has to.
    fn end_of_part(&self, answer: &Answer) -> Option<u64> {
        let range = ContentRange::parse(answer.header(header::CONTENT_RANGE)?)?;
        let fits = answer.status() == 206
            && range.first == self.have
            && range.last < self.blob.size
            && range.total.is_none_or(|total| total == self.blob.size)
            && answer.length().is_none_or(|length| length == range.length());
        fits.then_some(range.last + 1)
    }

    /// Takes the bytes up to `end`; there may be no more.
    fn copy(
        &mut self,
        answer: Answer,
        end: u64,
        pauses: &dyn Pauses,
        progress: &dyn Fn(u64),
    ) -> Result<(), Ended> {
        let host = answer.host().to_owned();
        let mut body = paced(answer.body(), &host, self.timeout);
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = match body.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failure_of_read(&host, error, self.timeout).into()),
            };
            let missing = end - self.have;
            if length as u64 > missing {
                let found = end.saturating_add(1);
                let expected = end;
                return Err(self.lie(BlobProblem::Size { expected, found }).into());
            }
            if length == 0 {
                return match missing {
                    0 => Ok(()),
                    _ => Err(Ended::Registry(RegistryError::Unreachable {
                        host,
                        reason: format!(
                            "the connection ended {missing} bytes before the end of {}",
                            self.what()
                        ),
                    })),
                };
            }
            if let Err(error) = self.file.write_all(&buffer[..length]) {
                // Room for others, at once; a part that is cut off anywhere can be taken up, but this needs room.
                let _ = self.restart();
                return Err(Ended::Store(failed("write", self.path)(error)));
            }
            self.hash.update(&buffer[..length]);
            self.have += length as u64;
            progress(self.have);
            if pauses.is_cancelled() {
                return Err(Ended::Store(ImageError::Cancelled));
            }
        }
    }

    /// Said before it is downloaded, not when the disk is full.
    fn require_room(&self) -> Result<(), Ended> {
        let Ok(room) = rustix::fs::fstatvfs(&*self.file) else {
            return Ok(());
        };
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        match self.blob.size.saturating_sub(self.have) > free {
            true => Err(Ended::Store(failed("write", self.path)(
                io::ErrorKind::StorageFull.into(),
            ))),
            false => Ok(()),
        }
    }

    fn restart_on_disk(&mut self) -> Result<(), Ended> {
        self.restart()
            .map_err(|error| Ended::Store(failed("write", self.path)(error)))
    }

    fn lie(&self, problem: BlobProblem) -> RegistryError {
        RegistryError::Contents {
            host: self.session.name().to_owned(),
            what: self.what(),
            problem,
        }
    }

    fn what(&self) -> String {
        format!("the blob {}", self.blob.digest)
    }
}
