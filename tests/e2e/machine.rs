//! A machine for one test.

use crate::skip;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for. A limit against hanging, not a measure of speed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A booted machine; gone when dropped.
pub(crate) struct Machine {
    name: String,
    script: PathBuf,
}

/// What a command in the machine left.
pub(crate) struct Ran {
    command: String,
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "# {command}\nstatus {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

impl Ran {
    /// Standard output and error together.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The command must have ended with `status`.
    #[track_caller]
    pub(crate) fn exits(self, status: i32) -> Self {
        assert!(self.status == status, "expected status {status}\n{self}");
        self
    }

    /// The output must hold each of `texts`.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.all().contains(text),
                "expected {text:?} in the output of\n{self}"
            );
        }
        self
    }
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the staged podunit and the images are. `None`, and a line that says so, where there are none.
pub(crate) fn requirements() -> Option<(PathBuf, PathBuf)> {
    let from = |name| std::env::var_os(name).map(PathBuf::from);
    let found = from("PODUNIT_STAGE").zip(from("PODUNIT_IMAGES"));
    let why = match found {
        Some(_) if nix::unistd::geteuid().is_root() => return found,
        Some(_) => "needs root",
        None => "needs a staged podunit; `make check` runs it",
    };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    skip::skipped(&test, why);
    None
}

/// The machines' Debian.
pub(crate) fn suite() -> String {
    std::env::var("PODUNIT_SUITE").unwrap_or_else(|_| "trixie".to_owned())
}

impl Machine {
    /// Boots a machine that holds podunit and the test images as archives in `/root/images`. `None`, and a line
    /// that says so, where that cannot be.
    pub(crate) fn bare() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (stage, images) = requirements()?;
        let name = format!(
            "e2e-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let machine = Self {
            name,
            script: repository().join("tests/machine/machine"),
        };
        let watch = std::process::id().to_string();
        let stage = stage.to_str().expect("a path in UTF-8");
        machine.script(&[
            "boot",
            &machine.name,
            "--suite",
            &suite(),
            "--install",
            stage,
            "--watch",
            &watch,
        ]);
        machine.script(&[
            "push",
            &machine.name,
            images.to_str().expect("a path in UTF-8"),
            "/root/images",
        ]);
        Some(machine)
    }

    /// A machine whose store holds the nginx and busybox images.
    pub(crate) fn with_images() -> Option<Self> {
        let machine = Self::bare()?;
        machine
            .ok("podunit image load /root/images/nginx.tar && podunit image load /root/images/busybox.tar");
        Some(machine)
    }

    /// A machine whose store is empty, with a registry at localhost:5000 that has the nginx and busybox images under
    /// `library/`. It is `registry.service`, and starts at boot too.
    pub(crate) fn with_registry() -> Option<Self> {
        let machine = Self::bare()?;
        machine.write(
            "/root/registry.yml",
            "version: 0.1\nstorage: {filesystem: {rootdirectory: /root/registry}, delete: {enabled: true}}\n\
             http: {addr: localhost:5000}\n",
        );
        machine.write(
            "/etc/systemd/system/registry.service",
            "[Service]\nExecStart=docker-registry serve /root/registry.yml\n[Install]\nWantedBy=multi-user.target\n",
        );
        machine.ok("systemctl daemon-reload && systemctl enable --now -q registry");
        machine.until("curl -sS --max-time 5 localhost:5000/v2/", |ran| ran.status == 0);
        machine.push("nginx", "nginx");
        machine.push("busybox", "busybox");
        Some(machine)
    }

    /// Pushes one of the test images to the registry, as `library/NAME`.
    #[track_caller]
    pub(crate) fn push(&self, image: &str, name: &str) {
        self.ok(&format!(
            "skopeo copy -q --insecure-policy --dest-tls-verify=false oci-archive:/root/images/{image}.tar \
             docker://localhost:5000/library/{name}"
        ));
    }

    /// A machine in which the founding pod was started.
    pub(crate) fn with_founding_pod() -> Option<Self> {
        let machine = Self::with_images()?;
        machine.define("my-shared-pod.pod", super::FOUNDING);
        machine.ok("systemctl start pod-my-shared-pod");
        Some(machine)
    }

    #[track_caller]
    fn script(&self, arguments: &[&str]) -> Output {
        let output = Command::new(&self.script)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("tests/machine/machine can be run");
        assert!(
            output.status.success(),
            "machine {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        output
    }

    /// Runs shell text in the machine, whatever its exit status.
    #[track_caller]
    pub(crate) fn run(&self, command: &str) -> Ran {
        let output = Command::new(&self.script)
            .args(["run", &self.name, "--", "timeout", "100", "sh", "-c", command])
            .stdin(Stdio::null())
            .output()
            .expect("tests/machine/machine can be run");
        Ran {
            command: command.to_owned(),
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs shell text that must succeed; gives its standard output without the last line's end.
    #[track_caller]
    pub(crate) fn ok(&self, command: &str) -> String {
        let ran = self.run(command);
        assert!(ran.status == 0, "{ran}\n--- journal\n{}", self.journal());
        ran.stdout.trim_end().to_owned()
    }

    /// Runs shell text until `done` likes what it left, with a limit.
    #[track_caller]
    pub(crate) fn until(&self, command: &str, done: impl Fn(&Ran) -> bool) -> Ran {
        let start = Instant::now();
        loop {
            let ran = self.run(command);
            if done(&ran) {
                return ran;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for\n{ran}\n--- journal\n{}",
                self.journal()
            );
        }
    }

    /// Runs shell text until its standard output is `text`.
    #[track_caller]
    pub(crate) fn until_prints(&self, command: &str, text: &str) {
        self.until(command, |ran| ran.stdout.trim_end() == text);
    }

    /// Writes a file.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let mut child = Command::new(&self.script)
            .args([
                "run",
                &self.name,
                "--",
                "sh",
                "-c",
                "mkdir -p \"$(dirname \"$0\")\" && cat > \"$0\"",
                path,
            ])
            .stdin(Stdio::piped())
            .spawn()
            .expect("tests/machine/machine can be run");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(text.as_ref())
            .expect("the file's text is taken");
        assert!(child.wait().expect("a child").success(), "write {path}");
    }

    /// Copies a file to a file, or what is in a folder into a folder.
    #[track_caller]
    pub(crate) fn put(&self, from: &Path, to: &str) {
        let from = from.to_str().expect("a path in UTF-8");
        self.script(&["push", &self.name, from, to]);
    }

    /// Writes a definition and has systemd read it.
    #[track_caller]
    pub(crate) fn define(&self, file: &str, text: &str) {
        self.write(&format!("/etc/podunit/{file}"), text);
        self.ok("systemctl daemon-reload");
    }

    /// The value of a property of a unit.
    #[track_caller]
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.ok(&format!("systemctl show -P {name} '{unit}'"))
    }

    /// Main PIDs of units, as the machine's own numbers, joined by blanks.
    #[track_caller]
    pub(crate) fn pids(&self, units: &[&str]) -> String {
        units
            .iter()
            .map(|unit| self.property(unit, "MainPID"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The host's number of the machine's PID 1.
    #[track_caller]
    pub(crate) fn init(&self) -> i32 {
        let output = self.script(&["pid", &self.name]);
        let number = String::from_utf8_lossy(&output.stdout);
        number.trim().parse().expect("a process ID")
    }

    /// Shuts down and boots again with the same files.
    pub(crate) fn reboot(&self) {
        self.script(&["reboot", &self.name]);
    }

    /// The end of the journal, for messages.
    pub(crate) fn journal(&self) -> String {
        self.run("journalctl --no-pager -n 80 -o short-monotonic; systemctl --no-pager --failed")
            .stdout
    }

    /// Nothing of any pod is there any more: processes, zombies, cgroups, mounts, namespaces, interfaces, rules, files.
    /// The bridge stays, and the mount below which root file systems lie.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        // The slice goes by a job of its own, a moment after its last unit.
        self.until_prints("systemctl list-units --no-legend --plain --state=active,activating,deactivating,reloading 'pod*'", "");
        self.until_prints("find /sys/fs/cgroup -name '*pods*'; ps -eo stat= | grep ^Z", "");
        let left = self.ok("ls -A /run/podunit | grep -vx '\\.[a-z]*' ; \
             find /run/podunit/.network -name '*.json' -exec grep -l my-shared-pod {} + ; \
             grep -E ' /run/podunit|nsfs' /proc/self/mountinfo | grep -v ' /run/podunit/.roots ' ; \
             ls -A /run/podunit/.roots ; \
             ip -o link | grep -E 'veth|podunit|: pu-' | grep -vE ': podunit(0|-keep|-keep-p)[@:]' ; \
             nft list ruleset | grep -E '8080|dnat (ip )?to' ; \
             ls -A /var/lib/podunit/containers 2>/dev/null ; \
             pgrep -l 'podunit|nginx|crun|netavark' ; true");
        assert_eq!(left, "", "something is left behind");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the machine's journal\n{}", self.journal());
        }
        let _ = Command::new(&self.script).args(["destroy", &self.name]).status();
    }
}
