//! Whole applications, as administrators have them, are read without an error and become units: the folders of
//! `tests/fixtures/applications`. The warnings that are left are in the file `expected` of each folder, which
//! `UPDATE=1 cargo test --test applications` writes anew. That they run is shown in `tests/e2e/applications.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "a test says more by its failure than by a message"
)]

use podunit::definition;
use podunit::model::{ImageSource, Paths, Pod};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/applications")
}

/// The folders of the applications, by name.
fn applications() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<(String, PathBuf)> = entries
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    found.sort();
    assert!(found.len() >= 25, "{found:?}");
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if let Ok(target) = fs::read_link(&path) {
            symlink(target, to).unwrap();
        } else if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

/// A tree of a host with these applications, each in its folder of /etc/podunit.
fn host<'a>(folders: impl IntoIterator<Item = &'a (String, PathBuf)>) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, folder) in folders {
        copy(folder, &root.path().join("etc/podunit").join(name));
    }
    root
}

fn podunit(arguments: &[&str], root: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podunit"));
    command.args(arguments).current_dir(root).output().unwrap()
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn applications_have_no_error_and_the_warnings_that_are_expected() {
    let mut failed = Vec::new();
    for application in applications() {
        let (name, folder) = &application;
        let root = host([&application]);
        let output = podunit(&["check", "--root", "."], root.path());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(0), "{name}:\n{said}");
        let expected = folder.join("expected");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(expected, said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            failed.push(format!("== {name}: differs from {}:\n{said}", expected.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn all_applications_can_be_on_one_host() {
    let all = applications();
    let root = host(&all);
    let output = podunit(
        &["check", "--root", ".", "--allow", "no-effect", "--format", "json"],
        root.path(),
    );
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("\"port-repeated\""), "{said}");
}

/// Where the units of a tree are.
fn generate(root: &Path) -> PathBuf {
    let output = podunit(&["generate", "--root", ".", "--output", "units"], root);
    let said = text(&output);
    assert!(output.status.success() && !said.contains("error"), "{said}");
    root.join("units")
}

/// The name of a pod's unit, or with `-MEMBER` put in before the instance, of a member's.
fn unit(pod: &Pod, member: &str) -> String {
    match pod.name.as_str().split_once('@') {
        Some((template, instance)) => format!("pod-{template}{member}@{instance}.service"),
        None => format!("pod-{}{member}.service", pod.name),
    }
}

#[test]
fn applications_become_units() {
    for application in applications() {
        let name = &application.0;
        let root = host([&application]);
        let pods = definition::read(&Paths::new(root.path())).pods;
        let units = generate(root.path());
        let mut started = 0;
        for pod in &pods {
            let members = pod.members.iter().map(|member| format!("-{}", member.name));
            let parts = members.chain(["".to_owned(), "-infra".to_owned()]);
            for part in parts {
                let file = units.join(unit(pod, &part));
                let written = fs::read_to_string(&file).unwrap_or_default();
                assert!(written.contains("[Service]"), "{name}: {}", file.display());
            }
            // What is in [Install] becomes a link to the unit of the whole, but for a template that is not started.
            for target in ["multi-user.target", "default.target"] {
                let wanted = pod
                    .units
                    .install
                    .iter()
                    .any(|directive| directive.value == target);
                let link = units.join(format!("{target}.wants")).join(unit(pod, ""));
                let is_template = pod.name.as_str().ends_with('@');
                assert_eq!(
                    link.exists(),
                    wanted && !is_template,
                    "{name}: {}",
                    link.display()
                );
                started += usize::from(link.exists());
            }
        }
        assert!(started > 0, "{name} is not started at boot");
        let files = fs::read_dir(application.1)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for file in files {
            let kind = file
                .extension()
                .and_then(|kind| kind.to_str())
                .unwrap_or_default();
            let base = file.file_stem().unwrap().to_str().unwrap();
            if ["volume", "network", "image"].contains(&kind) {
                assert!(
                    units.join(format!("{base}-{kind}.service")).is_file(),
                    "{}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn every_image_has_a_stand_in() {
    let root = host(&applications());
    let pods = definition::read(&Paths::new(root.path())).pods;
    let named: BTreeSet<String> = pods
        .iter()
        .flat_map(|pod| &pod.members)
        .map(|member| match &member.image {
            ImageSource::Image(request) => request.reference.clone(),
            ImageSource::Rootfs(_) => panic!("{} has no image", member.name),
        })
        .collect();
    let table = fs::read_to_string(fixtures().join("images")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let listed: BTreeSet<String> = lines
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(named, listed);
}
