//! Reading ahead: a layer is decompressed and hashed by one thread while another makes its files.

use crate::image::stream::Hashing;
use crate::model::Digest;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes that are handed over at once.
const PIECE: usize = 1 << 18;
/// Pieces that wait to be read.
const PIECES: usize = 4;

/// What the other thread has read, in order.
#[derive(Debug)]
pub(super) struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    /// Bytes of `piece` that were read.
    at: usize,
}

/// Lets `consume` read what `source` holds. Returns besides what it returns the digest and the length of all of it, if
/// all of it was read.
pub(super) fn read_ahead<T>(
    source: impl Read + Send,
    consume: impl FnOnce(Ahead) -> T,
) -> (T, Option<(Digest, u64)>) {
    thread::scope(|scope| {
        let (send, pieces) = sync_channel(PIECES);
        let reading = scope.spawn(move || produce(source, &send));
        let consumed = consume(Ahead {
            pieces,
            piece: Vec::new(),
            at: 0,
        });
        (consumed, reading.join().ok().flatten())
    })
}

/// Reads to the end, or until nobody wants more.
fn produce(source: impl Read, send: &SyncSender<io::Result<Vec<u8>>>) -> Option<(Digest, u64)> {
    let mut source = Hashing::new(source);
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        match source.by_ref().take(PIECE as u64).read_to_end(&mut piece) {
            Err(error) => {
                // What came before the error is of use to nobody.
                let _ = send.send(Err(error));
                return None;
            }
            Ok(0) => {
                let length = source.length();
                return Some((source.finish(), length));
            }
            Ok(_) => send.send(Ok(piece)).ok()?,
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.at = 0;
            self.piece = match self.pieces.recv() {
                Ok(piece) => piece?,
                // The other thread has ended.
                Err(_) => Vec::new(),
            };
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::stream::digest_of;

    #[test]
    fn all_comes_in_order_and_with_its_digest() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|at| (at / 7) as u8).collect();
        let (read, whole) = read_ahead(&bytes[..], |mut ahead| {
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).unwrap();
            read
        });
        assert!(read == bytes);
        assert_eq!(whole, Some((digest_of(&bytes), 3_000_000)));
        // Whoever stops early does not wait for the rest.
        let (length, whole) = read_ahead(io::repeat(7), |mut ahead| ahead.read(&mut [0; 10]).unwrap());
        assert_eq!((length, whole), (10, None));
        let failing = (&bytes[..]).chain(Failing);
        let (error, whole) = read_ahead(failing, |mut ahead| {
            io::copy(&mut ahead, &mut io::sink()).is_err()
        });
        assert!(error && whole.is_none());
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no"))
        }
    }
}
