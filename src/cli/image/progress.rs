//! How a pull goes, on a terminal and in a log.

use crate::cli::output::size;
use crate::image::manifest::Blob;
use crate::image::{Digest, LayerState, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Digits of a digest that are shown.
const DIGITS: usize = 12;

/// A bar for each layer, on standard error.
pub(super) struct Bars {
    all: MultiProgress,
    layers: Mutex<BTreeMap<Digest, ProgressBar>>,
}

impl Bars {
    /// No bars yet.
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::new(),
            layers: Mutex::default(),
        }
    }
}

impl Progress for Bars {
    fn layers(&self, layers: &[Blob]) {
        let template = "{prefix} [{bar:30}] {decimal_bytes:>10} of {decimal_total_bytes:<10} {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let mut bars = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        for blob in layers {
            let bar = self.all.add(ProgressBar::new(blob.size));
            bar.set_style(style.clone().progress_chars("=> "));
            bar.set_prefix(blob.digest.hex()[..DIGITS].to_owned());
            bars.insert(blob.digest, bar);
        }
    }

    fn layer(&self, digest: Digest, state: LayerState) {
        let bars = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bar) = bars.get(&digest) else { return };
        match state {
            LayerState::Waiting => bar.set_message("waiting"),
            LayerState::Downloading(bytes) => {
                bar.set_position(bytes);
                bar.set_message("downloading");
            }
            LayerState::Unpacking => {
                bar.set_position(bar.length().unwrap_or_default());
                bar.set_message("unpacking");
            }
            LayerState::Done => {
                bar.set_position(bar.length().unwrap_or_default());
                bar.finish_with_message("done");
            }
        }
    }

    fn note(&self, text: &str) {
        // Without bars there is nothing to print above.
        let _ = self.all.println(format!("podunit: {text}"));
    }
}

/// What happens, in lines on standard error.
pub(super) struct Lines {
    reference: String,
}

impl Lines {
    /// For the image of that name.
    pub(super) fn new(reference: &str) -> Self {
        Self {
            reference: reference.to_owned(),
        }
    }

    fn say(&self, text: &str) {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr(), "podunit: {}: {text}", self.reference);
    }
}

impl Progress for Lines {
    fn layers(&self, layers: &[Blob]) {
        let bytes = layers
            .iter()
            .fold(0_u64, |sum, blob| sum.saturating_add(blob.size));
        match layers.len() {
            0 => {}
            1 => self.say(&format!("fetching 1 layer, {}", size(bytes))),
            count => self.say(&format!("fetching {count} layers, {}", size(bytes))),
        }
    }

    fn layer(&self, _: Digest, _: LayerState) {}

    fn note(&self, text: &str) {
        self.say(text);
    }
}
