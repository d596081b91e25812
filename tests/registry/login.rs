//! Who asks, and who may hear it: passwords, tokens, certificates, redirects, mirrors.

use crate::archives::Layer;
use crate::certificates::Certificates;
use crate::sample::Sample;
use crate::server::{Asked, Line, Server};
use crate::{Machine, is_root, request};
use podunit::model::settings::RegistrySettings;
use podunit::model::{PullPolicy, Request};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

/// `user:password` in base64.
const BASIC: &str = "Basic dXNlcjpwYXNzd29yZA==";

/// A file with that for a registry.
fn auth_file(machine: &Machine, host: &str) -> Request {
    let json = format!(r#"{{"auths":{{"{host}":{{"auth":"dXNlcjpwYXNzd29yZA=="}}}}}}"#);
    Request {
        auth_file: Some(machine.write("/auth.json", &json)),
        ..request(format!("{host}/app"))
    }
}

fn is_for(asked: &Asked, value: &str) -> bool {
    asked.header("authorization") == Some(value)
}

/// Answers as the sample does to whoever shows `value`, and with a challenge to others.
fn guarded(
    sample: &Sample,
    value: &'static str,
    challenge: &str,
) -> impl Fn(&Asked, &mut Line<'_>) + Send + Sync + 'static {
    let (sample, challenge) = (sample.clone(), challenge.to_owned());
    move |asked, line| match is_for(asked, value) {
        true => sample.answer(asked, line),
        false => line.answer(
            401,
            &[("WWW-Authenticate", &challenge)],
            br#"{"errors":[{"message":"who?"}]}"#,
        ),
    }
}

#[test]
fn passwords() {
    if !is_root("passwords") {
        return;
    }
    let sample = Sample::new(10);
    let server = Server::new(guarded(&sample, BASIC, "Basic realm=\"x\""));
    let machine = Machine::new();
    machine.pull(&auth_file(&machine, &server.host())).unwrap();
    // Asked for once, shown from then on.
    assert_eq!(
        server
            .asked()
            .iter()
            .filter(|asked| asked.header("authorization").is_none())
            .count(),
        1
    );

    let machine = Machine::new();
    let error = machine.refused(&request(format!("{}/app", server.host())));
    assert!(
        error.contains("it wants a login") && error.contains("(it says: who?)"),
        "{error}"
    );
    let asked = server.asked().len();
    let wrong = Server::new(guarded(&sample, "Basic other", "Basic realm=\"x\""));
    let error = machine.refused(&auth_file(&machine, &wrong.host()));
    assert!(
        error.contains("auth.json do not allow it") && !error.contains("password"),
        "{error}"
    );
    assert_eq!(wrong.asked().len(), 2);
    assert_eq!(server.asked().len(), asked);
    // A file that was named must be there.
    let missing = Request {
        auth_file: Some("/nowhere/auth.json".into()),
        ..request(format!("{}/app", server.host()))
    };
    assert!(machine.refused(&missing).contains("/nowhere/auth.json"));
}

#[test]
fn short_names() {
    if !is_root("short_names") {
        return;
    }
    let sample = Sample::new(10);
    let server = Server::new(move |asked, line| sample.answer(asked, line));
    let mut machine = Machine::new();
    machine.settings.short_names = server.host();
    machine.pull(&request("app")).unwrap();
    machine.file(&format!("{}/app", server.host()), "a");
    let error = |name: &str| machine.pull(&request(name)).unwrap_err().to_string();
    let short = error("other");
    assert!(
        short.contains("does not have") && short.contains("; `other` names no registry"),
        "{short}"
    );
    let whole = error(&format!("{}/other", server.host()));
    assert!(!whole.contains("names no registry"), "{whole}");
}

/// A registry that takes the tokens that its server gives: to anybody, or to those who show `login`.
fn with_tokens(sample: &Sample, login: Option<&'static str>, uses: usize) -> Server {
    let (sample, port) = (sample.clone(), Arc::<OnceLock<u16>>::default());
    let (given, used, known) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::clone(&port));
    let server = Server::new(move |asked, line| {
        if asked.path.starts_with("/token") {
            let has_login = login.is_none_or(|login| is_for(asked, login) || asked.body.contains(login));
            if !has_login {
                return line.answer(401, &[], br#"{"details":"wrong password"}"#);
            }
            let token = format!("t{}", given.fetch_add(1, SeqCst) + 1);
            used.store(0, SeqCst);
            return line.answer(
                200,
                &[],
                format!(r#"{{"token":"{token}","expires_in":60}}"#).as_bytes(),
            );
        }
        let token = format!("Bearer t{}", given.load(SeqCst));
        if is_for(asked, &token) && used.fetch_add(1, SeqCst) < uses {
            return sample.answer(asked, line);
        }
        let realm = format!("http://127.0.0.1:{}/token", known.get().unwrap());
        let challenge =
            format!("Bearer realm=\"{realm}\",service=\"the service\",scope=\"registry:catalog:*\"");
        line.answer(401, &[("WWW-Authenticate", &challenge)], b"");
    });
    port.set(server.port()).unwrap();
    server
}

#[test]
fn tokens() {
    if !is_root("tokens") {
        return;
    }
    let sample = Sample::new(10);
    let server = with_tokens(&sample, None, 1000);
    Machine::new()
        .pull(&request(format!("{}/app", server.host())))
        .unwrap();
    let asked = server.asked();
    let token: Vec<&Asked> = asked
        .iter()
        .filter(|asked| asked.path.starts_with("/token"))
        .collect();
    assert_eq!(token.len(), 1);
    // What we want, not what the registry says that we want.
    assert_eq!(
        token[0].path,
        "/token?service=the%20service&scope=repository%3Aapp%3Apull"
    );

    // One that ends in the middle, again and again.
    let one_layer = Layer::new().file("a", b"a").finish();
    let server = with_tokens(&Sample::of(&[one_layer]), None, 1);
    Machine::new()
        .pull(&request(format!("{}/app", server.host())))
        .unwrap();
    assert_eq!(server.count("/token"), 3);

    let server = with_tokens(&sample, Some(BASIC), 1000);
    let machine = Machine::new();
    let error = machine.refused(&request(format!("{}/app", server.host())));
    assert!(
        error.contains("it wants a login") && error.contains("wrong password"),
        "{error}"
    );
    machine.pull(&auth_file(&machine, &server.host())).unwrap();

    // An identity token is sent in a form.
    let server = with_tokens(&sample, Some("refresh_token=a%2Bb"), 1000);
    let machine = Machine::new();
    let json = format!(r#"{{"auths":{{"{}":{{"identitytoken":"a+b"}}}}}}"#, server.host());
    let with_token = Request {
        auth_file: Some(machine.write("/auth.json", &json)),
        ..request(format!("{}/app", server.host()))
    };
    machine.pull(&with_token).unwrap();
    assert!(server.asked().iter().all(|asked| {
        asked
            .header("authorization")
            .is_none_or(|value| value.starts_with("Bearer "))
    }));
}

#[test]
fn no_token_will_do() {
    if !is_root("no_token_will_do") {
        return;
    }
    let sample = Sample::new(10);
    let server = with_tokens(&sample, None, 0);
    let error = Machine::new().refused(&request(format!("{}/app", server.host())));
    assert!(error.contains("refuses the tag latest of app"), "{error}");
    assert_eq!((server.count("/token"), server.count("/v2/")), (1, 2));

    for (body, expected) in [
        (r#"{}"#, "gives none"),
        (r#"{"token":"a\r\nX: y"}"#, "gives none"),
        ("nonsense", "gives none"),
        (
            &*format!(r#"{{"token":"{}"}}"#, "x".repeat(100_000)),
            "longer than",
        ),
    ] {
        let body = body.to_owned();
        let server = Server::new(move |asked, line| match asked.path.starts_with("/token") {
            true => line.answer(200, &[], body.as_bytes()),
            false => {
                let host = asked.header("host").unwrap();
                let challenge = format!("Bearer realm=\"http://{host}/token\"");
                line.answer(401, &[("WWW-Authenticate", &challenge)], b"");
            }
        });
        let error = Machine::new().refused(&request(format!("{}/app", server.host())));
        assert!(error.contains(expected), "{error}");
    }
    for (challenge, expected) in [
        ("Negotiate", "in no way that podunit knows"),
        ("Bearer realm=\"gopher://x\"", "neither http nor https"),
        ("Bearer realm=\"http://u:p@x/\"", "holds a user or a password"),
    ] {
        let server = Server::new(move |_, line| line.answer(401, &[("WWW-Authenticate", challenge)], b""));
        let error = Machine::new().refused(&request(format!("{}/app", server.host())));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn passwords_go_to_no_other_host() {
    if !is_root("passwords_go_to_no_other_host") {
        return;
    }
    let sample = Sample::new(10);
    // Blobs are kept elsewhere: that place gets the request, and no credentials.
    let elsewhere = Server::new({
        let sample = sample.clone();
        move |asked, line| sample.answer(asked, line)
    });
    let server = Server::new({
        let (guarded, port) = (guarded(&sample, BASIC, "Basic"), elsewhere.port());
        move |asked, line| match asked.path.contains("/blobs/") && is_for(asked, BASIC) {
            true => {
                let location = format!("http://localhost:{port}{}", asked.path);
                line.answer(307, &[("Location", &location)], b"");
            }
            false => guarded(asked, line),
        }
    });
    let machine = Machine::new();
    machine.pull(&auth_file(&machine, &server.host())).unwrap();
    assert_eq!(elsewhere.count("/blobs/"), 3);
    assert!(
        elsewhere
            .asked()
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );

    // A place that is redirected to cannot ask for them either, with whatever challenge.
    let thief = Server::new(|asked, line| {
        let realm = format!("http://{}/token", asked.header("host").unwrap());
        let challenge = format!("Basic, Bearer realm=\"{realm}\"");
        line.answer(401, &[("WWW-Authenticate", &challenge)], b"");
    });
    let server = Server::new({
        let port = thief.port();
        move |asked, line| {
            let location = format!("http://localhost:{port}{}", asked.path);
            line.answer(307, &[("Location", &location)], b"");
        }
    });
    let machine = Machine::new();
    machine.refused(&auth_file(&machine, &server.host()));
    assert!(
        thief
            .asked()
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );

    // Nor can a token server on another host, without encryption.
    let challenge = format!("Bearer realm=\"http://localhost:{}/token\"", thief.port());
    let server = Server::new(guarded(&sample, "nothing", &challenge));
    let before = thief.asked().len();
    let error = machine.refused(&auth_file(&machine, &server.host()));
    assert!(
        error.contains("wants a password sent to http://localhost"),
        "{error}"
    );
    assert_eq!(thief.asked().len(), before);
}

#[test]
fn certificates() {
    if !is_root("certificates") {
        return;
    }
    let (made, sample) = (Certificates::new(), Sample::new(10));
    let server = |with_client| {
        let sample = sample.clone();
        Server::with_tls(made.server(with_client), move |asked, line| {
            sample.answer(asked, line)
        })
    };
    let plain = server(false);
    let wanted = request(format!("{}/app", plain.host()));
    let error = Machine::new().refused(&wanted);
    assert!(
        error.contains("not signed by a CA that this machine trusts"),
        "{error}"
    );
    assert!(
        error.contains(&format!("/etc/containers/certs.d/{}/ca.crt", plain.host())),
        "{error}"
    );
    assert!(plain.asked().is_empty());

    // The CA for this registry, in each of the places, or the system's.
    for place in [
        format!("/etc/podunit/certs.d/{}/any.crt", plain.host()),
        format!("/etc/containers/certs.d/{}/ca.crt", plain.host()),
        format!("/etc/docker/certs.d/{}/ca.crt", plain.host()),
        "/etc/ssl/certs/ca-certificates.crt".to_owned(),
    ] {
        let machine = Machine::new();
        machine.write(&place, &made.read("ca.crt"));
        machine
            .pull(&wanted)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
    }
    let machine = Machine::new();
    let folder = machine.write("/certificates/ca.crt", &made.read("ca.crt"));
    let in_folder = Request {
        cert_dir: Some(folder.parent().unwrap().to_owned()),
        ..wanted.clone()
    };
    machine.pull(&in_folder).unwrap();
    // Another registry's is not taken.
    let machine = Machine::new();
    machine.write("/etc/containers/certs.d/localhost/ca.crt", &made.read("ca.crt"));
    machine.refused(&wanted);
    machine
        .pull(&Request {
            tls_verify: Some(false),
            ..wanted.clone()
        })
        .unwrap();

    // A server that wants to see one.
    let mutual = server(true);
    let machine = Machine::new();
    let folder = format!("/etc/containers/certs.d/{}", mutual.host());
    machine.write(&format!("{folder}/ca.crt"), &made.read("ca.crt"));
    let wanted = request(format!("{}/app", mutual.host()));
    machine.refused(&wanted);
    machine.write(&format!("{folder}/c.cert"), &made.read("client.crt"));
    let error = machine.refused(&wanted);
    assert!(error.contains("c.key: cannot be read"), "{error}");
    machine.write(&format!("{folder}/c.key"), &made.read("server.key"));
    let error = machine.refused(&wanted);
    assert!(
        error.contains("c.cert: it cannot be used with the key beside it"),
        "{error}"
    );
    machine.write(&format!("{folder}/c.key"), &made.read("client.key"));
    machine.pull(&wanted).unwrap();
    let machine = Machine::new();
    machine.write(&format!("{folder}/other.crt"), "no certificate");
    let error = machine.refused(&wanted);
    assert!(
        error.contains("other.crt: there is no certificate in it"),
        "{error}"
    );
}

#[test]
fn encryption_is_not_given_up() {
    if !is_root("encryption_is_not_given_up") {
        return;
    }
    let (made, sample) = (Certificates::new(), Sample::new(10));
    // On this machine plain HTTP will do, unless it is said that it will not.
    let plain = Server::new({
        let sample = sample.clone();
        move |asked, line| sample.answer(asked, line)
    });
    let wanted = request(format!("{}/app", plain.host()));
    let verified = Request {
        tls_verify: Some(true),
        ..wanted.clone()
    };
    let error = Machine::new().refused(&verified);
    assert!(error.contains("it does not speak TLS"), "{error}");
    Machine::new().pull(&wanted).unwrap();

    // A redirect from https to http, and a token server that is not https.
    for (status, header) in [(307, "Location"), (401, "WWW-Authenticate")] {
        let port = plain.port();
        let server = Server::with_tls(made.server(false), move |asked, line| {
            let url = format!("http://127.0.0.1:{port}{}", asked.path);
            let value = if status == 307 {
                url
            } else {
                format!("Bearer realm=\"{url}\"")
            };
            line.answer(status, &[(header, &value)], b"");
        });
        let machine = Machine::new();
        machine.write("/etc/ssl/certs/ca-certificates.crt", &made.read("ca.crt"));
        let before = plain.asked().len();
        let error = machine.refused(&auth_file(&machine, &server.host()));
        assert!(error.contains("not https"), "{error}");
        assert_eq!(plain.asked().len(), before);
    }
}

#[test]
fn mirrors() {
    if !is_root("mirrors") {
        return;
    }
    let (sample, mut machine) = (Sample::new(10), Machine::new());
    let good = Server::new({
        let mut sample = sample.clone();
        let parts = std::mem::take(&mut sample.parts).into_iter();
        sample.parts = parts
            .map(|(path, part)| (format!("hub/library/{path}"), part))
            .collect();
        move |asked, line| sample.answer(asked, line)
    });
    // Has all but the layers.
    let half = Server::new({
        let mut sample = sample.clone();
        let layers = [0, 1].map(|layer| sample.layer_path(layer));
        let parts = std::mem::take(&mut sample.parts).into_iter();
        let parts = parts.filter(|(path, _)| !layers.contains(&format!("/v2/{path}")));
        sample.parts = parts
            .map(|(path, part)| (format!("library/{path}"), part))
            .collect();
        move |asked, line| sample.answer(asked, line)
    });
    let dead = Server::new(|_, _| {}).host();
    let settings = RegistrySettings {
        mirrors: vec![dead.clone(), half.host(), format!("{}/hub", good.host())],
        location: Some(dead.clone()),
        insecure: false,
    };
    machine
        .settings
        .registries
        .insert("docker.io".to_owned(), settings.clone());
    let pulled = machine.pull(&request("app")).unwrap();
    assert_eq!(pulled.reference, "docker.io/library/app:latest");
    assert_eq!(half.count("/manifests/"), 1);
    assert_eq!(good.asked().len(), good.count("/v2/hub/library/app/blobs/"));
    assert_eq!(good.asked().len(), 2);

    let mut machine = Machine::new();
    let settings = RegistrySettings {
        mirrors: vec![dead.clone()],
        ..settings
    };
    machine
        .settings
        .registries
        .insert("docker.io".to_owned(), settings);
    let error = machine.refused(&request("app"));
    assert_eq!(error.matches(&dead).count(), 2, "{error}");
}

#[test]
fn policies() {
    if !is_root("policies") {
        return;
    }
    let (old, new) = (Sample::new(10), Sample::new(11));
    let turn = Arc::<AtomicUsize>::default();
    let server = Server::new({
        let turn = Arc::clone(&turn);
        move |asked, line| match turn.load(SeqCst) {
            0 => old.answer(asked, line),
            1 => new.answer(asked, line),
            2 => line.answer(500, &[], b""),
            _ if asked.method == "HEAD" => line.answer(405, &[], b""),
            _ => new.answer(asked, line),
        }
    });
    let machine = Machine::new();
    let wanted = |policy| Request {
        policy,
        ..request(format!("{}/app", server.host()))
    };
    let error = machine.refused(&wanted(PullPolicy::Never));
    assert!(
        error.contains("podunit image pull") && server.asked().is_empty(),
        "{error}"
    );
    let first = machine.pull(&wanted(PullPolicy::Missing)).unwrap();
    let before = server.asked().len();
    for policy in [PullPolicy::Missing, PullPolicy::Never] {
        assert_eq!(machine.pull(&wanted(policy)).unwrap().digest, first.digest);
    }
    assert_eq!(server.asked().len(), before);
    for policy in [PullPolicy::Always, PullPolicy::Newer] {
        assert!(!machine.pull(&wanted(policy)).unwrap().is_new);
    }
    // Only asked, not fetched.
    assert_eq!(server.asked().len(), before + 2);
    assert!(
        server.asked()[before..]
            .iter()
            .all(|asked| asked.method == "HEAD")
    );
    turn.store(1, SeqCst);
    let second = machine.pull(&wanted(PullPolicy::Newer)).unwrap();
    assert!(second.is_new && second.digest != first.digest);
    // One that does not know HEAD is asked for the whole.
    turn.store(3, SeqCst);
    let before = server.asked().len();
    assert!(!machine.pull(&wanted(PullPolicy::Newer)).unwrap().is_new);
    let methods: Vec<String> = server.asked()[before..]
        .iter()
        .map(|asked| asked.method.clone())
        .collect();
    assert_eq!(methods, ["HEAD", "GET"]);
    // A registry that is ill does not take away what is there.
    turn.store(2, SeqCst);
    for policy in [PullPolicy::Always, PullPolicy::Newer] {
        let stale = machine.pull(&wanted(policy)).unwrap();
        assert_eq!(stale.digest, second.digest);
        assert!(stale.stale.unwrap().to_string().contains("status 500"));
    }
    // By its digest an image is what it is.
    turn.store(1, SeqCst);
    let before = server.asked().len();
    let by_digest = Request {
        policy: PullPolicy::Always,
        ..request(format!("{}/app@{}", server.host(), second.digest))
    };
    assert!(!machine.pull(&by_digest).unwrap().is_new);
    assert_eq!(server.asked().len(), before);
    let gone = request(format!("{}/app@{}", server.host(), first.digest));
    assert!(
        machine
            .pull(&gone)
            .unwrap_err()
            .to_string()
            .contains("does not have the manifest sha256:")
    );
}

#[test]
fn proxies() {
    if !is_root("proxies") {
        return;
    }
    let sample = Sample::new(10);
    let proxy = Server::new(move |asked, line| sample.answer(asked, line));
    let url = format!("http://user:secret@{}", proxy.host());
    let pull = |without: &str| {
        let machine = Machine::new();
        let mut pull = machine.podunit(&[
            "pull",
            "registry.invalid:5000/app",
            "--tls-verify=false",
            "--retry=0",
        ]);
        pull.env("HTTPS_PROXY", &url)
            .env("http_proxy", &url)
            .env("NO_PROXY", without);
        pull.output().unwrap()
    };
    let output = pull("other.invalid");
    assert!(output.status.success(), "{output:?}");
    let asked = proxy.asked();
    let connects: Vec<&Asked> = asked.iter().filter(|asked| asked.method == "CONNECT").collect();
    assert!(
        connects.iter().all(|asked| asked.path == "registry.invalid:5000"),
        "{connects:?}"
    );
    assert!(
        connects
            .iter()
            .all(|asked| asked.header("proxy-authorization") == Some("Basic dXNlcjpzZWNyZXQ="))
    );
    // What is behind the proxy does not hear who asks the proxy.
    let behind: Vec<&Asked> = asked.iter().filter(|asked| asked.method != "CONNECT").collect();
    assert!(
        behind.len() >= 4
            && behind
                .iter()
                .all(|asked| asked.header("proxy-authorization").is_none())
    );
    let before = proxy.asked().len();
    let output = pull("x,.invalid");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("lookup address"),
        "{output:?}"
    );
    assert_eq!(proxy.asked().len(), before);
}
