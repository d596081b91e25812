//! One repository of one registry: requests that are authenticated as the registry wants it.

use super::challenge::{self, Challenge};
use super::credentials::{Credentials, Files, Found};
use super::endpoint::Endpoint;
use super::error::RegistryError;
use super::failure::is_not_tls;
use super::http::{Answer, Call, Http};
use super::retry;
use super::token;
use super::url::Url;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;
use ureq::http::{HeaderName, header};

/// A conversation with a registry about a repository. Threads may share it.
#[derive(Debug)]
pub struct Session {
    endpoint: Endpoint,
    http: Http,
    files: Files,
    /// Looked for when the registry first asks.
    credentials: OnceLock<Option<Found>>,
    /// The value of `Authorization`, as long as it is taken.
    authorization: Mutex<Option<String>>,
    /// TLS was tried, and is not spoken.
    is_plain: AtomicBool,
}

impl Session {
    /// A session with `endpoint`. Connects to nothing yet.
    pub fn new(endpoint: Endpoint, http: Http, files: Files) -> Self {
        Self {
            endpoint,
            http,
            files,
            credentials: OnceLock::new(),
            authorization: Mutex::default(),
            is_plain: AtomicBool::new(false),
        }
    }

    /// The registry's host and port, as users name it.
    pub fn name(&self) -> &str {
        &self.endpoint.name
    }

    /// Asks for `path` below the repository, such as `manifests/latest`. `what` is that in words. The answer has
    /// status 200, or 206 where `headers` ask for a part.
    ///
    /// # Errors
    /// No answer, one that is an error, or one that no registry may give.
    pub fn get(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(HeaderName, String)],
        what: &str,
    ) -> Result<Answer, RegistryError> {
        let asks_for_part = headers.iter().any(|(name, _)| name == header::RANGE);
        let answer = self.authenticated(method, path, headers, what)?;
        match answer.status() {
            200 => Ok(answer),
            206 | 416 if asks_for_part => Ok(answer),
            404 => Err(RegistryError::NotFound {
                host: self.endpoint.name.clone(),
                what: what.to_owned(),
                words: answer.words(),
            }),
            401 | 403 => Err(self.denied(answer, what)),
            status => Err(unexpected(answer, status, what.to_owned())),
        }
    }

    /// Sends a request, and once more with what the registry then asks for.
    fn authenticated(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(HeaderName, String)],
        what: &str,
    ) -> Result<Answer, RegistryError> {
        let path = format!("/v2/{}/{path}", self.endpoint.repository);
        let shown = self.authorization();
        let answer = self.send(method, &path, headers, shown.as_deref())?;
        let is_own = answer.url.authority() == self.url(&path).authority();
        if answer.status() != 401 || !is_own {
            return Ok(answer);
        }
        let Some(authorization) = self.authorize(&answer, shown.as_deref())? else {
            return Err(self.denied(answer, what));
        };
        self.send(method, &path, headers, Some(&authorization))
    }

    /// Sends a request over TLS; over plain HTTP if that is allowed and TLS is not spoken.
    fn send(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(HeaderName, String)],
        authorization: Option<&str>,
    ) -> Result<Answer, RegistryError> {
        let call = |url| Call {
            method,
            url,
            headers: headers.to_vec(),
            authorization,
            form: None,
        };
        let over_tls = !self.is_plain.load(Ordering::Relaxed);
        match self.http.send(&call(self.url(path))) {
            Err(error) if over_tls && self.endpoint.may_be_plain && is_not_tls(&error) => {
                let plain = Url::new(false, &self.endpoint.host, path);
                let answer = self.http.send(&call(plain)).map_err(|other| match other {
                    // Whatever is there, it was not reached either way.
                    RegistryError::Unreachable { .. } => error,
                    other => other,
                })?;
                self.is_plain.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            other => other,
        }
    }

    fn url(&self, path: &str) -> Url {
        Url::new(!self.is_plain.load(Ordering::Relaxed), &self.endpoint.host, path)
    }

    /// The answer to a challenge. `shown` is what was not accepted. `None` if there is nothing to show.
    fn authorize(&self, answer: &Answer, shown: Option<&str>) -> Result<Option<String>, RegistryError> {
        let mut current = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread was here first.
        if current.is_some() && current.as_deref() != shown {
            return Ok(current.clone());
        }
        let credentials = self.credentials()?;
        *current = match challenge::choose(answer.headers(header::WWW_AUTHENTICATE)) {
            Some(Challenge::Bearer { realm, service }) => {
                let wanted = token::Wanted {
                    registry: &answer.url,
                    realm: &realm,
                    service: service.as_deref(),
                    repository: &self.endpoint.repository,
                    credentials: credentials.as_ref(),
                };
                Some(token::get(&self.http, wanted)?)
            }
            Some(Challenge::Basic) => match credentials.as_ref().map(|found| &found.credentials) {
                // Shown once already.
                Some(Credentials::Password { .. }) if shown.is_some() => None,
                Some(Credentials::Password { user, password }) => Some(token::basic(user, password)),
                _ => None,
            },
            None => {
                return Err(RegistryError::Protocol {
                    host: answer.host().to_owned(),
                    problem: "it wants to know who asks, but in no way that podunit knows".to_owned(),
                });
            }
        };
        Ok(current.clone())
    }

    fn authorization(&self) -> Option<String> {
        let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        authorization.clone()
    }

    fn credentials(&self) -> Result<&Option<Found>, RegistryError> {
        if let Some(found) = self.credentials.get() {
            return Ok(found);
        }
        let found = self.files.find(&self.endpoint.place())?;
        Ok(self.credentials.get_or_init(|| found))
    }

    fn denied(&self, answer: Answer, what: &str) -> RegistryError {
        let name = &self.endpoint.name;
        let advice = match self.credentials.get().and_then(Option::as_ref) {
            Some(found) => format!("the credentials in {} do not allow it", found.file.display()),
            None => format!(
                "there is no such image, or it wants a login: `podman login {name}` or `docker login {name}` writes \
                 one, AuthFile= names another file"
            ),
        };
        RegistryError::Denied {
            host: name.clone(),
            what: what.to_owned(),
            words: answer.words(),
            advice,
        }
    }
}

/// An answer with a status that was not expected.
pub fn unexpected(answer: Answer, status: u16, what: String) -> RegistryError {
    let after = answer
        .header(header::RETRY_AFTER)
        .and_then(|text| retry::after(text, SystemTime::now()));
    RegistryError::Status {
        host: answer.host().to_owned(),
        status,
        what,
        words: answer.words(),
        after,
    }
}
