//! Pulls from a real registry: platforms, digests, logins, many processes at once, and death at any point.

use crate::certificates::Certificates;
use crate::debian::{Registry, Wants, succeed};
use crate::sample::{INDEX, Sample, descriptor, noise};
use crate::{Machine, is_root, request, skip};
use podunit::model::{Platform, Request};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

pub(crate) const PLAIN: &[&str] = &["--dest-tls-verify=false"];

/// The registry, where it can run. A test that cannot go on says so.
pub(crate) fn registry(test: &str, wants: &Wants<'_>) -> Option<Registry> {
    if !is_root(test) {
        return None;
    }
    let registry = Registry::new(wants);
    if registry.is_none() {
        skip::skipped(test, "docker-registry is not installed");
    }
    registry
}

impl Machine {
    /// `podunit image ARGUMENTS` on this machine's `/var/lib` and `/run`.
    pub(crate) fn podunit(&self, arguments: &[&str]) -> Command {
        let script = "mount --bind \"$1\" /var/lib && mount --bind \"$2\" /run && shift 2 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", script, "sh"]);
        for folder in ["/var/lib", "/run"] {
            let folder = self.paths().under(folder);
            fs::create_dir_all(&folder).unwrap();
            command.arg(folder);
        }
        command
            .args([env!("CARGO_BIN_EXE_podunit"), "image"])
            .args(arguments);
        command
    }
}

#[test]
fn platforms_and_digests() {
    let Some(registry) = registry("real::platforms_and_digests", &Wants::default()) else {
        return;
    };
    let mut sample = Sample::new(1000);
    let own = sample.manifest.clone();
    let platform = |json: &str, architecture: &str| {
        let platform = format!(r#","platform":{{"os":"linux","architecture":"{architecture}"}}}}"#);
        descriptor("manifest.v1+json", json.as_bytes()).replace('}', &platform)
    };
    // The same layers under another configuration.
    let host = Platform::host();
    let foreign = sample.config.replace(host.architecture(), "s390x");
    let manifest = own.replace(
        &descriptor("config.v1+json", sample.config.as_bytes()),
        &descriptor("config.v1+json", foreign.as_bytes()),
    );
    sample.blob(foreign.into_bytes());
    let other = sample.tag(crate::sample::MANIFEST, manifest.clone());
    let entries = [platform(&manifest, "s390x"), platform(&own, host.architecture())].join(",");
    let index = sample.tag(
        INDEX,
        format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entries}]}}"#),
    );
    registry.fill(&sample, "team/app:1.0", &[PLAIN, &["--all"]].concat());

    let machine = Machine::new();
    let name = format!("{}/team/app", registry.host);
    let pulled = machine.pull(&request(format!("{name}:1.0"))).unwrap();
    let own = format!("sha256:{}", crate::archives::sha256(own.as_bytes()));
    assert_eq!(pulled.digest, own);
    assert_eq!(machine.file(&format!("{name}:1.0"), "a"), noise("a", 1000));
    // Pinned by the index or the manifest: nothing is asked for any more.
    let before = registry.requests().len();
    for digest in [&index, &own] {
        assert_eq!(
            machine.pull(&request(format!("{name}@{digest}"))).unwrap().digest,
            own
        );
    }
    assert_eq!(registry.requests().len(), before);
    for digest in [&index, &own, &other] {
        Machine::new().pull(&request(format!("{name}@{digest}"))).unwrap();
    }
    let for_platform = |architecture| Request {
        platform: Some(Platform::new("linux", architecture, None).unwrap()),
        ..request(format!("{name}:1.0"))
    };
    assert_eq!(machine.pull(&for_platform("s390x")).unwrap().digest, other);
    assert_eq!(machine.pull(&request(format!("{name}:1.0"))).unwrap().digest, own);
    let error = machine.pull(&for_platform("riscv64")).unwrap_err().to_string();
    let offered = format!(
        "no image for linux/riscv64, only for linux/s390x, linux/{}",
        host.architecture()
    );
    assert!(error.contains(&offered), "{error}");
    let error = machine
        .pull(&request(format!("{name}:2.0")))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("does not have the tag 2.0 of team/app (it says: manifest unknown)"),
        "{error}"
    );
}

#[test]
fn encrypted_and_with_a_login() {
    if !is_root("real::encrypted_and_with_a_login") {
        return;
    }
    let made = Certificates::new();
    let (certificate, key) = (made.path("server.crt"), made.path("server.key"));
    let wants = Wants {
        tls: Some((&certificate, &key)),
        login: true,
        tokens: None,
    };
    let Some(registry) = registry("real::encrypted_and_with_a_login", &wants) else {
        return;
    };
    let trusted = registry.path("certificates");
    fs::create_dir(&trusted).unwrap();
    fs::copy(made.path("ca.crt"), trusted.join("ca.crt")).unwrap();
    let trusted = trusted.to_str().unwrap();
    let sample = Sample::new(1000);
    registry.fill(
        &sample,
        "app",
        &["--dest-cert-dir", trusted, "--dest-creds", "user:password"],
    );

    let (machine, name) = (Machine::new(), format!("{}/app", registry.host));
    let error = machine.refused(&request(&name));
    assert!(error.contains("not signed by a CA"), "{error}");
    machine.write(
        &format!("/etc/containers/certs.d/{}/ca.crt", registry.host),
        &made.read("ca.crt"),
    );
    let error = machine.refused(&request(&name));
    assert!(
        error.contains("it wants a login") && error.contains("authentication required"),
        "{error}"
    );
    // As a user logs in.
    let file = machine.paths().under("/run/containers/0/auth.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut login = Command::new("skopeo");
    login.args([
        "login",
        "--cert-dir",
        trusted,
        "-u",
        "user",
        "-p",
        "password",
        "--authfile",
    ]);
    succeed(login.arg(&file).arg(&registry.host));
    machine.pull(&request(&name)).unwrap();
    assert_eq!(machine.file(&name, "b"), noise("b", 1000));
}

#[test]
fn many_at_once() {
    let Some(registry) = registry("real::many_at_once", &Wants::default()) else {
        return;
    };
    let sample = Sample::new(3_000_000);
    registry.fill(&sample, "app", PLAIN);
    let (machine, name) = (Machine::new(), format!("{}/app", registry.host));
    let pull = || {
        let mut pull = machine.podunit(&["pull", &name]);
        pull.stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let pulling: Vec<_> = (0..8).map(|_| pull()).collect();
    for process in pulling {
        let output = process.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let requests = registry.requests();
    let blobs = sample.parts.keys().filter(|path| path.contains("/blobs/"));
    for path in blobs {
        let wanted = format!("\"GET /v2/{path} ");
        let count = requests.iter().filter(|line| line.contains(&wanted)).count();
        assert_eq!(count, 1, "{path}");
    }
    succeed(&mut machine.podunit(&["verify"]));
    assert!(machine.partial().is_empty());
}

#[test]
fn killed_at_any_point() {
    let Some(registry) = registry("real::killed_at_any_point", &Wants::default()) else {
        return;
    };
    let layers: Vec<Vec<u8>> = (0..6)
        .map(|at| {
            let files = (0..20).map(|file| format!("d{at}/f{file}"));
            let add = |tar: crate::archives::Layer, name: String| tar.file(&name, &noise(&name, 8_000));
            files.fold(crate::archives::Layer::new(), add).finish()
        })
        .collect();
    registry.fill(&Sample::of(&layers), "app", PLAIN);
    let name = format!("{}/app", registry.host);
    let whole = Machine::new();
    let began = Instant::now();
    succeed(&mut whole.podunit(&["pull", &name]));
    let duration = began.elapsed();

    let mut machine = Machine::new();
    let mut points = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut ended = 0;
    for _ in 0..50 {
        let part = points.next_u32() % 1000;
        let mut pull = machine.podunit(&["pull", &name]);
        let mut pull = pull.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Not to wait for anything: the point at which it is killed.
        std::thread::sleep(duration * part / 1000);
        pull.kill().unwrap();
        pull.wait().unwrap();
        // What looks whole is whole.
        succeed(&mut machine.podunit(&["verify"]));
        let listed = succeed(&mut machine.podunit(&["ls"]));
        if listed.contains("/app:latest") {
            ended += 1;
            machine = Machine::new();
        }
    }
    assert!(ended < 50, "no pull was killed");
    succeed(&mut machine.podunit(&["pull", &name]));
    succeed(&mut machine.podunit(&["verify"]));
    for at in 0..6 {
        let path = format!("d{at}/f19");
        assert_eq!(machine.file(&name, &path), noise(&path, 8_000));
    }
    assert!(machine.partial().is_empty());
    let rubbish = machine.paths().image_store().join("tmp");
    assert_eq!(fs::read_dir(rubbish).unwrap().count(), 0);
    // Nothing but what the image needs, wherever the killed ones were.
    let names = |machine: &Machine, folder: &str| {
        let entries = fs::read_dir(machine.paths().image_store().join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for folder in ["layers", "blobs/sha256", "refs", "kept"] {
        assert_eq!(names(&machine, folder), names(&whole, folder), "{folder}");
    }
}
