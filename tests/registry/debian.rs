//! Debian's docker-registry on loopback, filled by skopeo.

use crate::sample::Sample;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What the registry wants of its users.
#[derive(Default)]
pub(crate) struct Wants<'a> {
    /// TLS with this certificate and key.
    pub(crate) tls: Option<(&'a Path, &'a Path)>,
    /// The user `user` with the password `password`.
    pub(crate) login: bool,
    /// Tokens of a server with this URL, signed with a key of this certificate.
    pub(crate) tokens: Option<(&'a str, &'a Path)>,
}

/// A running registry; it ends when dropped.
pub(crate) struct Registry {
    folder: TempDir,
    process: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
}

impl Registry {
    /// Starts one; `None` where it is not installed.
    pub(crate) fn new(wants: &Wants<'_>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let tls = wants.tls.map_or_else(String::new, |(certificate, key)| {
            format!(
                "  tls: {{certificate: {}, key: {}}}\n",
                certificate.display(),
                key.display()
            )
        });
        let auth = match (wants.login, wants.tokens) {
            (_, Some((realm, certificate))) => format!(
                "auth: {{token: {{realm: \"{realm}\", service: registry, issuer: tests, rootcertbundle: {}}}}}\n",
                certificate.display()
            ),
            (true, None) => {
                let users = succeed(Command::new("htpasswd").args(["-nbB", "user", "password"]));
                fs::write(path("users"), users).unwrap();
                format!(
                    "auth: {{htpasswd: {{realm: r, path: {}}}}}\n",
                    path("users").display()
                )
            }
            (false, None) => String::new(),
        };
        let settings = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n{auth}\
             http:\n  addr: 127.0.0.1:0\n{tls}",
            path("data").display()
        );
        fs::write(path("settings.yml"), settings).unwrap();
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(path("settings.yml"))
            .stdout(File::create(path("access")).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut log = BufReader::new(process.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        // It says which port it was given: listening on 127.0.0.1:43211
        let host = log.find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split([',', '"', ' ']).next()?.to_owned())
        });
        // It must not wait for a reader.
        std::thread::spawn(move || log.for_each(drop));
        Some(Self {
            folder,
            process,
            host: host.expect("docker-registry has ended"),
        })
    }

    /// Puts an image there, as `HOST/NAME`; `arguments` for skopeo copy.
    pub(crate) fn fill(&self, sample: &Sample, name: &str, arguments: &[&str]) {
        let layout = tempfile::tempdir().unwrap();
        sample.layout(layout.path());
        let mut skopeo = Command::new("skopeo");
        skopeo
            .args(["copy", "--quiet", "--preserve-digests"])
            .args(arguments);
        skopeo.arg(format!("oci:{}", layout.path().display()));
        succeed(skopeo.arg(format!("docker://{}/{name}", self.host)));
    }

    /// The log of requests that succeeded.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("access")).unwrap();
        log.lines()
            .filter(|line| line.contains("\" 200 ") || line.contains("\" 206 "))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program, which has to succeed. Returns what it prints.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
