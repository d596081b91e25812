//! Pulling: an image from a registry into the store, whole or not at all.
//!
//! Layers are downloaded to `partial/`, some at once, and unpacked as soon as they are verified. Whoever wants a blob
//! that another downloads waits for it; what an interrupted download has left is taken up.

mod control;
mod fetching;

use super::error::ImageError;
use super::progress::Progress;
use super::registry::RegistryError;
use super::registry::credentials::Files;
use super::registry::documents;
use super::registry::endpoint::{Endpoint, endpoints};
use super::registry::http::Http;
use super::registry::proxy::Proxies;
use super::registry::retry::{Pauses, Retry};
use super::registry::session::Session;
use super::registry::trust::Trust;
use super::store::Store;
use super::{Digest, Reference};
use crate::model::settings::ImageSettings;
use crate::model::{PullPolicy, Request};
use control::Control;
use fetching::Fetching;

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
        short: short(request),
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
        control: Control::new(progress),
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
    let session = |endpoint: Endpoint| {
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
    let control = Control::new(progress);
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
        short: short(request),
        problem: Box::new(all(errors)),
    })
}

/// The name that was asked for, if it names no registry.
fn short(request: &Request) -> Option<String> {
    Reference::is_short(&request.reference).then(|| request.reference.clone())
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
