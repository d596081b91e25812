//! One file of credentials, as `podman login` and `docker login` write it (containers-auth.json(5)).

use super::credentials::Credentials;
use crate::model::reference::DOCKER;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The file, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// Looks into one file. `ask` asks a program, by its name and the registry's.
pub(super) fn find(
    json: &[u8],
    repository: &str,
    ask: impl Fn(&str, &str) -> Result<Option<Credentials>, String>,
) -> Result<Option<Credentials>, String> {
    let file: AuthFile = serde_json::from_slice(json).map_err(|error| {
        // What serde_json says may quote a secret.
        format!(
            "it is no file of credentials (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    let host = repository.split('/').next().unwrap_or_default();
    if let Some(helper) = file.cred_helpers.get(host)
        && let Some(found) = ask(helper, host)?
    {
        return Ok(Some(found));
    }
    let mut place = repository;
    loop {
        if let Some(found) = file.auths.get(place).map(credentials).transpose()?.flatten() {
            return Ok(Some(found));
        }
        match place.rsplit_once('/') {
            Some((parent, _)) => place = parent,
            None => break,
        }
    }
    // Keys of old are URLs: https://index.docker.io/v1/
    let mut of_old = file
        .auths
        .iter()
        .filter(|(key, _)| host_of_url(key) == Some(host));
    if let Some((_, auth)) = of_old.next()
        && let Some(found) = credentials(auth)?
    {
        return Ok(Some(found));
    }
    match file.creds_store.as_str() {
        "" => Ok(None),
        store if host == DOCKER => ask(store, "https://index.docker.io/v1/"),
        store => ask(store, host),
    }
}

/// The registry that a key in the form of a URL means.
fn host_of_url(key: &str) -> Option<&str> {
    let rest = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))?;
    match rest.split('/').next()? {
        "index.docker.io" | "registry-1.docker.io" => Some(DOCKER),
        host => Some(host),
    }
}

/// What an entry holds; Docker leaves empty ones where a program keeps the credentials.
fn credentials(auth: &Auth) -> Result<Option<Credentials>, String> {
    if !auth.identitytoken.is_empty() {
        return Ok(Some(Credentials::IdentityToken(auth.identitytoken.clone())));
    }
    if !auth.username.is_empty() {
        return Ok(Some(Credentials::Password {
            user: auth.username.clone(),
            password: auth.password.clone(),
        }));
    }
    if auth.auth.is_empty() {
        return Ok(None);
    }
    let decoded = STANDARD
        .decode(auth.auth.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let (user, password) = pair.ok_or("an `auth` in it is not USER:PASSWORD in base64")?;
    Ok(Some(Credentials::Password {
        user: user.to_owned(),
        // Docker once ended it with zero bytes.
        password: password.trim_end_matches('\0').to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn password(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    fn in_file(json: &str, repository: &str) -> Result<Option<Credentials>, String> {
        find(json.as_bytes(), repository, |program, server| {
            Ok(Some(Credentials::IdentityToken(format!("{program} {server}"))))
        })
    }

    fn auth(text: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(text))
    }

    #[test]
    fn the_longest_key_counts() {
        let json = format!(
            r#"{{"auths":{{"quay.io":{},"quay.io/acme":{},"quay.io/acme/app":{}}}}}"#,
            auth("host:h"),
            auth("acme:a:b"),
            auth("app:")
        );
        for (repository, expected) in [
            ("quay.io/acme/app", password("app", "")),
            ("quay.io/acme/application", password("acme", "a:b")),
            ("quay.io/acme/app/x", password("app", "")),
            ("quay.io/x", password("host", "h")),
            ("quay.io:5000/x", None),
            ("xquay.io/acme", None),
        ] {
            assert_eq!(in_file(&json, repository), Ok(expected), "{repository}");
        }
    }

    #[test]
    fn forms_of_entries() {
        let of = |entry: &str| in_file(&format!(r#"{{"auths":{{"a":{entry}}},"x":1}}"#), "a/b");
        assert_eq!(of(r#"{"username":"u","password":"p"}"#), Ok(password("u", "p")));
        let token = Credentials::IdentityToken("t".to_owned());
        assert_eq!(of(r#"{"identitytoken":"t","auth":"eDp5"}"#), Ok(Some(token)));
        assert_eq!(of(&auth("u:p\0\0")), Ok(password("u", "p")));
        assert_eq!(of("{}"), Ok(None));
        assert!(of(r#"{"auth":"!"}"#).is_err() && of(&auth("nocolon")).is_err());
        let secret = in_file(r#"{"auths":{"a":"secret"}}"#, "a/b").unwrap_err();
        assert!(!secret.contains("secret"), "{secret}");
    }

    #[test]
    fn keys_of_old_and_programs() {
        let json = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{},"http://b:1/x":{}}}}}"#,
            auth("u:p"),
            auth("v:q")
        );
        assert_eq!(in_file(&json, "docker.io/library/nginx"), Ok(password("u", "p")));
        assert_eq!(in_file(&json, "b:1/y"), Ok(password("v", "q")));
        let asked = |text: &str| Ok(Some(Credentials::IdentityToken(text.to_owned())));
        let json = r#"{"auths":{"b":{}},"credHelpers":{"gcr.io":"gcloud"},"credsStore":"pass"}"#;
        assert_eq!(in_file(json, "gcr.io/x/y"), asked("gcloud gcr.io"));
        assert_eq!(in_file(json, "b/c"), asked("pass b"));
        assert_eq!(
            in_file(json, "docker.io/library/x"),
            asked("pass https://index.docker.io/v1/")
        );
    }

    proptest! {
        #[test]
        fn any_file_ends(json in r#"[{}\[\]":,a-z]{0,60}|\PC{0,40}"#, repository in "[a-z./:]{0,20}") {
            let _ = in_file(&json, &repository);
        }
    }
}
