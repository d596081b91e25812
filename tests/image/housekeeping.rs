//! Looking at images, naming them, and taking away what nobody needs.

use super::archives::{Image, Layer};
use super::crash::text;
use super::{Machine, is_root};
use podunit::image::store::Prune;
use podunit::image::{Digest, Needs};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

const POD: &str = r#"{"version":1,"name":"web","source":"/etc/podunit/web.pod",
    "share":{"net":true,"ipc":true,"uts":true,"pid":false},"hostname":null,"network":"none","ports":[],
    "shm_size":65536,"labels":{},"start_timeout":null,
    "members":[{"name":"a","source":"/etc/podunit/web.pod","image":{"image":{"reference":"nginx"}},"exec":null,"entrypoint":null,
    "environment":[],"environment_files":[],"user":null,"working_dir":null,"binds":[],"tmpfs":[],"read_only":false,
    "add_capabilities":[],"drop_capabilities":[],"stop_signal":null,"stop_timeout":1000000,"reload_signal":null,
    "signal_map":{},"ready":"started","labels":{},"units":{"unit":[],"service":[],"install":[]}}],
    "units":{"unit":[],"service":[],"install":[]}}"#;

fn image(name: &str) -> Image {
    Image::new(name)
        .layer(Layer::new().file("base", b"base"))
        .layer(Layer::new().file(name, b"12345"))
}

fn machine(names: &[&str]) -> Machine {
    let machine = Machine::new();
    for name in names {
        machine.load(&image(name).archive(), None).unwrap();
    }
    machine
}

/// A pod that systemd knows, of a member with the image nginx.
fn define(machine: &Machine) {
    let folder = machine.paths().under("/run/systemd/generator");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pod-web.json"), POD).unwrap();
}

fn done(machine: &Machine, arguments: &[&str]) -> String {
    let output = machine.run("true", arguments);
    assert!(output.status.success(), "{arguments:?} {}", text(&output.stderr));
    text(&output.stdout)
}

fn refused(machine: &Machine, arguments: &[&str]) -> String {
    let before = machine.listing();
    let output = machine.run("true", arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(machine.listing(), before);
    text(&output.stderr)
}

/// As if nobody had touched it for some days.
fn age(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    File::options()
        .append(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

#[test]
fn images_are_listed_with_who_needs_them() {
    if !is_root("housekeeping::images_are_listed_with_who_needs_them") {
        return;
    }
    let machine = machine(&["nginx", "busybox"]);
    define(&machine);
    let digest = machine.find("nginx").digest;
    let listed = done(&machine, &["ls"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].starts_with("REFERENCE") && !lines[0].contains("PLATFORM"),
        "{listed}"
    );
    assert!(
        lines[1].contains("busybox") && lines[1].ends_with('-'),
        "{listed}"
    );
    assert!(
        lines[2].contains(&digest[..19]) && lines[2].contains("9 B") && lines[2].ends_with("web/a"),
        "{listed}"
    );
    assert!(lines[2].contains(" ago"), "{listed}");

    done(&machine, &["tag", "nginx", "quay.io/other:1", "x"]);
    let inspected = done(&machine, &["inspect", "nginx", "busybox"]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    let nginx = &inspected[1];
    assert_eq!(nginx["digest"], digest);
    assert_eq!(nginx["needed_by"][0], "web/a");
    assert_eq!(nginx["also"].as_array().unwrap().len(), 2);
    assert_eq!(nginx["config"]["os"], "linux");
    assert_eq!(nginx["manifest"]["schemaVersion"], 2);
    assert_eq!(nginx["layers"][1]["size"], 5);
    assert!(Path::new(nginx["layers"][0]["path"].as_str().unwrap()).is_absolute());
    assert!(refused(&machine, &["inspect", "nginx", "none"]).contains("none"));
    assert!(refused(&machine, &["tag", "none", "y"]).contains("none"));
    let wrong = format!("y@sha256:{}", "0".repeat(64));
    assert!(refused(&machine, &["tag", "nginx", "z", &wrong]).contains("has the digest"));
}

#[test]
fn what_somebody_needs_is_removed_by_force_only() {
    if !is_root("housekeeping::what_somebody_needs_is_removed_by_force_only") {
        return;
    }
    let machine = machine(&["nginx", "busybox"]);
    define(&machine);
    assert!(refused(&machine, &["rm", "busybox", "nginx"]).contains("needed by web/a"));
    done(&machine, &["rm", "busybox"]);
    // A name is not needed, if the definition has another.
    done(&machine, &["tag", "nginx", "other"]);
    done(&machine, &["rm", "other"]);
    // A member that runs it keeps it.
    let found = machine.find("nginx");
    let member = machine
        .paths()
        .pod(&"web".parse().unwrap())
        .member(&"a".parse().unwrap());
    fs::create_dir_all(member.dir()).unwrap();
    fs::write(member.image(), format!("{}\nnginx\n", found.digest)).unwrap();
    assert!(refused(&machine, &["rm", "nginx"]).contains("in use by web/a"));
    done(&machine, &["rm", "nginx", "--force"]);
    assert!(machine.store().find("nginx", None).is_err() && found.layers.iter().all(|layer| layer.is_dir()));
    // And an update that went wrong can go back to it.
    let digest: Digest = found.digest.parse().unwrap();
    machine
        .store()
        .point(&"nginx".parse().unwrap(), None, digest)
        .unwrap();
    assert_eq!(machine.find("nginx"), found);
    done(&machine, &["rm", "nginx", "-f"]);
    fs::remove_file(member.image()).unwrap();
    done(&machine, &["prune"]);
    assert!(!found.layers[0].exists());
    assert!(
        machine
            .store()
            .point(&"nginx".parse().unwrap(), None, digest)
            .is_err()
    );

    // What cannot be read may need anything.
    machine.load(&image("nginx").archive(), None).unwrap();
    fs::write(machine.paths().under("/run/systemd/generator/pod-web.json"), "{").unwrap();
    assert!(refused(&machine, &["rm", "nginx"]).contains("not known"));
    assert!(refused(&machine, &["prune", "--all", "--until", "0"]).contains("not known"));
    assert!(done(&machine, &["ls"]).contains("nginx"));
}

#[test]
fn a_kept_image_outlives_its_name() {
    if !is_root("housekeeping::a_kept_image_outlives_its_name") {
        return;
    }
    let machine = machine(&["nginx"]);
    let (store, found) = (machine.store(), machine.find("nginx"));
    let digest: Digest = found.digest.parse().unwrap();
    store.work().unwrap().keep_image("before-update", digest).unwrap();
    store
        .remove(&["nginx".parse().unwrap()], &Needs::default(), false)
        .unwrap();
    assert!(found.layers.iter().all(|layer| layer.is_dir()));
    store.point(&"nginx".parse().unwrap(), None, digest).unwrap();
    assert_eq!(machine.find("nginx"), found);
    store
        .remove(&["nginx".parse().unwrap()], &Needs::default(), false)
        .unwrap();
    store.work().unwrap().release("before-update").unwrap();
    assert!(!found.layers[0].exists());
}

#[test]
fn pruning_takes_what_is_old_and_needed_by_nobody() {
    if !is_root("housekeeping::pruning_takes_what_is_old_and_needed_by_nobody") {
        return;
    }
    assert!(done(&Machine::new(), &["prune", "--all"]).contains("Freed 0 B"));
    let machine = machine(&["nginx", "busybox", "new"]);
    define(&machine);
    let store = machine.store();
    let root = machine.paths().image_store();
    for name in ["nginx", "busybox"] {
        let key = podunit::model::reference_key(&name.parse().unwrap(), None);
        age(&root.join("refs").join(key), 3);
    }
    let digest = |digit: &str| Digest::from_hex(&digit.repeat(64)).unwrap();
    let held = {
        let work = store.work().unwrap();
        for digit in ["1", "2", "3"] {
            work.partial(digest(digit))
                .unwrap()
                .file()
                .write_all(b"half")
                .unwrap();
        }
        for digit in ["1", "3"] {
            age(&root.join("partial").join(digit.repeat(64)), 3);
        }
        File::open(root.join("partial").join("3".repeat(64))).unwrap()
    };
    held.lock().unwrap();
    let before = machine.listing();
    let dry = done(&machine, &["prune", "--all", "--until", "2d", "--dry-run"]);
    assert_eq!(machine.listing(), before);
    let really = done(&machine, &["prune", "--all", "--until", "2d"]);
    assert_eq!(
        dry.replace("Would remove", "Removed")
            .replace("Would free", "Freed"),
        really
    );
    // "base" is another's too.
    assert_eq!(
        really,
        format!(
            "Removed docker.io/library/busybox:latest\nRemoved what was downloaded of {}\nFreed 9 B\n",
            digest("1")
        )
    );
    let left = store.list(&Needs::default()).unwrap();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(fs::read_dir(root.join("partial")).unwrap().count(), 2);
    drop(held);
    let all = Prune {
        all: true,
        until: Duration::ZERO,
        is_dry: false,
    };
    assert_eq!(store.prune(all, &Needs::default()).unwrap().images.len(), 2);
    assert!(store.list(&Needs::default()).unwrap().is_empty());
    assert_eq!(fs::read_dir(root.join("layers")).unwrap().count(), 0);
}
