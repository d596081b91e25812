//! Bodies that come too slowly.

use super::error::RegistryError;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Fewest bytes in each second of a window.
const PACE_MIN: u64 = 100;

/// A reader that fails when next to nothing comes, although something does.
pub fn paced<R: Read>(inner: R, host: &str, timeout: Duration) -> Paced<R> {
    Paced {
        inner,
        host: host.to_owned(),
        window: timeout * 2,
        began: Instant::now(),
        bytes: 0,
    }
}

/// See [`paced`].
#[derive(Debug)]
pub struct Paced<R> {
    inner: R,
    host: String,
    window: Duration,
    began: Instant,
    bytes: u64,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.bytes += length as u64;
        if self.began.elapsed() >= self.window {
            if length > 0 && self.bytes < PACE_MIN * self.window.as_secs().max(1) {
                return Err(io::Error::other(RegistryError::Slow {
                    host: self.host.clone(),
                    bytes: self.bytes,
                    window: self.window,
                }));
            }
            self.began = Instant::now();
            self.bytes = 0;
        }
        Ok(length)
    }
}
