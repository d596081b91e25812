//! Requests over HTTP: connections, time limits, proxies, redirects. What the answers mean is others' business.

use super::error::{RegistryError, words};
use super::failure::{failure, failure_of_read};
use super::pace::paced;
use super::proxy::Proxies;
use super::trust::Trust;
use super::url::Url;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue, Request, Response, header};
use ureq::{Agent, Body};

/// Most redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Longest headers of an answer, in bytes.
pub(super) const HEADERS_MAX: usize = 64 << 10;
/// Longest text that is read of an answer that is an error, in bytes.
const ERROR_MAX: u64 = 16 << 10;

/// A request without a body, or with a form in it.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// `GET` or `HEAD`; a form is `POST`ed.
    pub method: &'static str,
    /// Where to.
    pub url: Url,
    /// Headers beside those that every request has.
    pub headers: Vec<(HeaderName, String)>,
    /// `Authorization`, for the host of `url` only.
    pub authorization: Option<&'a str>,
    /// A form (`application/x-www-form-urlencoded`).
    pub form: Option<&'a str>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Where it is from, after redirects.
    pub url: Url,
    response: Response<Body>,
    timeout: Duration,
}

/// The connections that one registry leads to.
#[derive(Debug)]
pub struct Http {
    trust: Trust,
    proxies: Proxies,
    timeout: Duration,
    /// By scheme, host and port.
    agents: Mutex<BTreeMap<String, Agent>>,
}

impl Http {
    /// A client that waits at most `timeout` for each part of an answer. Connects to nothing yet.
    pub fn new(trust: Trust, proxies: Proxies, timeout: Duration) -> Self {
        Self {
            trust,
            proxies,
            timeout,
            agents: Mutex::default(),
        }
    }

    /// Sends a request and follows redirects: never from https to http, and credentials stay with their host.
    ///
    /// # Errors
    /// No answer, or a redirect that is refused. An answer with an error status is an answer.
    pub fn send(&self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        let mut call = call.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send_once(&call)?;
            let status = response.status().as_u16();
            let location = response.headers().get(header::LOCATION);
            let Some(location) = location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else {
                return Ok(Answer {
                    url: call.url,
                    response,
                    timeout: self.timeout,
                });
            };
            let refused = |why: &str| RegistryError::Protocol {
                host: call.url.authority().to_owned(),
                problem: format!(
                    "it redirects to `{}`, {why}",
                    words(&String::from_utf8_lossy(location.as_bytes()))
                ),
            };
            if call.form.is_some() {
                return Err(refused("where what is sent to it may not go"));
            }
            let next = location
                .to_str()
                .map_err(|_| "which is no URL")
                .and_then(|text| call.url.join(text));
            let next = next.map_err(refused)?;
            if call.url.is_https() && !next.is_https() {
                return Err(refused("which is not https any more"));
            }
            if !next.same_origin(&call.url) {
                call.authorization = None;
            }
            call.url = next;
        }
        Err(RegistryError::Protocol {
            host: call.url.authority().to_owned(),
            problem: format!("it redirects more than {REDIRECTS_MAX} times"),
        })
    }

    fn send_once(&self, call: &Call<'_>) -> Result<Response<Body>, RegistryError> {
        let agent = self.agent(&call.url)?;
        let mut request = Request::builder().method(call.method).uri(call.url.to_string());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = call.authorization {
            let value = HeaderValue::from_str(authorization).map(|mut value| {
                value.set_sensitive(true);
                value
            });
            let unusable =
                |_| RegistryError::Setting("credentials have characters that cannot be sent".to_owned());
            request = request.header(header::AUTHORIZATION, value.map_err(unusable)?);
        }
        let unusable = |error: ureq::http::Error| RegistryError::Protocol {
            host: call.url.authority().to_owned(),
            problem: format!("its URL cannot be used: {error}"),
        };
        let sent = match call.form {
            Some(form) => {
                let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
                agent.run(request.body(form).map_err(unusable)?)
            }
            None => agent.run(request.body(()).map_err(unusable)?),
        };
        sent.map_err(|error| failure(call.url.authority(), error, self.timeout))
    }

    fn agent(&self, url: &Url) -> Result<Agent, RegistryError> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&url.origin()) {
            return Ok(agent.clone());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("podunit/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(HEADERS_MAX)
            .proxy(self.proxies.for_url(url)?)
            .timeout_resolve(Some(self.timeout))
            .timeout_connect(Some(self.timeout))
            .timeout_send_request(Some(self.timeout))
            .timeout_send_body(Some(self.timeout))
            .timeout_recv_response(Some(self.timeout))
            .timeout_per_read(Some(self.timeout));
        if url.is_https() {
            config = config.tls_config(self.trust.config(url.authority())?);
        }
        let agent = config.build().new_agent();
        agents.insert(url.origin(), agent.clone());
        Ok(agent)
    }
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Host and port that it is from.
    pub fn host(&self) -> &str {
        self.url.authority()
    }

    /// A header, if it is there and plain text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// All lines of a header that are plain text.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let lines = self.response.headers().get_all(name).into_iter();
        lines.filter_map(|value| value.to_str().ok())
    }

    /// `Content-Length`, if it makes sense.
    pub fn length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// The body as it comes; each part must come in time. [`super::failure::failure_of_read`] says what its errors mean.
    pub fn body(self) -> impl Read {
        self.response.into_body().into_reader()
    }

    /// A body of at most `max` bytes, whole.
    ///
    /// # Errors
    /// More than that; an answer that is cut off.
    pub fn text(self, max: u64, what: &str) -> Result<Vec<u8>, RegistryError> {
        let (host, timeout) = (self.host().to_owned(), self.timeout);
        let too_long = |host| RegistryError::Protocol {
            host,
            problem: format!("{what} is longer than {max} bytes"),
        };
        if self.length().is_some_and(|length| length > max) {
            return Err(too_long(host));
        }
        let mut text = Vec::new();
        let length = paced(self.body().take(max + 1), &host, timeout)
            .read_to_end(&mut text)
            .map_err(|error| failure_of_read(&host, error, timeout))?;
        match length as u64 > max {
            true => Err(too_long(host)),
            false => Ok(text),
        }
    }

    /// What the registry says in an answer that is an error: the messages of its JSON, or a short text.
    pub fn words(self) -> String {
        let mut text = Vec::new();
        // What cannot be read says nothing.
        let _ = self.body().take(ERROR_MAX).read_to_end(&mut text);
        let json: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
        let first = json.as_ref().and_then(|json| json.get("errors")?.get(0));
        let of = |object: Option<&serde_json::Value>, key| Some(object?.get(key)?.as_str()?.to_owned());
        let message = of(first, "message").filter(|message| !message.is_empty());
        let other = || {
            of(first, "code")
                .or_else(|| of(json.as_ref(), "details"))
                .or_else(|| of(json.as_ref(), "message"))
        };
        words(&message.or_else(other).unwrap_or_default())
    }
}
