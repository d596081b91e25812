//! Debian's registry with a token server beside it, as the large registries have one: it believes what is signed.

use crate::certificates::Certificates;
use crate::debian::Wants;
use crate::real::{PLAIN, registry};
use crate::sample::{Sample, noise};
use crate::server::{Asked, Server};
use crate::{Machine, is_root, request};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use podunit::model::Request;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::SystemTime;

/// `user:password` in base64.
const LOGIN: &str = "Basic dXNlcjpwYXNzd29yZA==";

/// A token (RFC 7519) for this access, a list of JSON objects, that is good for so many seconds more.
fn token(certificates: &Certificates, access: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let certificate = CertificateDer::from_pem_file(certificates.path("token.crt")).unwrap();
    let header = format!(
        r#"{{"typ":"JWT","alg":"RS256","x5c":["{}"]}}"#,
        STANDARD.encode(&certificate)
    );
    let claims = format!(
        r#"{{"iss":"tests","sub":"","aud":"registry","exp":{},"nbf":{},"iat":{},"jti":"1","access":[{access}]}}"#,
        now + seconds,
        now - 7200,
        now - 7200
    );
    let mut token = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = PrivateKeyDer::from_pem_file(certificates.path("token.key")).unwrap();
    let signer = any_supported_type(&key).unwrap();
    let signer = signer
        .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
        .unwrap();
    let signature = signer.sign(token.as_bytes()).unwrap();
    write!(token, ".{}", URL_SAFE_NO_PAD.encode(signature)).unwrap();
    token
}

/// What is given of what is asked for: everything to the user, `app` to be read by anybody.
fn access(asked: &Asked) -> String {
    let is_user = asked.header("authorization") == Some(LOGIN);
    let (_, parameters) = asked.path.split_once('?').unwrap();
    let scopes = parameters
        .split('&')
        .filter_map(|parameter| parameter.strip_prefix("scope="));
    let mut given = Vec::new();
    for scope in scopes.map(|scope| scope.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/")) {
        let [kind, name, actions] = scope.splitn(3, ':').collect::<Vec<_>>()[..] else {
            panic!("{scope}");
        };
        let actions = match (is_user, name) {
            (true, _) => actions,
            (false, "app") => "pull",
            (false, _) => continue,
        };
        let actions = actions.replace(',', "\",\"");
        given.push(format!(
            r#"{{"type":"{kind}","name":"{name}","actions":["{actions}"]}}"#
        ));
    }
    given.join(",")
}

#[test]
fn signed_tokens() {
    if !is_root("token_server::signed_tokens") {
        return;
    }
    let certificates = Arc::new(Certificates::for_tokens());
    let lifetime = Arc::new(AtomicI64::new(300));
    let (signing, seconds) = (Arc::clone(&certificates), Arc::clone(&lifetime));
    let tokens = Server::new(move |asked, line| {
        let token = token(&signing, &access(asked), seconds.load(SeqCst));
        line.answer(200, &[], format!(r#"{{"token":"{token}"}}"#).as_bytes());
    });
    let (realm, certificate) = (
        format!("http://{}/token", tokens.host()),
        certificates.path("token.crt"),
    );
    let wants = Wants {
        tokens: Some((&realm, &certificate)),
        ..Wants::default()
    };
    let Some(registry) = registry("token_server::signed_tokens", &wants) else {
        return;
    };
    let sample = Sample::new(1000);
    for name in ["app", "team/secret"] {
        registry.fill(
            &sample,
            name,
            &[PLAIN, &["--dest-creds", "user:password"]].concat(),
        );
    }

    // Anybody may have this one; one token does for all of it.
    let machine = Machine::new();
    let name = format!("{}/app", registry.host);
    let before = tokens.count("/token");
    machine.pull(&request(&name)).unwrap();
    assert_eq!(machine.file(&name, "b"), noise("b", 1000));
    assert_eq!(tokens.count("/token"), before + 1);

    // A token, but not for what was asked for.
    let secret = format!("{}/team/secret", registry.host);
    let error = Machine::new().refused(&request(&secret));
    assert!(
        error.contains("refuses") && error.contains("it wants a login"),
        "{error}"
    );
    let login = format!(
        r#"{{"auths":{{"{}":{{"auth":"dXNlcjpwYXNzd29yZA=="}}}}}}"#,
        registry.host
    );
    let machine = Machine::new();
    let with_login = Request {
        auth_file: Some(machine.write("/auth.json", &login)),
        ..request(&secret)
    };
    machine.pull(&with_login).unwrap();

    // One that has expired is refused, and nobody asks for tokens for ever.
    lifetime.store(-3600, SeqCst);
    let before = tokens.count("/token");
    let error = Machine::new().refused(&request(&name));
    assert!(error.contains("refuses"), "{error}");
    assert_eq!(tokens.count("/token"), before + 1);
}
