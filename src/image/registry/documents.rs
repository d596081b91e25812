//! Manifests, indexes and configurations of a repository.

use super::error::RegistryError;
use super::retry::{Pauses, Retry};
use super::session::Session;
use crate::image::error::ImageError;
use crate::image::manifest::{self, ACCEPTED, Blob, DOCUMENT_MAX, Documents, Entry, Kind};
use crate::image::stream::digest_of;
use crate::image::{Digest, Reference};
use ureq::http::{HeaderName, header};

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The documents of a repository, from the one that a reference names.
pub struct Remote<'a> {
    session: &'a Session,
    retry: Retry,
    pauses: &'a dyn Pauses,
    /// What the reference names; fetched once.
    first: (Entry, Vec<u8>),
    /// Gets a configuration: a blob, not a manifest.
    configuration: &'a dyn Fn(Blob) -> Result<Vec<u8>, ImageError>,
}

/// The digest of what a reference names in the registry. Where that is not said without asking for the whole, the
/// whole is asked for.
///
/// # Errors
/// Those of [`Session::get`].
pub fn digest(
    session: &Session,
    reference: &Reference,
    (retry, pauses): (Retry, &dyn Pauses),
) -> Result<Digest, RegistryError> {
    let (path, what) = (path(reference), what(reference));
    let head = retry.run(pauses, || session.get("HEAD", &path, &accept(), &what));
    let said = match head {
        Ok(answer) => answer
            .header(DOCKER_CONTENT_DIGEST)
            .and_then(|text| text.parse().ok()),
        // Some do not know HEAD.
        Err(
            RegistryError::NotFound { .. }
            | RegistryError::Status {
                status: 400 | 405 | 501,
                ..
            },
        ) => None,
        Err(error) => return Err(error),
    };
    if let Some(digest) = said {
        return Ok(digest);
    }
    let json = retry.run(pauses, || {
        session
            .get("GET", &path, &accept(), &what)?
            .text(DOCUMENT_MAX, &what)
    })?;
    Ok(digest_of(&json))
}

impl<'a> Remote<'a> {
    /// Fetches what `reference` names.
    ///
    /// # Errors
    /// Those of [`Session::get`]; a document that is neither a manifest nor an index, or not the one that was asked
    /// for.
    pub fn fetch(
        session: &'a Session,
        reference: &Reference,
        (retry, pauses): (Retry, &'a dyn Pauses),
        configuration: &'a dyn Fn(Blob) -> Result<Vec<u8>, ImageError>,
    ) -> Result<Self, ImageError> {
        let what = what(reference);
        let (json, called, said) = retry.run(pauses, || {
            let answer = session.get("GET", &path(reference), &accept(), &what)?;
            let called = answer.header(header::CONTENT_TYPE).map(str::to_owned);
            let said: Option<Digest> = answer
                .header(DOCKER_CONTENT_DIGEST)
                .and_then(|text| text.parse().ok());
            Ok((answer.text(DOCUMENT_MAX, &what)?, called, said))
        })?;
        let digest = digest_of(&json);
        if let Some(expected) = reference.digest().or(said).filter(|expected| *expected != digest) {
            return Err(RegistryError::Protocol {
                host: session.name().to_owned(),
                problem: format!("asked for {expected}, it sends what has the digest {digest}"),
            }
            .into());
        }
        let kind = manifest::kind(&json, called.as_deref())
            .map_err(|problem| malformed(session, &digest.to_string(), problem))?;
        let blob = Blob {
            digest,
            size: json.len() as u64,
        };
        let entry = Entry {
            kind,
            blob,
            platform: None,
        };
        Ok(Self {
            session,
            retry,
            pauses,
            first: (entry, json),
            configuration,
        })
    }

    /// What the reference names.
    pub fn entry(&self) -> &Entry {
        &self.first.0
    }
}

impl Documents for Remote<'_> {
    fn read(&self, kind: Kind, blob: Blob) -> Result<Vec<u8>, ImageError> {
        if kind == Kind::Configuration {
            return (self.configuration)(blob);
        }
        if blob == self.first.0.blob {
            return Ok(self.first.1.clone());
        }
        let what = format!("the manifest {}", blob.digest);
        let too_long = || RegistryError::Protocol {
            host: self.session.name().to_owned(),
            problem: format!("{what} is longer than {DOCUMENT_MAX} bytes"),
        };
        if blob.size > DOCUMENT_MAX {
            return Err(too_long().into());
        }
        let json = self.retry.run(self.pauses, || {
            let path = format!("manifests/{}", blob.digest);
            let answer = self.session.get("GET", &path, &accept(), &what)?;
            answer.text(DOCUMENT_MAX, &what)
        })?;
        manifest::check(&json, blob).map_err(|problem| RegistryError::Contents {
            host: self.session.name().to_owned(),
            what,
            problem,
        })?;
        Ok(json)
    }

    fn malformed(&self, part: &str, problem: String) -> ImageError {
        malformed(self.session, part, problem)
    }
}

fn malformed(session: &Session, part: &str, problem: String) -> ImageError {
    ImageError::Malformed {
        place: format!("{}: {part}", session.name()),
        problem,
    }
}

fn path(reference: &Reference) -> String {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("manifests/{digest}"),
        (None, tag) => format!("manifests/{}", tag.unwrap_or("latest")),
    }
}

fn what(reference: &Reference) -> String {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("the manifest {digest} of {}", reference.repository()),
        (None, tag) => format!(
            "the tag {} of {}",
            tag.unwrap_or("latest"),
            reference.repository()
        ),
    }
}

fn accept() -> [(HeaderName, String); 1] {
    [(header::ACCEPT, ACCEPTED.join(", "))]
}
