//! Tokens for a registry, from the server that it names (the distribution specification's token authentication).

use super::credentials::{Credentials, Found};
use super::error::RegistryError;
use super::http::{Answer, Call, Http};
use super::url::{Url, encode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::header;

/// Longest answer of a token server, and longest token, in bytes.
const TOKEN_MAX: u64 = 64 << 10;

/// What a token server answers. Both names are in use.
#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// Who wants a token for what.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where the registry is, which named the server.
    pub registry: &'a Url,
    /// URL of the server.
    pub realm: &'a str,
    /// The registry's name there.
    pub service: Option<&'a str>,
    /// The repository that is to be read.
    pub repository: &'a str,
    /// Who asks, if that is known.
    pub credentials: Option<&'a Found>,
}

/// The value of `Authorization` for a user and a password (RFC 7617).
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Gets a token: the value of `Authorization`.
///
/// # Errors
/// A server that may not be asked, or gives none.
pub fn get(http: &Http, wanted: Wanted<'_>) -> Result<String, RegistryError> {
    let protocol = |problem: String| RegistryError::Protocol {
        host: wanted.registry.authority().to_owned(),
        problem,
    };
    let realm = Url::parse(wanted.realm)
        .map_err(|why| protocol(format!("the URL of its token server cannot be used, {why}")))?;
    if !realm.is_https() {
        // Over https nobody in between could have named it; over http anybody could read it.
        if wanted.registry.is_https() {
            return Err(protocol(format!(
                "its token server {} is not https",
                realm.origin()
            )));
        }
        if wanted.credentials.is_some() && realm.host() != wanted.registry.host() {
            let problem = format!(
                "it wants a password sent to {} without encryption",
                realm.origin()
            );
            return Err(protocol(problem));
        }
    }
    let scope = format!("repository:{}:pull", wanted.repository);
    let answer = match wanted.credentials.map(|found| &found.credentials) {
        Some(Credentials::IdentityToken(token)) => {
            let form = format!(
                "grant_type=refresh_token&client_id=podunit&service={}&scope={}&refresh_token={}",
                encode(wanted.service.unwrap_or_default()),
                encode(&scope),
                encode(token)
            );
            http.send(&Call {
                method: "POST",
                url: realm,
                headers: Vec::new(),
                authorization: None,
                form: Some(&form),
            })?
        }
        credentials => {
            let mut url = realm;
            if let Some(service) = wanted.service {
                url = url.with_parameter("service", service);
            }
            let authorization = match credentials {
                Some(Credentials::Password { user, password }) => Some(basic(user, password)),
                _ => None,
            };
            http.send(&Call {
                method: "GET",
                url: url.with_parameter("scope", &scope),
                headers: vec![(header::ACCEPT, "application/json".to_owned())],
                authorization: authorization.as_deref(),
                form: None,
            })?
        }
    };
    read(answer, wanted)
}

fn read(answer: Answer, wanted: Wanted<'_>) -> Result<String, RegistryError> {
    let host = answer.host().to_owned();
    let what = format!("a token for {}", wanted.repository);
    match answer.status() {
        200 => {}
        400 | 401 | 403 => {
            let advice = match wanted.credentials {
                Some(found) => format!("the credentials in {} are not accepted", found.file.display()),
                None => "it wants a login".to_owned(),
            };
            let words = answer.words();
            return Err(RegistryError::Denied {
                host,
                what,
                words,
                advice,
            });
        }
        status => return Err(super::session::unexpected(answer, status, what)),
    }
    let text = answer.text(TOKEN_MAX, "its answer to a request for a token")?;
    let given: Option<Given> = serde_json::from_slice(&text).ok();
    let token = given.and_then(|given| {
        given
            .token
            .filter(|token| !token.is_empty())
            .or(given.access_token)
    });
    let is_token = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    match token.filter(is_token) {
        Some(token) => Ok(format!("Bearer {token}")),
        None => Err(RegistryError::Protocol {
            host,
            problem: "it is asked for a token and gives none".to_owned(),
        }),
    }
}
