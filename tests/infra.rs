//! `podunit infra` on namespaces of its own: no systemd, and a netavark that only writes down what it was asked.
//! What needs the real ones is in `tests/e2e`.
//!
//! Each test runs itself again as root of new mount, network and PID namespaces, where `/run` and `/usr/libexec` are
//! empty; everything that it starts and mounts is gone with them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/skip.rs"]
mod skip;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

const INSIDE: &str = "PODUNIT_TEST_INSIDE";
const POD: &str = "/run/podunit/web";

/// True inside. Outside it runs the test of that name inside, and fails if that does.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        prepare();
        return true;
    }
    if !nix::unistd::geteuid().is_root() {
        skip::skipped(test, "needs root");
        return false;
    }
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare(1)");
    let passed = output.status.success() && text(&output.stdout).contains("1 passed");
    assert!(passed, "{}\n{}", text(&output.stdout), text(&output.stderr));
    false
}

fn prepare() {
    for dir in ["/run", "/usr/libexec"] {
        run("mount", ["-t", "tmpfs", "tmpfs", dir]);
    }
    fs::create_dir_all("/usr/libexec/podunit").unwrap();
    fs::copy(
        env!("CARGO_BIN_EXE_podunit-pause"),
        "/usr/libexec/podunit/podunit-pause",
    )
    .unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run<const N: usize>(program: &str, arguments: [&str; N]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn podunit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podunit"));
    command
        .arg("infra")
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("NOTIFY_SOCKET");
    command
}

fn start(pod: &str) -> Output {
    podunit(&["start", pod]).output().unwrap()
}

fn started(pod: &str) {
    let output = start(pod);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn clean(pod: &str, result: &str) {
    let output = podunit(&["clean", pod])
        .env("SERVICE_RESULT", result)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Writes the compiled pod where the generator would.
fn define(name: &str, network: &str, pid: bool, host_port: Option<u16>) {
    let member = serde_json::json!({"name": "a", "source": "/a", "image": {"image": {"reference": "x"}}, "exec": null,
        "entrypoint": null, "environment": [], "environment_files": [], "user": null, "working_dir": null,
        "binds": [], "tmpfs": [], "read_only": false, "add_capabilities": [], "drop_capabilities": [],
        "stop_signal": null, "stop_timeout": 1, "reload_signal": null, "signal_map": {}, "ready": "started",
        "labels": {}, "units": {"unit": [], "service": [], "install": []}});
    let ports: Vec<_> = host_port
        .into_iter()
        .map(|port| {
            serde_json::json!({"host_ip": null, "host_port": port, "container_port": 80, "protocol": "tcp"})
        })
        .collect();
    let pod = serde_json::json!({"version": 1, "name": name, "source": "/a",
        "share": {"net": true, "ipc": true, "uts": true, "pid": pid}, "hostname": "inside", "network": network,
        "ports": ports, "shm_size": 1 << 20, "labels": {}, "start_timeout": null, "members": [member],
        "units": {"unit": [], "service": [], "install": []}});
    fs::create_dir_all("/run/systemd/generator").unwrap();
    fs::write(format!("/run/systemd/generator/pod-{name}.json"), pod.to_string()).unwrap();
}

/// A netavark that appends its arguments to `/run/calls`, and then does what `body` says.
fn netavark(body: &str) {
    let program = Path::new("/usr/libexec/podman/netavark");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(program, format!("#!/bin/sh\necho \"$@\" >>/run/calls\n{body}\n")).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    // A machine of the tests may have the real one where it is looked for first.
    if Path::new("/usr/lib/podman").is_dir() {
        run("mount", ["-t", "tmpfs", "tmpfs", "/usr/lib/podman"]);
    }
}

/// The process that is in the PID namespace of the pod: its PID 1, as long as there is nothing else.
fn pause() -> Option<i32> {
    let wanted = fs::metadata(format!("{POD}/ns/pid")).ok()?.ino();
    let processes = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    processes.into_iter().find(|pid: &i32| {
        fs::metadata(format!("/proc/{pid}/ns/pid")).is_ok_and(|namespace| namespace.ino() == wanted)
    })
}

fn field(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

/// Runs a shell command in the pod's namespaces, with its `/proc`.
fn in_pod(command: &str) -> String {
    let enter = ["net", "ipc", "uts", "pid"].map(|kind| format!("--{kind}={POD}/ns/{kind}"));
    let output = Command::new("nsenter")
        .args(enter)
        .args(["--", "unshare", "--mount", "--mount-proc", "sh", "-c", command])
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn send(signal: nix::sys::signal::Signal, pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// Waits until a process is gone, as its parent or as somebody who watches.
fn gone(pid: i32) {
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
}

/// But for the place of all root file systems, which stays.
fn mounts_below(dir: &str) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .filter(|point| Path::new(point).starts_with(dir) && *point != "/run/podunit/.roots")
        .map(str::to_owned)
        .collect()
}

fn inode(path: impl AsRef<OsStr>) -> u64 {
    fs::metadata(Path::new(&path)).unwrap().ino()
}

#[test]
fn a_pod_has_namespaces_that_outlive_the_launcher_and_leave_nothing() {
    if !inside("a_pod_has_namespaces_that_outlive_the_launcher_and_leave_nothing") {
        return;
    }
    define("web", "none", true, None);
    started("web");
    let pid = pause().expect("a PID 1");
    for kind in ["net", "ipc", "uts", "pid"] {
        let pin = inode(format!("{POD}/ns/{kind}"));
        assert_ne!(pin, inode(format!("/proc/self/ns/{kind}")), "{kind}");
        assert_eq!(pin, inode(format!("/proc/{pid}/ns/{kind}")), "{kind}");
    }
    assert_eq!(field(pid, "PPid"), "1", "it is nobody's child but init's");
    assert_eq!(in_pod("hostname; cat /sys/class/net/lo/flags"), "inside\n0x9\n");
    assert_eq!(
        fs::read_to_string(format!("{POD}/etc/hostname")).unwrap(),
        "inside\n"
    );
    let hosts = fs::read_to_string(format!("{POD}/etc/hosts")).unwrap();
    assert!(
        hosts.contains("127.0.0.1 inside web\n") && hosts.contains("::1 a\n"),
        "{hosts}"
    );
    let fifo = inode(format!("{POD}/members/a/stdout"));

    // A crash: what hung on the namespaces goes, the rest waits for the next life.
    send(nix::sys::signal::Signal::SIGKILL, pid);
    gone(pid);
    clean("web", "signal");
    assert_eq!(mounts_below(POD), [""; 0]);
    assert!(!Path::new(POD).join("ns").exists() && Path::new(POD).join("pod.json").exists());
    started("web");
    assert_eq!(inode(format!("{POD}/members/a/stdout")), fifo);

    // An intended stop: all of it goes, and doing it again is no error.
    let pid = pause().unwrap();
    send(nix::sys::signal::Signal::SIGTERM, pid);
    gone(pid);
    clean("web", "success");
    clean("web", "success");
    assert_eq!(mounts_below("/run/podunit"), [""; 0]);
    assert!(!Path::new(POD).exists());
}

#[test]
fn pid_1_shows_nothing_of_the_host_and_has_no_power() {
    if !inside("pid_1_shows_nothing_of_the_host_and_has_no_power") {
        return;
    }
    define("web", "none", true, None);
    started("web");
    let pid = pause().unwrap();
    assert_eq!(
        in_pod("ls -A /proc/1/root/ /proc/1/cwd/; cat /proc/1/environ; wc -l </proc/1/mountinfo"),
        "/proc/1/cwd/:\n\n/proc/1/root/:\n1\n"
    );
    assert_eq!(
        in_pod("tr '\\0' ' ' </proc/1/cmdline; cat /proc/1/comm"),
        "podunit-pause podunit-pause\n"
    );
    let program = in_pod("readlink /proc/1/exe");
    assert!(program.starts_with("/memfd:"), "{program}");
    assert!(
        !in_pod("(: >>/proc/1/exe) 2>/dev/null || echo refused").is_empty(),
        "its program cannot be written"
    );
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(pid, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(pid, "NoNewPrivs"), "1");
    let mut files: Vec<PathBuf> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|fd| fd.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_eq!(fs::read_link(file).unwrap(), Path::new("/dev/null"));
    }
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let own = maps.lines().filter_map(|line| {
        line.strip_prefix("Private_")?
            .split_whitespace()
            .nth(1)?
            .parse::<u32>()
            .ok()
    });
    let own: u32 = own.sum();
    assert!(own < 64, "{own} KiB");
}

#[test]
fn pid_1_heeds_nothing_but_a_stop_from_outside_and_reaps_all() {
    if !inside("pid_1_heeds_nothing_but_a_stop_from_outside_and_reaps_all") {
        return;
    }
    define("web", "none", true, None);
    started("web");
    let pid = pause().unwrap();
    in_pod("for signal in $(seq 1 31) $(seq 34 64); do kill -$signal 1; done");
    for signal in nix::sys::signal::Signal::iterator() {
        use nix::sys::signal::Signal;
        if !matches!(signal, Signal::SIGKILL | Signal::SIGTERM | Signal::SIGSTOP) {
            send(signal, pid);
        }
    }
    // Each subshell ends before the process it started: 10,000 orphans.
    in_pod("i=0; while [ $i -lt 10000 ]; do (true &); i=$((i+1)); done");
    // The last ones may end a moment after the shell.
    while in_pod("cat /proc/[0-9]*/stat")
        .lines()
        .any(|stat| stat.contains("(true)") || stat.contains(") Z "))
    {}
    assert_eq!(pause(), Some(pid), "it is still there");
    send(nix::sys::signal::Signal::SIGTERM, pid);
    gone(pid);
    clean("web", "success");
}

#[test]
fn a_launcher_killed_anywhere_leaves_nothing_behind_a_clean() {
    if !inside("a_launcher_killed_anywhere_leaves_nothing_behind_a_clean") {
        return;
    }
    netavark("");
    define("web", "bridge", true, None);
    for round in 0..40_u64 {
        let mut launcher = podunit(&["start", "web"]).stderr(Stdio::null()).spawn().unwrap();
        // Not a synchronisation: the moment is what varies.
        std::thread::sleep(std::time::Duration::from_micros(round * 500));
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        // systemd kills what is left in the unit; whatever was on its way to being PID 1 ends by itself.
        let last = pause();
        if let Some(pid) = last {
            send(nix::sys::signal::Signal::SIGKILL, pid);
            gone(pid);
        }
        clean("web", if round % 2 == 0 { "success" } else { "signal" });
        assert_eq!(mounts_below("/run/podunit"), [""; 0], "round {round}");
        assert!(!Path::new(POD).join("ns").exists() && !Path::new(POD).join("network.json").exists());
    }
    clean("web", "success");
    assert!(!Path::new(POD).exists());
    assert_eq!(
        fs::read_to_string("/run/podunit/.network/leases.json").unwrap(),
        "{}"
    );
}

#[test]
fn twenty_pods_at_once_have_twenty_addresses() {
    if !inside("twenty_pods_at_once_have_twenty_addresses") {
        return;
    }
    netavark("");
    let names: Vec<String> = (0..20).map(|number| format!("pod{number}")).collect();
    for (name, port) in names.iter().zip(9000..) {
        define(name, "bridge", false, Some(port));
    }
    let all = |command: &str| {
        let children: Vec<Child> = names
            .iter()
            .map(|name| {
                podunit(&[command, name])
                    .env("SERVICE_RESULT", "success")
                    .spawn()
                    .unwrap()
            })
            .collect();
        let ends: Vec<ExitStatus> = children
            .into_iter()
            .map(|mut child| child.wait().unwrap())
            .collect();
        assert!(ends.iter().all(ExitStatus::success), "{ends:?}");
    };
    all("start");
    let address = |name: &String| {
        let json = fs::read(format!("/run/podunit/{name}/network.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        json["networks"]["podunit"]["static_ips"][0]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut addresses: Vec<String> = names.iter().map(address).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 20);
    all("clean");
    assert_eq!(
        fs::read_to_string("/run/podunit/.network/leases.json").unwrap(),
        "{}"
    );
    let calls = fs::read_to_string("/run/calls").unwrap();
    assert_eq!(
        calls
            .lines()
            .filter(|call| call.contains(" setup /run/podunit/"))
            .count(),
        20,
        "{calls}"
    );
    assert_eq!(
        calls
            .lines()
            .filter(|call| call.contains(" teardown /run/podunit/"))
            .count(),
        20,
        "{calls}"
    );
}

#[test]
fn a_port_that_is_taken_or_a_network_that_fails_says_so_and_leaves_nothing() {
    if !inside("a_port_that_is_taken_or_a_network_that_fails_says_so_and_leaves_nothing") {
        return;
    }
    netavark("");
    run("ip", ["link", "set", "lo", "up"]);
    define("web", "bridge", true, Some(8080));
    define("other", "bridge", false, Some(8080));
    let refused = |pod: &str| {
        let output = start(pod);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(mounts_below(&format!("/run/podunit/{pod}")), [""; 0]);
        assert!(!Path::new("/run/podunit").join(pod).join("ns").exists());
        text(&output.stderr)
    };

    let listener = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
    let message = refused("web");
    let own = format!("(process {}) has it\n", std::process::id());
    assert!(
        message.contains("port 8080:80/tcp cannot be published: ") && message.ends_with(&own),
        "{message}"
    );
    drop(listener);

    started("web");
    let message = refused("other");
    assert!(
        message.contains("the pod `web` has published 8080:80/tcp"),
        "{message}"
    );
    let pid = pause().unwrap();
    send(nix::sys::signal::Signal::SIGTERM, pid);
    gone(pid);
    clean("web", "success");

    netavark(r#"case "$*" in *setup*) echo '{"error":"no bridge today"}'; exit 1;; esac"#);
    let message = refused("web");
    assert!(
        message.ends_with("netavark setup: no bridge today\n"),
        "{message}"
    );
    assert_eq!(
        fs::read_to_string("/run/podunit/.network/leases.json").unwrap(),
        "{}"
    );
    assert!(!Path::new(POD).join("network.json").exists());
}
