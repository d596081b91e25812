//! Verifying: what is whole is called whole, and damage is found wherever it is.

use super::archives::{Image, Layer};
use super::{Machine, is_root};
use podunit::image::{Needs, Reference};
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use tar::EntryType;

/// Everything that makes it hard to make an archive again.
fn intricate() -> Layer {
    let long = "n".repeat(150);
    Layer::new()
        .directory("./", 0o755)
        .file("plain", &[7; 3000])
        .file("empty", b"")
        .hard_link("hard", "plain")
        .symlink("link", "plain")
        .pax(&[("path", long.as_bytes()), ("SCHILY.xattr.user.a", b"b")])
        .file("x", b"long name")
        // what a later member hides stays known
        .file("twice", b"first")
        .file("twice", b"second")
        .file("twice", b"third")
        .hard_link("second", "twice")
        .file("twice", b"last")
        .directory("was-directory", 0o700)
        .directory("was-directory/deep", 0o700)
        .file("was-directory/deep/in", b"hidden")
        .file("was-directory/in", b"changed")
        .file("was-directory/in", b"hidden too")
        .file("was-directory", b"file")
        .directory("empty-directory", 0o700)
        .file("empty-directory", b"file")
        .symlink("lib", "usr/lib")
        .directory("usr/lib", 0o755)
        .file("lib/through", b"inside")
        .file("lib", b"no link any more")
        .file("gone/.wh.file", b"contents of a whiteout")
        .file("gone/.wh..wh..opq", b"")
        .file(".wh.again", b"")
        .file("again", b"new")
        .special(EntryType::XGlobalHeader, "global", "")
        .fifo("fifo")
        .sparse("sparse", 4096, b"data", 10_000)
}

fn machine() -> Machine {
    let machine = Machine::new();
    let mut archive = intricate().finish();
    archive.extend([9; 5000]);
    let image = Image::new("a").raw_layer(archive.clone(), super::archives::sha256(&archive));
    let image = image.layer(Layer::new().file("upper", b"x").file("b", b""));
    machine.load(&image.archive(), None).unwrap();
    machine
}

#[test]
fn intricate_layers_are_whole() {
    if !is_root("verify::intricate_layers_are_whole") {
        return;
    }
    let machine = machine();
    let layer = machine.find("a").layers[0].clone();
    assert_eq!(fs::read(layer.join("twice")).unwrap(), b"last");
    assert_eq!(fs::read(layer.join("second")).unwrap(), b"third");
    let sparse = fs::read(layer.join("sparse")).unwrap();
    assert_eq!((sparse.len(), &sparse[4096..4101]), (10_000, &b"data\0"[..]));
    let replaced = layer.with_file_name("replaced");
    assert_eq!(fs::read(replaced.join("0")).unwrap(), b"first");
    assert_eq!(fs::read_dir(replaced).unwrap().count(), 6);
}

/// What a test does to a layer.
type Harm = fn(&Path);

#[test]
fn damage_is_found_and_removed() {
    if !is_root("verify::damage_is_found_and_removed") {
        return;
    }
    let harms: &[(Harm, &str)] = &[
        (
            |tree| contents(&tree.join("plain"), &[8; 3000]),
            "`plain` has other contents",
        ),
        (
            |tree| contents(&tree.join("plain"), b"short"),
            "`plain` has another size",
        ),
        (
            |tree| fs::remove_file(tree.join("plain")).unwrap(),
            "`plain` is missing",
        ),
        (
            |tree| fs::remove_file(tree.join("link")).unwrap(),
            "`link` is missing",
        ),
        (
            |tree| fs::remove_file(tree.join("gone/file")).unwrap(),
            "`gone/file` is missing",
        ),
        (
            |tree| {
                fs::remove_file(tree.join("plain")).unwrap();
                symlink("/etc/passwd", tree.join("plain")).unwrap();
            },
            "`plain` cannot be read",
        ),
        (
            |tree| {
                fs::remove_file(tree.join("link")).unwrap();
                symlink("hard", tree.join("link")).unwrap();
            },
            "`link` is something else",
        ),
        (
            |tree| fs::write(tree.join("gone/new"), b"").unwrap(),
            "`gone/new` is not of the image",
        ),
        (
            |tree| fs::set_permissions(tree.join("again"), Permissions::from_mode(0o4755)).unwrap(),
            "`again` has another owner, mode",
        ),
        (
            |tree| std::os::unix::fs::chown(tree.join("again"), Some(7), None).unwrap(),
            "`again` has another owner",
        ),
        (
            |tree| rustix::fs::removexattr(tree.join("gone"), "trusted.overlay.opaque").unwrap(),
            "`gone` has other extended attributes",
        ),
        (
            |tree| contents(&tree.with_file_name("replaced").join("0"), b"other"),
            "`replaced/0` has other contents",
        ),
        (
            |tree| fs::remove_dir_all(tree.with_file_name("replaced")).unwrap(),
            "`replaced/0` is missing",
        ),
        (
            |tree| fs::remove_file(tree.with_file_name("record")).unwrap(),
            "record cannot be read",
        ),
        (
            |tree| contents(&tree.with_file_name("record"), b"rubbish"),
            "record cannot be read",
        ),
        (
            |tree| fs::remove_dir_all(tree.parent().unwrap()).unwrap(),
            "a layer is missing",
        ),
    ];
    for (harm, expected) in harms {
        let machine = machine();
        let store = machine.store();
        harm(&machine.find("a").layers[0]);
        let verified = store
            .verify(&["a".parse::<Reference>().unwrap()], |_| ())
            .unwrap();
        let damages = &verified[0].damages;
        assert!(
            damages.iter().any(|text| text.contains(expected)),
            "{damages:?}, not {expected}"
        );
        assert_eq!(
            store.remove_damaged(&verified).unwrap(),
            ["docker.io/library/a:latest"]
        );
        assert!(store.list(&Needs::default()).unwrap().is_empty());
        let left = fs::read_dir(machine.paths().image_store().join("layers"))
            .unwrap()
            .count();
        assert_eq!(left, 0, "{expected}");
    }
}

fn contents(path: &Path, contents: &[u8]) {
    let time = path.metadata().unwrap().modified().unwrap();
    fs::write(path, contents).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn damaged_documents_are_found() {
    if !is_root("verify::damaged_documents_are_found") {
        return;
    }
    let blobs = |machine: &Machine| machine.paths().image_store().join("blobs/sha256");
    for at in 0..2 {
        for is_removed in [true, false] {
            let machine = machine();
            let mut paths: Vec<_> = fs::read_dir(blobs(&machine))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            paths.sort();
            match is_removed {
                true => fs::remove_file(&paths[at]).unwrap(),
                false => contents(&paths[at], b"{}"),
            }
            let verified = machine.store().verify(&[], |_| ()).unwrap();
            let name = paths[at].file_name().unwrap().to_str().unwrap();
            assert!(verified[0].damages[0].contains(name), "{verified:?}");
            machine.store().remove_damaged(&verified).unwrap();
            assert!(machine.store().list(&Needs::default()).unwrap().is_empty());
        }
    }
}

#[test]
fn an_image_that_shares_the_damage_goes_too_and_one_in_use_stays() {
    if !is_root("verify::an_image_that_shares_the_damage_goes_too_and_one_in_use_stays") {
        return;
    }
    let machine = Machine::new();
    let image = |name: &str| Image::new(name).layer(Layer::new().file("base", b"base"));
    for name in ["one", "two"] {
        machine
            .load(&image(name).layer(Layer::new().file(name, b"")).archive(), None)
            .unwrap();
    }
    machine
        .load(
            &Image::new("other").layer(Layer::new().file("o", b"")).archive(),
            None,
        )
        .unwrap();
    let two = machine.find("two");
    fs::write(two.layers[0].join("base"), b"evil").unwrap();
    let store = machine.store();
    let verified = store.verify(&["one".parse().unwrap()], |_| ()).unwrap();
    let pod = "p".parse().unwrap();
    let member = machine.paths().pod(&pod).member(&"m".parse().unwrap());
    fs::create_dir_all(member.dir()).unwrap();
    fs::write(member.image(), format!("{}\ntwo\n", two.digest)).unwrap();
    let refused = store.remove_damaged(&verified).unwrap_err().to_string();
    assert!(refused.contains("p/m"), "{refused}");
    assert_eq!(store.list(&Needs::default()).unwrap().len(), 3);
    fs::remove_file(member.image()).unwrap();
    assert_eq!(store.remove_damaged(&verified).unwrap().len(), 2);
    machine.is_whole();
    assert_eq!(store.list(&Needs::default()).unwrap().len(), 1);
    // What is loaded again is whole again.
    machine.load(&image("one").archive(), None).unwrap();
    assert_eq!(
        machine.find("one").layers[0]
            .join("base")
            .metadata()
            .unwrap()
            .size(),
        4
    );
}
