//! The record of a layer: what its archive has beside the contents of files, so that the archive can be made again bit
//! by bit from the unpacked layer, to be verified and to be saved. (The idea is that of tar-split.)
//!
//! Compressed with gzip, a sequence of
//!
//! ```text
//! R length(4) bytes                        bytes of the archive as they are: headers, padding, what is in no file
//! F length(2) path size(8) crc(4)          contents of a file, by its path in the layer without links, and its CRC-32
//! M length(2) path number(4)               what stood at this path has been moved to replaced/NUMBER
//! E                                        the end
//! ```
//!
//! with numbers in little-endian order. Something is moved when a later member of the archive takes its place: the
//! archive has its contents all the same.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The folder, beside the layer's tree, for what was replaced.
pub const REPLACED: &str = "replaced";

/// Longest path: links can lead to some that are longer than what a system call takes.
const PATH_MAX: usize = 4096;
/// Bytes that are written as one `R`.
const RAW_MAX: usize = 1 << 16;
/// Most bytes of the paths of what was moved, together: they are kept while the record is read.
const MOVED_MAX: usize = 64 << 20;

/// Writes a record.
#[derive(Debug)]
pub struct Recorder {
    out: GzEncoder<BufWriter<File>>,
    raw: Vec<u8>,
    moved_bytes: usize,
}

impl Recorder {
    /// Writes to the empty file `file`.
    pub fn new(file: File) -> Self {
        Self {
            out: GzEncoder::new(BufWriter::with_capacity(1 << 16, file), Compression::fast()),
            raw: Vec::with_capacity(RAW_MAX),
            moved_bytes: 0,
        }
    }

    /// Notes bytes that are in no file.
    ///
    /// # Errors
    /// Those of writing.
    pub fn raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let length = bytes.len().min(RAW_MAX - self.raw.len());
            self.raw.extend_from_slice(&bytes[..length]);
            bytes = &bytes[length..];
            if self.raw.len() == RAW_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Notes that the contents of a file come next in the archive.
    ///
    /// # Errors
    /// Those of writing.
    pub fn file(&mut self, path: &Path, size: u64, crc: u32) -> io::Result<()> {
        self.flush()?;
        self.out.write_all(b"F")?;
        self.path(path)?;
        self.out.write_all(&size.to_le_bytes())?;
        self.out.write_all(&crc.to_le_bytes())
    }

    /// Notes that what stands at `path` is moved now; `number` is its new name in [`REPLACED`].
    ///
    /// # Errors
    /// Those of writing; too much was moved.
    pub fn moved(&mut self, path: &Path, number: u32) -> io::Result<()> {
        self.moved_bytes += path.as_os_str().len();
        if self.moved_bytes > MOVED_MAX {
            return Err(io::Error::other("too many members take the place of others"));
        }
        self.flush()?;
        self.out.write_all(b"M")?;
        self.path(path)?;
        self.out.write_all(&number.to_le_bytes())
    }

    /// Ends the record. It is on disk when the file system has been synchronised.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.out.write_all(b"E")?;
        self.out.finish()?.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(self.raw.len()).map_err(io::Error::other)?;
        self.out.write_all(b"R")?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.raw)?;
        self.raw.clear();
        Ok(())
    }

    fn path(&mut self, path: &Path) -> io::Result<()> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() > PATH_MAX {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(bytes)
    }
}

/// One part of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// So many bytes follow, to be read with [`Record::raw`].
    Raw(u32),
    /// The contents of a file.
    File {
        /// Where it was when this was written.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// CRC-32 of its contents.
        crc: u32,
    },
    /// What was at this path is in [`REPLACED`] under this number.
    Moved(PathBuf, u32),
}

/// Reads a record.
#[derive(Debug)]
pub struct Record(BufReader<GzDecoder<BufReader<File>>>);

impl Record {
    /// Reads from the beginning of a file.
    pub fn new(file: File) -> Self {
        Self(BufReader::new(GzDecoder::new(BufReader::new(file))))
    }

    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// Those of reading; `InvalidData` for what is no record.
    pub fn part(&mut self) -> io::Result<Option<Part>> {
        let [kind] = self.bytes()?;
        Ok(Some(match kind {
            b'R' => Part::Raw(u32::from_le_bytes(self.bytes()?)),
            b'F' => Part::File {
                path: self.path()?,
                size: u64::from_le_bytes(self.bytes()?),
                crc: u32::from_le_bytes(self.bytes()?),
            },
            b'M' => Part::Moved(self.path()?, u32::from_le_bytes(self.bytes()?)),
            b'E' => {
                // To the end of the compressed stream, where its checksum is.
                let mut rest = [0];
                return match self.0.read(&mut rest)? {
                    0 => Ok(None),
                    _ => Err(io::ErrorKind::InvalidData.into()),
                };
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }))
    }

    /// Reads bytes of a [`Part::Raw`].
    ///
    /// # Errors
    /// Those of reading.
    pub fn raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn path(&mut self) -> io::Result<PathBuf> {
        let length = usize::from(u16::from_le_bytes(self.bytes()?));
        if length > PATH_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(PathBuf::from(OsStr::from_bytes(&bytes)))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// What a record says as a whole, from reading it once.
#[derive(Debug, Default)]
pub struct Summary {
    /// Bytes of the archive.
    pub length: u64,
    /// What was moved: when, counted in parts, and its number.
    moved: HashMap<PathBuf, Vec<(u64, u32)>>,
}

impl Summary {
    /// Reads a record to its end.
    ///
    /// # Errors
    /// Those of reading; `InvalidData` for what is no record.
    pub fn read(mut record: Record) -> io::Result<Self> {
        let mut summary = Self::default();
        let mut bytes = 0;
        for at in 0.. {
            let Some(part) = record.part()? else { break };
            let length = match part {
                Part::Raw(length) => {
                    let length = u64::from(length);
                    if io::copy(&mut record.0.by_ref().take(length), &mut io::sink())? != length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    length
                }
                Part::File { size, .. } => size,
                Part::Moved(path, number) => {
                    bytes += path.as_os_str().len();
                    if bytes > MOVED_MAX {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    summary.moved.entry(path).or_default().push((at, number));
                    0
                }
            };
            summary.length = summary
                .length
                .checked_add(length)
                .ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(summary)
    }

    /// Where a file is in the layer's folder that was at `path` when part `at` was written.
    pub fn place(&self, path: &Path, at: u64) -> PathBuf {
        let tree = Path::new("tree").join(path);
        if self.moved.is_empty() {
            return tree;
        }
        // It or a folder above it, whichever was moved first: what has been moved stays.
        let moves = path.ancestors().filter_map(|ancestor| {
            let moves = self.moved.get(ancestor)?;
            let (when, number) = moves.get(moves.partition_point(|(when, _)| *when < at))?;
            Some((*when, *number, ancestor))
        });
        match moves.min_by_key(|(when, ..)| *when) {
            None => tree,
            Some((_, number, ancestor)) => {
                let new = Path::new(REPLACED).join(number.to_string());
                match path.strip_prefix(ancestor) {
                    Ok(rest) if rest.as_os_str().is_empty() => new,
                    Ok(rest) => new.join(rest),
                    Err(_) => tree,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;

    #[test]
    fn a_record_reads_back_and_knows_where_files_went() {
        let mut file = tempfile::tempfile().unwrap();
        let mut recorder = Recorder::new(file.try_clone().unwrap());
        let path = Path::new;
        recorder.raw(&[7; 3]).unwrap();
        recorder.raw(&vec![8; RAW_MAX]).unwrap();
        recorder.file(path("d/a"), 5, 1).unwrap();
        recorder.moved(path("d/a"), 0).unwrap();
        recorder.file(path("d/a"), 6, 2).unwrap();
        recorder.moved(path("d"), 1).unwrap();
        recorder.file(path("d/a"), 7, 3).unwrap();
        recorder.finish().unwrap();
        let whole = file.metadata().unwrap().len();
        file.rewind().unwrap();
        let summary = Summary::read(Record::new(file.try_clone().unwrap())).unwrap();
        assert_eq!(summary.length, 3 + RAW_MAX as u64 + 18);
        for (at, place) in [(2, "replaced/0"), (4, "replaced/1/a"), (6, "tree/d/a")] {
            assert_eq!(summary.place(path("d/a"), at), path(place));
        }
        assert_eq!(summary.place(path("d/b"), 0), path("replaced/1/b"));
        // No cut goes unseen.
        for length in (0..whole).rev() {
            file.set_len(length).unwrap();
            file.rewind().unwrap();
            assert!(
                Summary::read(Record::new(file.try_clone().unwrap())).is_err(),
                "{length}"
            );
        }
    }
}
