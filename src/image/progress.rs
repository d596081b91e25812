//! What whoever waits for an image is told.

use super::Digest;
use super::manifest::Blob;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Is told how a pull goes, by several threads at once.
pub trait Progress: Sync {
    /// The layers that this machine does not have yet, the lowest first.
    fn layers(&self, layers: &[Blob]);

    /// One of these layers has come so far.
    fn layer(&self, digest: Digest, state: LayerState);

    /// Something that may be worth knowing, on one line: a mirror that does not answer, a pause before another attempt.
    fn note(&self, text: &str);
}

/// How far a layer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// Another process gets it.
    Waiting,
    /// So many of its bytes are here.
    Downloading(u64),
    /// All bytes are here and verified.
    Unpacking,
    /// It is in the store.
    Done,
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn layers(&self, _: &[Blob]) {}
    fn layer(&self, _: Digest, _: LayerState) {}
    fn note(&self, _: &str) {}
}

/// Sums up a pull, for whoever shows one figure.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<Digest, (u64, u64)>>);

/// Bytes that are here, and bytes of all layers that are to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Here.
    pub done: u64,
    /// Of all.
    pub total: u64,
}

impl Tally {
    /// Takes [`Progress::layers`].
    pub fn layers(&self, layers: &[Blob]) -> Sum {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tally = layers.iter().map(|blob| (blob.digest, (0, blob.size))).collect();
        sum(&tally)
    }

    /// Takes [`Progress::layer`].
    pub fn layer(&self, digest: Digest, state: LayerState) -> Sum {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((done, total)) = tally.get_mut(&digest) {
            *done = match state {
                LayerState::Waiting => *done,
                LayerState::Downloading(bytes) => bytes.min(*total),
                LayerState::Unpacking | LayerState::Done => *total,
            };
        }
        sum(&tally)
    }
}

fn sum(tally: &BTreeMap<Digest, (u64, u64)>) -> Sum {
    tally.values().fold(Sum::default(), |sum, (done, total)| Sum {
        done: sum.done.saturating_add(*done),
        total: sum.total.saturating_add(*total),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_add_up() {
        let blob = |byte, size| Blob {
            digest: Digest::from_bytes([byte; 32]),
            size,
        };
        let tally = Tally::default();
        let sum = |done, total| Sum { done, total };
        assert_eq!(tally.layers(&[blob(1, 10), blob(2, 20), blob(2, 20)]), sum(0, 30));
        assert_eq!(
            tally.layer(blob(1, 0).digest, LayerState::Downloading(4)),
            sum(4, 30)
        );
        assert_eq!(tally.layer(blob(1, 0).digest, LayerState::Waiting), sum(4, 30));
        assert_eq!(tally.layer(blob(2, 0).digest, LayerState::Unpacking), sum(24, 30));
        assert_eq!(tally.layer(blob(3, 0).digest, LayerState::Done), sum(24, 30));
    }
}
