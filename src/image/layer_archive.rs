//! The archive of an unpacked layer, made again bit by bit.

use super::record::{Part, Record, Summary};
use crate::sys::tree::Tree;
use flate2::Crc;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most damaged files that are told.
const DAMAGES_MAX: usize = 100;

/// A file of a layer that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where, in the layer's folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.strip_prefix("tree").unwrap_or(&self.path);
        write!(
            f,
            "`{}` {}",
            path.display().to_string().escape_debug(),
            self.problem
        )
    }
}

impl std::error::Error for Damage {}

/// Reads the uncompressed archive. A file that is damaged is an error, or is noted and filled up with zeros.
#[derive(Debug)]
pub struct LayerArchive {
    folder: Tree,
    record: Record,
    summary: Summary,
    /// Parts of the record that were read.
    at: u64,
    now: Now,
    /// `None`: damage is an error.
    damages: Option<Vec<Damage>>,
}

#[derive(Debug)]
enum Now {
    Raw(u64),
    File(Contents),
    End,
}

/// A file that is being read.
#[derive(Debug)]
struct Contents {
    place: PathBuf,
    /// `None` if there is nothing more to read.
    file: Option<File>,
    left: u64,
    crc: Crc,
    expected: u32,
    /// It has been told already.
    is_damaged: bool,
}

impl LayerArchive {
    /// Opens the layer in `folder`. Reads its record once.
    ///
    /// # Errors
    /// A record that is missing, or none.
    pub fn open(folder: Tree) -> io::Result<Self> {
        let record = || folder.open_file_without_links(Path::new("record"));
        let summary = Summary::read(Record::new(record()?))?;
        Ok(Self {
            record: Record::new(record()?),
            summary,
            at: 0,
            now: Now::Raw(0),
            damages: None,
            folder,
        })
    }

    /// Notes damaged files from now on.
    pub fn lenient(mut self) -> Self {
        self.damages = Some(Vec::new());
        self
    }

    /// Bytes of the archive.
    pub fn length(&self) -> u64 {
        self.summary.length
    }

    /// The damaged files that were met.
    pub fn into_damages(self) -> Vec<Damage> {
        self.damages.unwrap_or_default()
    }

    /// Takes up the next part.
    fn advance(&mut self) -> io::Result<()> {
        let part = self.record.part()?;
        self.now = match part {
            None => Now::End,
            Some(Part::Raw(length)) => Now::Raw(length.into()),
            Some(Part::Moved(..)) => Now::Raw(0),
            Some(Part::File { path, size, crc }) => self.contents(&path, size, crc)?,
        };
        self.at += 1;
        Ok(())
    }

    fn contents(&mut self, path: &Path, size: u64, crc: u32) -> io::Result<Now> {
        let place = self.summary.place(path, self.at);
        let (file, problem) = match self.folder.open_file_without_links(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Some("is missing")),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => (None, Some("is no file any more")),
            Err(_) => (None, Some("cannot be read")),
            Ok(file) if file.metadata()?.len() != size => (Some(file), Some("has another size")),
            Ok(file) => (Some(file), None),
        };
        if let Some(problem) = problem {
            self.damaged(&place, problem)?;
        }
        Ok(Now::File(Contents {
            place,
            file,
            left: size,
            crc: Crc::new(),
            expected: crc,
            is_damaged: problem.is_some(),
        }))
    }

    fn damaged(&mut self, place: &Path, problem: &'static str) -> io::Result<()> {
        let damage = Damage {
            path: place.to_owned(),
            problem,
        };
        match &mut self.damages {
            None => return Err(io::Error::other(damage)),
            Some(damages) if damages.len() < DAMAGES_MAX => damages.push(damage),
            Some(_) => {}
        }
        Ok(())
    }
}

impl Read for LayerArchive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.now {
                Now::End => return Ok(0),
                Now::Raw(0) => self.advance()?,
                Now::Raw(left) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                    let length = self.record.raw(&mut buffer[..most])?;
                    if length == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    *left -= length as u64;
                    return Ok(length);
                }
                Now::File(contents) if contents.left == 0 => {
                    let is_new = !contents.is_damaged && contents.crc.sum() != contents.expected;
                    let place = std::mem::take(&mut contents.place);
                    if is_new {
                        self.damaged(&place, "has other contents")?;
                    }
                    self.advance()?;
                }
                Now::File(contents) => match contents.read(buffer) {
                    Ok(length) => return Ok(length),
                    Err(_) => {
                        // Zeros from here on.
                        contents.file = None;
                        let was_told = std::mem::replace(&mut contents.is_damaged, true);
                        let place = contents.place.clone();
                        if !was_told {
                            self.damaged(&place, "cannot be read")?;
                        }
                    }
                },
            }
        }
    }
}

impl Contents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..most];
        let length = match &mut self.file {
            Some(file) => file.read(buffer)?,
            None => 0,
        };
        let length = if length == 0 {
            buffer.fill(0);
            most
        } else {
            length
        };
        self.crc.update(&buffer[..length]);
        self.left -= length as u64;
        Ok(length)
    }
}
