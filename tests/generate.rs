//! The generator on trees of definitions: `fixtures/generate/NAME/root` becomes `expected`, and says what is in
//! `messages` (if it is there; a line of `<3>` means exit status 1). `UPDATE=1 cargo test --test generate` writes
//! both anew.
#![allow(clippy::unwrap_used)]

#[path = "common/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const PODUNIT: &str = env!("CARGO_BIN_EXE_podunit");

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/generate")
}

/// The generator as systemd calls it, but for the root.
fn generator(root: &Path, output: &Path) -> Command {
    let mut command = Command::new(PODUNIT);
    command.arg0("/usr/lib/systemd/system-generators/podunit-generator");
    command
        .env("PODUNIT_GENERATOR_ROOT", root)
        .args([output, output, output]);
    command
}

/// Path within the folder → mode and text of a file, or what a link holds.
fn tree(dir: &Path) -> BTreeMap<String, String> {
    fn walk(dir: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            let path = entry.path();
            if let Ok(target) = fs::read_link(&path) {
                found.insert(name, format!("-> {}", target.display()));
            } else if path.is_dir() {
                walk(&path, &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, "", &mut found);
    found
}

fn copy_tree(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for (name, content) in tree(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, content).unwrap(),
        }
    }
}

/// Messages without the process ID and the folders of this machine.
fn messages(output: &Output, root: &Path, dir: &Path) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let text = text
        .replace(dir.to_str().unwrap(), "OUTPUT")
        .replace(root.to_str().unwrap(), "");
    let line = |line: &str| match line.split_once("podunit-generator[") {
        Some((priority, rest)) => format!("{priority}{}\n", rest.split_once("]: ").unwrap().1),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn fixtures_become_what_is_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    let mut names: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    for fixture in names {
        let name = fixture.file_name().unwrap().to_str().unwrap();
        let root = fixture.join("root");
        let output = tempfile::tempdir().unwrap();
        let result = generator(&root, output.path()).output().unwrap();
        let said = messages(&result, &root, output.path());
        assert_eq!(
            result.status.code(),
            Some(i32::from(said.contains("<3>"))),
            "{name}: {said}"
        );
        if update {
            copy_tree(output.path(), &fixture.join("expected"));
            fs::write(fixture.join("messages"), &said).unwrap();
            if said.is_empty() {
                fs::remove_file(fixture.join("messages")).unwrap();
            }
            continue;
        }
        if said != fs::read_to_string(fixture.join("messages")).unwrap_or_default() {
            wrong.push(format!("{name}: messages:\n{said}"));
        }
        let (got, expected) = (tree(output.path()), tree(&fixture.join("expected")));
        for path in got.keys().chain(expected.keys()) {
            if got.get(path) != expected.get(path) {
                wrong.push(format!(
                    "{name}: {path}:\n{}",
                    got.get(path).map_or("(missing)", String::as_str)
                ));
            }
        }
        // The compiled pod can hold secrets in Environment=.
        for path in got.keys() {
            let mode = fs::symlink_metadata(output.path().join(path)).unwrap();
            let expected = if path.ends_with(".json") { 0o600 } else { 0o644 };
            if !mode.is_symlink() && mode.permissions().mode() & 0o7777 != expected {
                wrong.push(format!("{name}: {path}: mode {:o}", mode.permissions().mode()));
            }
        }
    }
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "UPDATE=1 takes this as right:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_second_run_changes_nothing() {
    let root = fixtures().join("founding/root");
    let output = tempfile::tempdir().unwrap();
    assert!(generator(&root, output.path()).status().unwrap().success());
    let first = tree(output.path());
    assert!(generator(&root, output.path()).status().unwrap().success());
    assert_eq!(first, tree(output.path()));
}

#[test]
fn fifty_runs_at_once_leave_whole_files_and_nothing_else() {
    let root = fixtures().join("founding/root");
    let output = tempfile::tempdir().unwrap();
    let runs: Vec<_> = (0..50)
        .map(|_| generator(&root, output.path()).spawn().unwrap())
        .collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!(tree(output.path()), tree(&fixtures().join("founding/expected")));
}

#[test]
fn packages_get_the_same_but_no_stubs() {
    let generate = |fixture: &str, output: &Path| {
        let root = fixtures().join(fixture).join("root");
        let command = [
            Path::new("generate"),
            Path::new("--root"),
            &root,
            Path::new("--output"),
            output,
        ];
        Command::new(PODUNIT).args(command).output().unwrap()
    };
    let output = tempfile::tempdir().unwrap();
    let dir = output.path().join("usr/lib/systemd/system");
    let result = generate("founding", &dir);
    assert!(
        result.status.success() && result.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&result.stderr)
    );
    assert_eq!(tree(&dir), tree(&fixtures().join("founding/expected")));

    let dir = output.path().join("broken");
    let result = generate("broken", &dir);
    assert_eq!(result.status.code(), Some(1));
    assert!(!result.stderr.is_empty());
    assert!(
        !tree(&dir).keys().any(|name| name.contains("pod-broken")),
        "{:?}",
        tree(&dir).keys()
    );
}

#[test]
fn nothing_to_do_is_silent() {
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("output-that-need-not-exist");
    let result = generator(root.path(), &output).output().unwrap();
    assert!(result.status.success() && result.stderr.is_empty());
}

#[test]
fn an_initrd_has_no_pods() {
    let output = tempfile::tempdir().unwrap();
    let mut run = generator(&fixtures().join("founding/root"), output.path());
    assert!(run.env("SYSTEMD_IN_INITRD", "1").status().unwrap().success());
    assert!(tree(output.path()).is_empty());
}

#[test]
fn a_wrong_number_of_folders_is_refused() {
    for folders in [vec![], vec!["/a", "/b"]] {
        let mut command = Command::new(PODUNIT);
        command
            .arg0("podunit-generator")
            .env("PODUNIT_GENERATOR_ROOT", "/nonexistent")
            .args(&folders);
        assert_eq!(
            command.stderr(Stdio::null()).status().unwrap().code(),
            Some(2),
            "{folders:?}"
        );
    }
}

/// Whether this process may mount; says so for the running test if not.
fn can_mount() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip::skipped(
            std::thread::current().name().unwrap_or("a test"),
            "mounting a tmpfs needs root",
        );
    }
    root
}

/// A tmpfs in a mount namespace of a thread's own, gone with the thread.
fn with_tmpfs(options: &str, run: impl FnOnce(&Path) + Send + 'static) {
    use nix::mount::{MsFlags, mount};
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let options = options.to_owned();
    let thread = std::thread::spawn(move || {
        let dir = tempfile::tempdir().unwrap();
        let none = None::<&str>;
        if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).is_err() {
            skip::skipped(&test, "no new mount namespace");
            return;
        }
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(
            Some("tmpfs"),
            dir.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        run(dir.path());
        nix::mount::umount2(dir.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    });
    thread.join().unwrap();
}

/// The messages of a run that fails, and has left nothing.
fn fails_and_leaves_nothing(dir: &Path) -> String {
    let root = fixtures().join("founding/root");
    let result = generator(&root, dir).output().unwrap();
    assert_eq!(result.status.code(), Some(1));
    let left: Vec<String> = tree(dir).into_keys().collect();
    assert!(left.is_empty(), "{left:?}");
    messages(&result, &root, dir)
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    if !can_mount() {
        return;
    }
    // Too few inodes, then too few pages, at each point where it can fail.
    for inodes in 2..=7 {
        with_tmpfs(&format!("nr_inodes={inodes}"), |dir| {
            let said = fails_and_leaves_nothing(dir);
            assert!(
                said.contains("No space left on device") && said.contains("pod my-shared-pod"),
                "{said}"
            );
        });
    }
    for pages in 1..=4 {
        with_tmpfs(&format!("nr_blocks={pages}"), |dir| {
            assert!(fails_and_leaves_nothing(dir).contains("No space left on device"));
        });
    }
}

#[test]
fn a_read_only_folder_is_named() {
    if !can_mount() {
        return;
    }
    with_tmpfs("ro", |dir| {
        let said = fails_and_leaves_nothing(dir);
        assert!(
            said.contains("Read-only file system") && said.contains("OUTPUT"),
            "{said}"
        );
    });
}
