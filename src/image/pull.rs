//! Pulling: an image from a registry into the store, whole or not at all.
//!
//! Layers are downloaded to `partial/`, some at once, and unpacked as soon as they are verified. Whoever wants a blob
//! that another downloads waits for it; what an interrupted download has left is taken up.

use super::error::{BlobProblem, ImageError};
use super::manifest::{self, Blob, DOCUMENT_MAX, Image};
use super::progress::{LayerState, Progress};
use super::registry::credentials::Files;
use super::registry::documents::{self, Remote};
use super::registry::endpoint::endpoints;
use super::registry::http::Http;
use super::registry::proxy::Proxies;
use super::registry::retry::{Pauses, Retry};
use super::registry::session::Session;
use super::registry::trust::Trust;
use super::registry::{RegistryError, blob};
use super::store::{NewImage, Partial, Store, Work};
use super::{Digest, Reference};
use crate::model::settings::ImageSettings;
use crate::model::{Platform, PullPolicy, Request, reference_key};
use std::io::{Read, Seek};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How many layers are downloaded and unpacked at once.
const AT_ONCE: usize = 3;

/// An image that a request asked for, and that is in the store now.
#[derive(Debug)]
pub struct Pulled {
    /// The reference in full.
    pub reference: String,
    /// Digest of the manifest, `sha256:…`.
    pub digest: String,
    /// Whether the name stood for another image before, or for none.
    pub is_new: bool,
    /// What the image has that is not honoured.
    pub warnings: Vec<String>,
    /// Why it is not known whether the registry has a newer one, if that was to be asked.
    pub stale: Option<ImageError>,
}

/// Sees to it that the image of a request is in the store, as its policy says. Credentials and proxies are found by
/// the environment of the process.
///
/// With [`PullPolicy::Always`] and [`PullPolicy::Newer`], an image that is there serves if its registry does not:
/// [`Pulled::stale`] says why.
///
/// # Errors
/// A request that makes no sense; an image that cannot be had; a store that cannot be written. Then the store has the
/// images that it had before.
pub fn pull(
    store: &Store,
    request: &Request,
    settings: &ImageSettings,
    progress: &dyn Progress,
) -> Result<Pulled, ImageError> {
    let reference = settings.complete(&request.reference)?;
    let found = store.find(&reference.to_string(), request.platform.as_ref());
    let local = match (found, request.policy) {
        (Ok(image), _) => Some(image.digest),
        (Err(error), PullPolicy::Never) => return Err(error),
        // Damaged, perhaps: fetched anew, as far as it is gone.
        (Err(_), _) => None,
    };
    let as_it_is = |digest: &str, stale| Pulled {
        reference: reference.to_string(),
        digest: digest.to_owned(),
        is_new: false,
        warnings: Vec::new(),
        stale,
    };
    let cannot = |problem| ImageError::Fetch {
        reference: reference.to_string(),
        problem: Box::new(problem),
    };
    // What is asked for by its digest cannot be another tomorrow.
    let is_settled =
        matches!(request.policy, PullPolicy::Missing | PullPolicy::Never) || reference.digest().is_some();
    if let Some(digest) = local.as_ref().filter(|_| is_settled) {
        return Ok(as_it_is(digest, None));
    }
    match (
        fetch(store, request, &reference, local.as_deref(), settings, progress),
        local,
    ) {
        (Ok(Some(pulled)), _) => Ok(pulled),
        (Ok(None), Some(digest)) => Ok(as_it_is(&digest, None)),
        (Err(problem), Some(digest)) => Ok(as_it_is(&digest, Some(cannot(problem)))),
        (Err(problem), None) => Err(cannot(problem)),
        (Ok(None), None) => Err(ImageError::not_found(&reference, request.platform.as_ref())),
    }
}

/// Fetches the image; `None` if the one that is there, `local`, is the same.
fn fetch(
    store: &Store,
    request: &Request,
    reference: &Reference,
    local: Option<&str>,
    settings: &ImageSettings,
    progress: &dyn Progress,
) -> Result<Option<Pulled>, ImageError> {
    let fetching = Fetching {
        store,
        work: store.work()?,
        reference,
        platform: request.platform.as_ref(),
        sessions: sessions(store, request, reference, settings),
        retry: Retry::new(request.retry, request.retry_delay),
        timeout: settings.timeout,
        progress,
        control: Control {
            cancelled: Mutex::new(false),
            change: Condvar::new(),
            progress,
        },
    };
    let mut errors = Vec::new();
    for (at, session) in fetching.sessions.iter().enumerate() {
        let error = match fetching.image_of(session, local.is_some()) {
            Ok(None) => return Ok(None),
            Ok(Some(image)) => {
                fetching.layers(&image, at)?;
                fetching.commit(&image)?;
                return Ok(Some(Pulled {
                    reference: reference.to_string(),
                    digest: image.digest.to_string(),
                    is_new: local != Some(image.digest.to_string().as_str()),
                    warnings: image.config.warnings,
                    stale: None,
                }));
            }
            Err(error @ ImageError::Store { .. }) => return Err(error),
            Err(error) => error,
        };
        if at + 1 < fetching.sessions.len() {
            progress.note(&format!("{error}: asking the next place"));
        }
        errors.push(error);
    }
    Err(all(errors))
}

/// Conversations with all places that may have the image, mirrors first.
fn sessions(
    store: &Store,
    request: &Request,
    reference: &Reference,
    settings: &ImageSettings,
) -> Vec<Session> {
    let variable = |name: &str| std::env::var(name).ok();
    let proxies = Proxies::new(variable);
    let files = Files::new(store.paths(), request.auth_file.as_deref(), variable);
    let session = |endpoint: super::registry::endpoint::Endpoint| {
        let folder = request.cert_dir.as_deref();
        let trust = Trust::new(
            store.paths(),
            &endpoint.name,
            &endpoint.host,
            folder,
            endpoint.is_verified,
        );
        let http = Http::new(trust, proxies.clone(), settings.timeout);
        Session::new(endpoint, http, files.clone())
    };
    let places = endpoints(reference, settings, request.tls_verify);
    places.into_iter().map(session).collect()
}

/// Digest of what the registry has under the name of a request, if that is another image than the store's; it is not
/// fetched. That of an index, where there is one.
///
/// # Errors
/// A request that makes no sense; no place that could be asked.
pub fn newer(
    store: &Store,
    request: &Request,
    settings: &ImageSettings,
    progress: &dyn Progress,
) -> Result<Option<Digest>, ImageError> {
    let reference = settings.complete(&request.reference)?;
    if reference.digest().is_some() {
        return Ok(None);
    }
    let control = Control {
        cancelled: Mutex::new(false),
        change: Condvar::new(),
        progress,
    };
    let pauses: (Retry, &dyn Pauses) = (Retry::new(request.retry, request.retry_delay), &control);
    let mut errors = Vec::new();
    for session in sessions(store, request, &reference, settings) {
        match documents::digest(&session, &reference, pauses) {
            Ok(digest) => {
                let is_here = store.is_digest(&reference, request.platform.as_ref(), digest)?;
                return Ok((!is_here).then_some(digest));
            }
            Err(error) => errors.push(error.into()),
        }
    }
    Err(ImageError::Fetch {
        reference: reference.to_string(),
        problem: Box::new(all(errors)),
    })
}

/// The work on one image.
struct Fetching<'a> {
    store: &'a Store,
    work: Work<'a>,
    reference: &'a Reference,
    platform: Option<&'a Platform>,
    /// Mirrors first.
    sessions: Vec<Session>,
    retry: Retry,
    timeout: Duration,
    progress: &'a dyn Progress,
    control: Control<'a>,
}

impl Fetching<'_> {
    /// What the reference names there, its documents read and checked; `None` if that is here.
    fn image_of(&self, session: &Session, has_local: bool) -> Result<Option<Image>, ImageError> {
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
        let mut json = Vec::new();
        let path = partial.path().to_owned();
        let file = partial.file();
        let read = file
            .rewind()
            .and_then(|()| file.take(DOCUMENT_MAX).read_to_end(&mut json));
        read.map_err(super::store::failed("read", path))?;
        manifest::check(&json, blob).map_err(lies)?;
        Ok(json)
    }

    /// Brings all layers into the store that are not there. `from` is the session that has the image.
    fn layers(&self, image: &Image, from: usize) -> Result<(), ImageError> {
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
        partial
            .file()
            .rewind()
            .map_err(super::store::failed("read", path))?;
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

    fn commit(&self, image: &Image) -> Result<(), ImageError> {
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

/// Several reasons as one.
fn all(mut errors: Vec<ImageError>) -> ImageError {
    if errors.len() == 1
        && let Some(only) = errors.pop()
    {
        return only;
    }
    let reason = |error| match error {
        ImageError::Registry(error) => error,
        other => RegistryError::Setting(other.to_string()),
    };
    RegistryError::All(errors.into_iter().map(reason).collect()).into()
}

/// Stops all threads of a pull when one has failed.
struct Control<'a> {
    cancelled: Mutex<bool>,
    change: Condvar,
    progress: &'a dyn Progress,
}

impl Control<'_> {
    fn cancel(&self) {
        *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.change.notify_all();
    }
}

impl Pauses for Control<'_> {
    fn pause(&self, error: &RegistryError, time: Duration) -> bool {
        let seconds = time.as_secs_f32();
        self.progress
            .note(&format!("{error}: trying again in {seconds:.1} s"));
        let cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .change
            .wait_timeout_while(cancelled, time, |cancelled| !*cancelled);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn is_cancelled(&self) -> bool {
        *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
