//! One image on its way from the places that may have it: documents, then layers, some at once, then the name.

use super::all;
use super::control::Control;
use crate::image::error::{BlobProblem, ImageError};
use crate::image::manifest::{self, Blob, DOCUMENT_MAX, Image};
use crate::image::progress::{LayerState, Progress};
use crate::image::registry::documents::{self, Remote};
use crate::image::registry::retry::{Pauses, Retry};
use crate::image::registry::session::Session;
use crate::image::registry::{RegistryError, blob};
use crate::image::store::{NewImage, Partial, Store, Work, failed};
use crate::image::{Digest, Reference};
use crate::model::{Platform, reference_key};
use crate::sys::file::read_from;
use std::io::Seek;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many layers are downloaded and unpacked at once.
const AT_ONCE: usize = 3;

/// The work on one image.
pub(super) struct Fetching<'a> {
    pub(super) store: &'a Store,
    pub(super) work: Work<'a>,
    pub(super) reference: &'a Reference,
    pub(super) platform: Option<&'a Platform>,
    /// Mirrors first.
    pub(super) sessions: Vec<Session>,
    pub(super) retry: Retry,
    pub(super) timeout: Duration,
    pub(super) progress: &'a dyn Progress,
    pub(super) control: Control<'a>,
}

impl Fetching<'_> {
    /// What the reference names there, its documents read and checked; `None` if that is here.
    pub(super) fn image_of(&self, session: &Session, has_local: bool) -> Result<Option<Image>, ImageError> {
        let pauses: (Retry, &dyn Pauses) = (self.retry, &self.control);
        if has_local {
            let digest = documents::digest(session, self.reference, pauses)?;
            if self.store.is_digest(self.reference, self.platform, digest)? {
                return Ok(None);
            }
        }
        let configuration = |blob| self.configuration(session, blob);
        let remote = Remote::fetch(session, self.reference, pauses, &configuration)?;
        let host = Platform::host();
        let platform = Some(self.platform.unwrap_or(&host));
        manifest::resolve(&remote, self.reference, remote.entry().clone(), platform).map(Some)
    }

    /// A configuration, from the store or the registry.
    fn configuration(&self, session: &Session, blob: Blob) -> Result<Vec<u8>, ImageError> {
        let lies = |problem| RegistryError::Contents {
            host: session.name().to_owned(),
            what: format!("the configuration {}", blob.digest),
            problem,
        };
        if blob.size > DOCUMENT_MAX {
            let (expected, found) = (DOCUMENT_MAX, blob.size);
            return Err(lies(BlobProblem::Size { expected, found }).into());
        }
        let stored = || {
            let json = self.store.document(blob.digest)?;
            manifest::check(&json, blob).is_ok().then_some(json)
        };
        if let Some(json) = stored() {
            return Ok(json);
        }
        let mut partial = self.work.partial(blob.digest)?;
        if let Some(json) = stored() {
            partial.remove()?;
            return Ok(json);
        }
        self.download(std::slice::from_ref(session), blob, &mut partial, &|_| {})?;
        // Kept until the image is in the store, so that others need not fetch it again.
        let path = partial.path().to_owned();
        let file = partial.file();
        let read = file.rewind().and_then(|()| read_from(file, DOCUMENT_MAX));
        let json = read.map_err(failed("read", path))?;
        manifest::check(&json, blob).map_err(lies)?;
        Ok(json)
    }

    /// Brings all layers into the store that are not there. `from` is the session that has the image.
    pub(super) fn layers(&self, image: &Image, from: usize) -> Result<(), ImageError> {
        let key = reference_key(self.reference, self.platform);
        self.work.keep_layers(&key, &image.config.diff_ids)?;
        let mut missing: Vec<(Blob, Digest)> = Vec::new();
        for (blob, diff_id) in image
            .layers
            .iter()
            .copied()
            .zip(image.config.diff_ids.iter().copied())
        {
            let is_known = missing
                .iter()
                .any(|(known, of)| known.digest == blob.digest && *of == diff_id);
            if !is_known && !self.work.has_layer(diff_id) {
                missing.push((blob, diff_id));
            }
        }
        let blobs: Vec<Blob> = missing.iter().map(|(blob, _)| *blob).collect();
        self.progress.layers(&blobs);
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<ImageError>> = Mutex::new(None);
        let work = || {
            while let Some((blob, diff_id)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.control.is_cancelled() {
                    return;
                }
                if let Err(error) = self.layer(*blob, *diff_id, from) {
                    // The first counts; what others then say of it does not.
                    failure
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(error);
                    self.control.cancel();
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..AT_ONCE.min(missing.len()) {
                scope.spawn(work);
            }
            work();
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn layer(&self, blob: Blob, diff_id: Digest, from: usize) -> Result<(), ImageError> {
        let tell = |state| self.progress.layer(blob.digest, state);
        tell(LayerState::Waiting);
        let mut partial = self.work.partial(blob.digest)?;
        let done = match self.work.has_layer(diff_id) {
            true => Ok(()),
            false => self
                .download(&self.sessions[from..], blob, &mut partial, &|bytes| {
                    tell(LayerState::Downloading(bytes));
                })
                .and_then(|()| self.unpack(blob, diff_id, &mut partial, &tell)),
        };
        match &done {
            // Worth taking up.
            Err(ImageError::Registry(_) | ImageError::Cancelled) => {}
            // Used, or good for nothing, or in the way on a full disk.
            _ => partial.remove()?,
        }
        if done.is_ok() {
            tell(LayerState::Done);
        }
        done
    }

    fn unpack(
        &self,
        blob: Blob,
        diff_id: Digest,
        partial: &mut Partial,
        tell: &dyn Fn(LayerState),
    ) -> Result<(), ImageError> {
        tell(LayerState::Unpacking);
        let path = partial.path().to_owned();
        partial.file().rewind().map_err(failed("read", path))?;
        self.work
            .add_layer(partial.file(), blob.digest, diff_id)
            .map(drop)
    }

    /// Downloads a blob from the first of `sessions` that has it.
    fn download(
        &self,
        sessions: &[Session],
        blob: Blob,
        partial: &mut Partial,
        progress: &dyn Fn(u64),
    ) -> Result<(), ImageError> {
        let path = partial.path().to_owned();
        let how: (Retry, &dyn Pauses, Duration) = (self.retry, &self.control, self.timeout);
        let mut errors = Vec::new();
        for session in sessions {
            match blob::download(session, blob, (partial.file(), &path), how, progress) {
                Err(error @ ImageError::Registry(_)) => errors.push(error),
                other => return other,
            }
            if self.control.is_cancelled() {
                break;
            }
        }
        Err(all(errors))
    }

    /// Gives the image its name.
    pub(super) fn commit(&self, image: &Image) -> Result<(), ImageError> {
        self.work.commit(&[NewImage {
            reference: self.reference,
            platform: self.platform,
            manifest: &image.manifest,
            config: &image.config_json,
            index: image.index,
        }])?;
        // Nobody needs it any more: who waits for it looks into the store first.
        self.work.partial(image.config_digest)?.remove()
    }
}
