//! The program itself: killed, run many at once, on a full and on a read-only disk.
//!
//! It works on `/`, so it runs in a mount namespace of its own where `/var/lib` and `/run` are folders of the test.

use super::archives::{Image, Layer};
use super::{Machine, is_root};
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

impl Machine {
    /// `podunit image ARGUMENTS`, after `setup` in its mount namespace. The process is podunit's from the start.
    pub(super) fn podunit(&self, setup: &str, arguments: &[&str]) -> Command {
        let (lib, run) = (self.paths().under("/var/lib"), self.paths().under("/run"));
        fs::create_dir_all(&lib).unwrap();
        fs::create_dir_all(&run).unwrap();
        let script = format!(
            "mount --bind \"$1\" /var/lib && mount --bind \"$2\" /run && {setup} && shift 2 && exec \"$@\""
        );
        let mut command = Command::new("unshare");
        command
            .args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"])
            .arg(lib)
            .arg(run);
        command
            .arg(env!("CARGO_BIN_EXE_podunit"))
            .arg("image")
            .args(arguments);
        command
    }

    pub(super) fn run(&self, setup: &str, arguments: &[&str]) -> Output {
        self.podunit(setup, arguments).output().unwrap()
    }
}

/// Some layers of some files, so that a load takes a while.
fn large(name: &str) -> Vec<u8> {
    let layer = |layer: usize| {
        let add = |tar: Layer, file: usize| tar.file(&format!("d{layer}/f{file}"), &vec![layer as u8; 3000]);
        (0..100).fold(Layer::new(), add)
    };
    (0..5)
        .fold(Image::new(name), |image, at| image.layer(layer(at)))
        .archive()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn killed_at_any_point() {
    if !is_root("crash::killed_at_any_point") {
        return;
    }
    let archive = large("big");
    let whole = Machine::new();
    let before = Instant::now();
    let path = whole.file(&archive);
    let arguments = ["load", path.to_str().unwrap()];
    let output = whole.run("true", &arguments);
    let duration = before.elapsed();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).starts_with("Loaded docker.io/library/big:latest sha256:"),
        "{output:?}"
    );
    let names = |machine: &Machine| -> Vec<String> {
        let root = machine.paths().root().display().to_string();
        machine
            .listing()
            .iter()
            .map(|line| line.replace(&root, ""))
            .collect()
    };
    let expected = names(&whole);

    let machine = Machine::new();
    let path = machine.file(&archive);
    let arguments = ["load", path.to_str().unwrap()];
    for turn in 0..25 {
        let mut child = machine.podunit("true", &arguments);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Not to wait for anything: the point at which it is killed.
        std::thread::sleep(duration * turn / 20);
        child.kill().unwrap();
        child.wait().unwrap();
        let listed = machine.run("true", &["ls", "--format", "json"]);
        assert!(listed.status.success(), "{}", text(&listed.stderr));
        if text(&listed.stdout).contains("big") {
            // It looks whole, so it is whole.
            machine.is_whole();
            let removed = machine.run("true", &["rm", "big"]);
            assert!(removed.status.success(), "{}", text(&removed.stderr));
        }
    }
    let output = machine.run("true", &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(names(&machine), expected);
}

#[test]
fn many_at_once() {
    if !is_root("crash::many_at_once") {
        return;
    }
    let machine = Machine::new();
    let path = machine.file(&large("big"));
    let children: Vec<_> = (0..8)
        .map(|at| {
            let name = format!("image{}", at % 4);
            let mut command = machine.podunit("true", &["load", path.to_str().unwrap(), "--name", &name]);
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let listed = text(&machine.run("true", &["ls"]).stdout);
    assert_eq!(listed.lines().count(), 5, "{listed}");
    assert_eq!(machine.find("image0").layers, machine.find("image3").layers);
    assert_eq!(
        fs::read_dir(machine.paths().image_store().join("tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn full_and_read_only_disks() {
    if !is_root("crash::full_and_read_only_disks") {
        return;
    }
    let machine = Machine::new();
    let path = machine.file(&large("big"));
    let load = ["load", path.to_str().unwrap()];
    fs::create_dir_all(machine.paths().under("/var/lib/podunit")).unwrap();
    let docker = machine.folder.path().join("docker");
    fs::write(&docker, super::formats::docker_old(r#"["first:1"]"#)).unwrap();
    let many = (0..200).fold(Layer::new(), |tar, at| tar.file(&format!("f{at}"), &[1; 600]));
    let rootfs = machine.folder.path().join("rootfs");
    fs::write(&rootfs, many.finish()).unwrap();
    let program = env!("CARGO_BIN_EXE_podunit");
    let big = format!("{program} image load '{}'", path.display());
    let docker = format!("{program} image load '{}'", docker.display());
    let rootfs = format!("{program} image import '{}' x", rootfs.display());
    let (full, inodes) = ("file system is full", "no inode left");
    // Room for less and for more than the archive's copy; what is left behind is counted on the same file system.
    for (limit, command, expected) in [
        ("size=64k", &big, full),
        ("size=1m", &big, full),
        ("size=24k,nr_inodes=1000", &docker, full),
        ("size=100k,nr_inodes=1000", &rootfs, full),
        ("size=9m,nr_inodes=5", &big, inodes),
        ("size=9m,nr_inodes=18", &big, inodes),
        ("size=9m,nr_inodes=300", &big, inodes),
        ("size=9m,nr_inodes=16", &docker, inodes),
        ("size=9m,nr_inodes=120", &rootfs, inodes),
    ] {
        let setup = format!(
            "mount -t tmpfs -o {limit} tmpfs /var/lib/podunit && ! {command} && cd /var/lib/podunit && \
             (find . -path './images/*/*' ! -path ./images/blobs/sha256)"
        );
        let output = machine.run(&setup, &["ls"]);
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{limit} {error}");
        assert!(
            error.contains(expected) && error.contains("/var/lib/podunit/images"),
            "{limit} {error}"
        );
        assert!(
            !out.contains('/') && out.starts_with("REFERENCE"),
            "{limit} {out}"
        );
    }
    let output = machine.run("mount -t tmpfs -o ro tmpfs /var/lib/podunit", &load);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("mounted read-only"), "{output:?}");
}

#[test]
fn a_load_waits_for_the_one_before() {
    if !is_root("crash::a_load_waits_for_the_one_before") {
        return;
    }
    let machine = Machine::new();
    let path = machine.file(&large("big"));
    machine.store().load(&path, None).unwrap();
    let lock = fs::File::open(machine.paths().image_store().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut child = machine
        .podunit("true", &["load", path.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Readers do not wait.
    assert!(machine.run("true", &["ls"]).status.success());
    machine.find("big");
    // The kernel lists who waits: `1: -> FLOCK ADVISORY WRITE 1234 fd:01:99 0 EOF`.
    let process = format!(" {} ", child.id());
    let waits = |line: &str| line.contains("-> FLOCK") && line.contains(&process);
    while !fs::read_to_string("/proc/locks").unwrap().lines().any(waits) {
        assert!(child.try_wait().unwrap().is_none(), "it did not wait");
        std::thread::yield_now();
    }
    drop(lock);
    assert!(child.wait().unwrap().success());
}
