//! Saving: other programs read what is written, and so does podunit.

use super::archives::{Image, Layer};
use super::crash::text;
use super::{Machine, is_root, skip};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const CONFIG: &str = r#"{"User":"www","Cmd":["c"],"ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}}}"#;

fn machine() -> Machine {
    let machine = Machine::new();
    let base = || {
        Layer::new()
            .owned("file", 0o4755, 7, 8, &[1; 5000])
            .hard_link("other", "file")
            .file("twice", b"1")
            .file("twice", b"2")
    };
    let image = |name: &str| {
        Image::new(name)
            .layer(base())
            .layer(Layer::new().file(".wh.file", b""))
            .config(CONFIG)
    };
    machine.load(&image("quay.io/one:1").archive(), None).unwrap();
    machine
        .load(&image("quay.io/one:1").archive(), Some("quay.io/same:1"))
        .unwrap();
    machine
        .load(
            &image("quay.io/two:2")
                .layer(Layer::new().file("two", b""))
                .archive(),
            None,
        )
        .unwrap();
    machine
}

const FORMS: [&[&str]; 4] = [
    &["--format", "oci-archive"],
    &["--format", "oci-archive", "--uncompressed"],
    &["--format", "oci-dir"],
    &["--format", "docker-archive"],
];

#[test]
fn what_is_saved_is_loaded_again() {
    if !is_root("save::what_is_saved_is_loaded_again") {
        return;
    }
    let machine = machine();
    for form in FORMS {
        let file = machine.folder.path().join(form.join(""));
        let all = ["quay.io/one:1", "quay.io/same:1", "quay.io/two:2"];
        let arguments = [&["save"], &all[..], form, &["-o", file.to_str().unwrap()]].concat();
        let output = machine.run("true", &arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let other = Machine::new();
        let loaded = other.store().load(&file, None).unwrap();
        assert_eq!(loaded.len(), 3, "{loaded:?}");
        other.is_whole();
        for name in all {
            let (before, after) = (machine.find(name), other.find(name));
            assert_eq!(before.config, after.config);
            let names = |layers: &[std::path::PathBuf]| -> Vec<_> {
                layers
                    .iter()
                    .map(|layer| layer.parent().unwrap().file_name().unwrap().to_owned())
                    .collect()
            };
            assert_eq!(names(&before.layers), names(&after.layers));
        }
        // Again it is the same, and an archive takes the old one's place.
        if file.is_file() {
            let before = fs::read(&file).unwrap();
            assert!(machine.run("true", &arguments).status.success());
            assert_eq!(fs::read(&file).unwrap(), before);
        } else {
            let again = machine.run("true", &arguments);
            assert!(text(&again.stderr).contains("exists already"), "{again:?}");
        }
    }
    assert_eq!(
        fs::read_dir(machine.paths().image_store().join("tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn images_go_through_pipes() {
    if !is_root("save::images_go_through_pipes") {
        return;
    }
    let (machine, other) = (machine(), Machine::new());
    let saved = machine.run("true", &["save", "quay.io/one:1"]);
    assert!(saved.status.success(), "{}", text(&saved.stderr));
    for arguments in [&["load"][..], &["load", "-", "--name", "x"]] {
        let mut child = other
            .podunit("true", arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&saved.stdout).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(text(&output.stdout).starts_with("Loaded "), "{output:?}");
    }
    assert_eq!(other.find("x").layers, other.find("quay.io/one:1").layers);
    let verified = other.run("true", &["verify"]);
    assert_eq!(text(&verified.stdout).matches(": ok").count(), 2, "{verified:?}");
}

#[test]
fn nothing_damaged_and_nothing_half_is_saved() {
    if !is_root("save::nothing_damaged_and_nothing_half_is_saved") {
        return;
    }
    let machine = machine();
    let folder = machine.folder.path().join("out");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("file");
    let save = |form: &[&str]| {
        let arguments = [&["save", "quay.io/one:1", "-o", file.to_str().unwrap()], form].concat();
        let output = machine.run("true", &arguments);
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let layer = machine.find("quay.io/one:1").layers[0].clone();
    fs::write(layer.join("file"), [2; 5000]).unwrap();
    fs::write(&file, "old").unwrap();
    for form in FORMS {
        if form != FORMS[2] {
            let error = save(form);
            assert!(error.contains("`file` has other contents"), "{error}");
            assert_eq!(fs::read(&file).unwrap(), b"old");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
    fs::remove_file(&file).unwrap();
    assert!(save(FORMS[2]).contains("`file` has other contents"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    // To a full device.
    let mut command = machine.podunit("true", &["save", "quay.io/two:2"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    fs::write(layer.join("file"), [1; 5000]).unwrap();
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("full"), "{output:?}");
}

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo")
        .arg("--insecure-policy")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?} {output:?}");
    text(&output.stdout)
}

#[test]
fn skopeo_reads_what_is_saved() {
    if !is_root("save::skopeo_reads_what_is_saved") {
        return;
    }
    if Command::new("skopeo").arg("--version").output().is_err() {
        return skip::skipped("save::skopeo_reads_what_is_saved", "needs skopeo");
    }
    let machine = machine();
    for (at, form) in FORMS.iter().enumerate() {
        let file = machine.folder.path().join(form.join(""));
        let arguments = [&["save", "quay.io/two:2"], *form, &["-o", file.to_str().unwrap()]].concat();
        assert!(machine.run("true", &arguments).status.success());
        let transport = ["oci-archive", "oci-archive", "oci", "docker-archive"][at];
        let from = format!("{transport}:{}:quay.io/two:2", file.display());
        let config = skopeo(&["inspect", "--config", &from]);
        assert!(config.contains("80/tcp") && config.contains("/data"), "{config}");
        // It checks the digests of all blobs; back again by another way.
        let back = machine.folder.path().join(format!("back{at}"));
        skopeo(&[
            "copy",
            "-q",
            &from,
            &format!("docker-archive:{}:quay.io/back:{at}", back.display()),
        ]);
        let loaded = machine.store().load(&back, None).unwrap();
        assert_eq!(loaded[0].reference, format!("quay.io/back:{at}"));
        assert_eq!(
            machine.find(&loaded[0].reference).layers,
            machine.find("quay.io/two:2").layers
        );
        assert!(Path::new(&back).exists());
    }
}
