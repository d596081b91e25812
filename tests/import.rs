//! `podunit import` as a user runs it: in each folder of `tests/fixtures/import`, `command` has its arguments, one to a
//! line; `input` is where it runs, with what it reads (`stdin` for standard input); `expected` is what it says. `UPDATE=1
//! cargo test --test import` writes the expectations anew. And what holds for any text (`property`).
#![allow(clippy::unwrap_used)]

#[path = "import/property.rs"]
mod property;

use proptest::prelude::*;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PODUNIT: &str = env!("CARGO_BIN_EXE_podunit");

fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What it says, the folder that it runs in being called FOLDER.
fn import(arguments: &[&str], folder: &Path) -> (String, bool) {
    let stdin = File::open(folder.join("stdin")).map_or_else(|_| Stdio::null(), Stdio::from);
    // Variables of whoever runs the test have no part in it.
    let output = Command::new(PODUNIT)
        .arg("import")
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .stdin(stdin)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(folder.to_str().unwrap(), "FOLDER")
    };
    let said = format!(
        "{}---\n{}exit status {}\n",
        text(output.stdout),
        text(output.stderr),
        output.status.code().unwrap()
    );
    (said, output.status.success())
}

#[test]
fn fixtures_become_what_is_expected() {
    let mut wrong = Vec::new();
    let mut folders: Vec<PathBuf> = fs::read_dir(own("tests/fixtures/import"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(folders.len() > 8);
    for folder in folders {
        let command = fs::read_to_string(folder.join("command")).unwrap();
        let arguments: Vec<&str> = command.lines().collect();
        let (said, success) = import(&arguments, &folder.join("input"));
        let expected = folder.join("expected");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("== {}:\n{said}", folder.display()));
        }
        if success {
            is_valid(&arguments, &folder.join("input"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Both forms, written to files, are what `podunit check` finds no error in; and none is written over.
fn is_valid(arguments: &[&str], folder: &Path) {
    for form in [&[][..], &["--split"]] {
        if arguments.contains(&"--split") && !form.is_empty() {
            continue;
        }
        let output = tempfile::tempdir().unwrap();
        let to = output.path().join("pods");
        let options = [
            &arguments[..1],
            &["--output", to.to_str().unwrap()],
            form,
            &arguments[1..],
        ]
        .concat();
        let (said, success) = import(&options, folder);
        assert!(success, "{said}");
        let check = Command::new(PODUNIT).arg("check").arg(&to).output().unwrap();
        let said = String::from_utf8(check.stderr).unwrap();
        assert_eq!(check.status.code(), Some(0), "{arguments:?}: {said}");
        if options.contains(&"--split") {
            is_for_quadlet(&to);
        }
        let (said, success) = import(&options, folder);
        assert!(!success && said.contains("is there already: --force"), "{said}");
        let forced = [&options[..1], &["--force"], &options[1..]].concat();
        assert!(import(&forced, folder).1);
    }
}

/// No key that Quadlet does not know stands in a section that it reads.
fn is_for_quadlet(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut section = String::new();
        for line in fs::read_to_string(&path).unwrap().lines() {
            if line.starts_with('[') {
                line.clone_into(&mut section);
            }
            let is_read = section == "[Pod]" || section.starts_with("[Container");
            let key = line.split('=').next().unwrap_or_default();
            let is_ours = podunit::definition::is_extension(key);
            assert!(!(is_read && is_ours), "{}: {section}: {line}", path.display());
        }
    }
}

#[test]
fn a_name_leads_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let command = [
        "run", "--output", "pods", "--name", "../evil", "--", "podman", "run", "nginx:1",
    ];
    let (said, success) = import(&command, folder.path());
    assert!(!success && said.contains("cannot be the name of a pod"), "{said}");
    let command = [
        "run",
        "--output",
        "pods",
        "--",
        "podman",
        "run",
        "--name",
        "../../evil",
        "nginx:1",
    ];
    let (said, success) = import(&command, folder.path());
    assert!(success && folder.path().join("pods/evil.pod").exists(), "{said}");
}

/// Every input that is kept for a target.
fn replay(target: &str, property: fn(&[u8])) {
    let mut count = 0;
    for entry in fs::read_dir(own("fuzz/corpus").join(target)).unwrap() {
        property(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target}");
}

#[test]
fn inputs_of_the_fuzzers() {
    replay("syntax", property::syntax);
    replay("words", property::words);
    replay("unit", property::unit);
    replay("commands", property::commands);
    replay("compose", property::compose);
    replay("kube", property::kube);
    replay("inspect", property::inspect);
    replay("generated", property::generated);
}

/// Text that comes near to what is meant.
fn text(words: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let word = prop_oneof![
        6 => prop::sample::select(words),
        2 => "[ \n\t:='\"\\\\{}\\[\\]$%,*&-]{1,3}",
        1 => "\\PC{0,4}",
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn texts_of_definitions(data in text("[Pod] [Container [Unit] Image= a b ; # \\\n = \n Exec= \"x\" %n")) {
        property::syntax(&data);
        property::words(&data);
        property::unit(&data);
    }

    #[test]
    fn command_lines(data in text("podman run docker pod create --name= -p -v -e --mount --pod= nginx:1 \n --network= a:b type=bind,src=/a")) {
        property::commands(&data);
        property::generated(&data);
    }

    #[test]
    fn trees(data in text("services:\n \n\u{20}\u{20} a: image: x:1\n - healthcheck: test: command: volumes: depends_on: kind: Pod\n spec: containers: name: <<: &a *a {A:-b} env:")) {
        property::compose(&data);
        property::kube(&data);
        property::inspect(&data);
    }
}
