//! Images: loaded, found and removed, from good and from hostile archives.
//!
//! Files get owners, device numbers and `trusted.` attributes, so nearly all of this needs root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "image/archives.rs"]
mod archives;
#[path = "image/crash.rs"]
mod crash;
#[path = "image/formats.rs"]
mod formats;
#[path = "image/hostile.rs"]
mod hostile;
#[path = "image/housekeeping.rs"]
mod housekeeping;
#[path = "image/properties.rs"]
mod properties;
#[path = "image/property.rs"]
mod property;
#[path = "common/root.rs"]
mod root;
#[path = "image/save.rs"]
mod save;
#[path = "common/skip.rs"]
mod skip;
#[path = "image/verify.rs"]
mod verify;
#[path = "image/work.rs"]
mod work;

use archives::{Image, Layer, gzip};
use podunit::image::{ImageError, Needs, Store};
use podunit::model::{Paths, PodName, UnpackedImage};
use root::is_root;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A machine's file tree with a store in it.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn paths(&self) -> Paths {
        Paths::new(self.folder.path().join("root"))
    }

    fn store(&self) -> Store {
        Store::new(&self.paths())
    }

    /// Writes an archive beside the tree.
    fn file(&self, contents: &[u8]) -> PathBuf {
        let path = self.folder.path().join("archive");
        fs::write(&path, contents).unwrap();
        path
    }

    fn load(&self, archive: &[u8], name: Option<&str>) -> Result<Vec<String>, ImageError> {
        let loaded = self.store().load(
            &self.file(archive),
            name.map(|name| name.parse().unwrap()).as_ref(),
        )?;
        self.is_whole();
        Ok(loaded.into_iter().map(|image| image.reference).collect())
    }

    /// That everything in the store is what it was when it came.
    #[track_caller]
    fn is_whole(&self) {
        for image in self.store().verify(&[], |_| ()).unwrap() {
            assert!(image.damages.is_empty(), "{image:?}");
        }
    }

    fn find(&self, name: &str) -> UnpackedImage {
        self.store().find(name, None).unwrap()
    }

    /// Everything in the store: kind and mode, size, path.
    fn listing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(&self.paths().image_store(), &mut lines);
        lines.sort();
        lines
    }
}

fn list(folder: &Path, lines: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        let size = if meta.is_dir() { 0 } else { meta.len() };
        lines.push(format!(
            "{:o} {} {} {size} {}",
            meta.mode(),
            meta.uid(),
            meta.rdev(),
            path.display()
        ));
        if meta.is_dir() {
            list(&path, lines);
        }
    }
}

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    let length = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

#[test]
fn a_layer_is_unpacked_as_it_was_packed() {
    if !is_root("a_layer_is_unpacked_as_it_was_packed") {
        return;
    }
    let machine = Machine::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let layer = Layer::new()
        .directory("./", 0o755)
        .owned_directory("home/", 0o2750, 1000, 1001)
        .pax(&[
            ("mtime", b"1700000000.5"),
            ("SCHILY.xattr.security.capability", &capability),
        ])
        .owned("home/setuid", 0o4755, 1000, 1001, b"x")
        .pax(&[
            ("SCHILY.xattr.user.a", b"b"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ])
        .file("plain", b"hello")
        .hard_link("other", "plain")
        .symlink("link", "/proc/mounts")
        .hard_link("other-link", "link")
        .symlink("lib", "usr/lib")
        .directory("usr/lib", 0o755)
        .file("lib/through", b"inside")
        .file("implicit/parent/file", b"")
        .fifo("fifo")
        .file("twice", b"first")
        .file("twice", b"second")
        .file("was-file", b"")
        .directory("was-file", 0o700)
        .directory("was-directory", 0o700)
        .file("was-directory/in", b"")
        .file("was-directory", b"file");
    machine
        .load(&Image::new("a").layer(layer).archive(), None)
        .unwrap();
    let root = machine.find("a").layers[0].clone();
    let meta = |name: &str| root.join(name).symlink_metadata().unwrap();
    let (setuid, home) = (meta("home/setuid"), meta("home"));
    assert_eq!(
        (setuid.mode(), setuid.uid(), setuid.gid()),
        (0o104_755, 1000, 1001)
    );
    assert_eq!(
        (setuid.mtime(), setuid.mtime_nsec()),
        (1_700_000_000, 500_000_000)
    );
    assert_eq!(
        (home.mode(), home.uid(), home.gid(), home.mtime()),
        (0o42_750, 1000, 1001, 1_600_000_000)
    );
    assert_eq!(
        xattr(&root.join("home/setuid"), "security.capability").unwrap(),
        capability
    );
    assert_eq!(xattr(&root.join("plain"), "trusted.overlay.opaque"), None);
    assert_eq!(meta("plain").ino(), meta("other").ino());
    assert_eq!(meta("link").ino(), meta("other-link").ino());
    assert_eq!(
        fs::read_link(root.join("link")).unwrap(),
        Path::new("/proc/mounts")
    );
    assert_eq!(fs::read(root.join("usr/lib/through")).unwrap(), b"inside");
    assert_eq!(meta("implicit/parent").mode(), 0o40_755);
    assert!(meta("fifo").file_type().is_fifo());
    assert_eq!(fs::read(root.join("twice")).unwrap(), b"second");
    assert!(meta("was-file").is_dir());
    assert_eq!(fs::read(root.join("was-directory")).unwrap(), b"file");
    assert_eq!(
        machine.paths().image_store().metadata().unwrap().mode() & 0o777,
        0o700
    );
}

#[test]
fn deletions_become_overlay_marks() {
    if !is_root("deletions_become_overlay_marks") {
        return;
    }
    let machine = Machine::new();
    let layer = Layer::new()
        .directory("etc", 0o755)
        .file("etc/.wh.gone", b"")
        .file(".wh..wh.plnk", b"")
        .directory("new", 0o755)
        .file("new/.wh..wh..opq", b"")
        // What the layer has itself stays, whatever the order.
        .file(".wh.back", b"")
        .directory("back", 0o755)
        .directory("early", 0o755)
        .file(".wh.early", b"")
        .file("file", b"new")
        .file(".wh.file", b"")
        .file(".wh.again", b"")
        .file("again", b"new");
    machine
        .load(&Image::new("a").layer(layer).archive(), None)
        .unwrap();
    let root = machine.find("a").layers[0].clone();
    let gone = root.join("etc/gone").symlink_metadata().unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    for opaque in ["new", "back", "early"] {
        assert_eq!(
            xattr(&root.join(opaque), "trusted.overlay.opaque").as_deref(),
            Some(&b"y"[..]),
            "{opaque}"
        );
    }
    assert_eq!(xattr(&root.join("etc"), "trusted.overlay.opaque"), None);
    assert_eq!(fs::read(root.join("file")).unwrap(), b"new");
    assert_eq!(fs::read(root.join("again")).unwrap(), b"new");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 6);
}

#[test]
fn overlayfs_understands_the_layers() {
    if !is_root("overlayfs_understands_the_layers") {
        return;
    }
    let machine = Machine::new();
    let lower = Layer::new()
        .file("keep", b"")
        .file("gone", b"")
        .file("emptied/old", b"")
        .file("replaced/old", b"");
    let upper = Layer::new()
        .file(".wh.gone", b"")
        .file("emptied/.wh..wh..opq", b"")
        .file(".wh.replaced", b"")
        .directory("replaced", 0o755)
        .file("replaced/new", b"");
    machine
        .load(&Image::new("a").layer(lower).layer(upper).archive(), None)
        .unwrap();
    let layers = machine.find("a").layers;
    let options = format!("lowerdir={}:{}", layers[1].display(), layers[0].display());
    let script = "mount -t overlay overlay -o \"$1\" /mnt && cd /mnt && find . | sort | tr '\\n' ' '";
    let output = std::process::Command::new("unshare")
        .args([
            "-m",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
            &options,
        ])
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        seen, ". ./emptied ./keep ./replaced ./replaced/new ",
        "{output:?}"
    );
}

#[test]
fn every_form_of_archive_is_read() {
    if !is_root("every_form_of_archive_is_read") {
        return;
    }
    let layer = || Layer::new().file("hello", b"world");
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let plain = Image::new("a").layer(layer());
    let forms = [
        plain.archive(),
        plain.archive_backwards(),
        gzip(&plain.archive()),
        zstd(&plain.archive()),
        Image::new("a").compressed_layer(layer(), gzip).archive(),
        Image::new("a").compressed_layer(layer(), zstd).archive(),
    ];
    for archive in forms {
        let machine = Machine::new();
        assert_eq!(
            machine.load(&archive, None).unwrap(),
            ["docker.io/library/a:latest"]
        );
        let found = machine.find("a");
        assert_eq!(fs::read(found.layers[0].join("hello")).unwrap(), b"world");
    }
    let machine = Machine::new();
    let layout = machine.folder.path().join("layout");
    plain.layout(&layout);
    let loaded = machine.store().load(&layout, None).unwrap();
    assert_eq!(loaded[0].reference, "docker.io/library/a:latest");
    // A damaged blob in the layout is found even if its layer is in the store already.
    let blob = layout.join("blobs/sha256").join(&plain.layer_digests()[0]);
    let mut contents = fs::read(&blob).unwrap();
    contents[20] ^= 1;
    fs::write(&blob, contents).unwrap();
    let error = machine.store().load(&layout, None).unwrap_err().to_string();
    assert!(error.contains(&plain.layer_digests()[0]), "{error}");
}

#[test]
fn names_come_from_the_archive_or_the_command() {
    if !is_root("names_come_from_the_archive_or_the_command") {
        return;
    }
    let machine = Machine::new();
    let image = |name: &str| Image::new(name).layer(Layer::new().file(&format!("f{name}"), b""));
    let text = |result: Result<Vec<String>, ImageError>| result.unwrap_err().to_string();
    assert_eq!(
        machine
            .load(&image("quay.io/a/b:1").archive(), Some("x"))
            .unwrap(),
        ["docker.io/library/x:latest"]
    );
    assert!(text(machine.load(&image("").archive(), None)).contains("--name"));
    assert!(text(machine.load(&image("../evil").archive(), None)).contains("--name"));
    let both = Image::several(&[image("one"), image("two")]);
    assert_eq!(machine.load(&both, None).unwrap().len(), 2);
    assert!(text(machine.load(&both, Some("x"))).contains("several"));

    // One name, several platforms: this machine's is taken, also out of a nested index.
    let here = oci_spec::image::Arch::default().to_string();
    let platforms = [image("multi").platform("s390x"), image("multi").platform(&here)];
    let expected = platforms[1].digest();
    for archive in [Image::several(&platforms), Image::nested("multi", &platforms)] {
        machine.load(&archive, None).unwrap();
        assert_eq!(machine.find("multi").digest, format!("sha256:{expected}"));
    }
    let foreign = Image::nested(
        "multi",
        &[
            image("multi").platform("s390x"),
            image("multi").platform("sparc64"),
        ],
    );
    assert!(text(machine.load(&foreign, None)).contains("s390x"));
    let loaded = machine
        .store()
        .load(&machine.file(&image("far").platform("s390x").archive()), None)
        .unwrap();
    assert!(loaded[0].warnings[0].contains("linux/s390x"), "{loaded:?}");
}

#[test]
fn images_are_found_by_name_and_digest() {
    if !is_root("images_are_found_by_name_and_digest") {
        return;
    }
    let machine = Machine::new();
    let missing = |name: &str| machine.store().find(name, None).unwrap_err().to_string();
    assert!(missing("nginx").contains("podunit image pull docker.io/library/nginx:latest"));
    assert!(missing("../x").contains("../x"));
    assert!(!machine.paths().image_store().exists());

    let config = r#"{"User":"www","Env":["A=1"],"Entrypoint":["/e"],"Cmd":["c"],"StopSignal":"SIGNOPE"}"#;
    let image = Image::new("nginx")
        .layer(Layer::new().file("a", b"12345"))
        .config(config);
    let loaded = machine
        .store()
        .load(&machine.file(&image.archive()), None)
        .unwrap();
    assert!(loaded[0].warnings[0].contains("SIGNOPE"), "{loaded:?}");
    let digest = image.digest();
    for name in [
        "nginx",
        "docker.io/library/nginx:latest",
        &format!("nginx@sha256:{digest}"),
    ] {
        let found = machine.find(name);
        assert_eq!(found.digest, format!("sha256:{digest}"));
        assert_eq!(found.config.user.as_deref(), Some("www"));
        assert_eq!(found.config.stop_signal, None);
    }
    assert!(missing("nginx:1").contains("nginx:1"));
    assert!(missing(&format!("httpd@sha256:{digest}")).contains("httpd"));
    let listed = machine.store().list(&Needs::default()).unwrap();
    assert_eq!(
        (listed[0].size, listed[0].created.as_deref()),
        (5, Some("2024-05-01T12:00:00Z"))
    );

    // Damage is told from absence.
    fs::remove_dir_all(&machine.find("nginx").layers[0]).unwrap();
    assert!(missing("nginx").contains("damaged"));
    let wrong = format!("nginx@sha256:{}", "0".repeat(64));
    assert!(machine.load(&image.archive(), Some(&wrong)).is_err());
}

#[test]
fn layers_are_shared_and_go_with_the_last_image() {
    if !is_root("layers_are_shared_and_go_with_the_last_image") {
        return;
    }
    let machine = Machine::new();
    let base = || Layer::new().file("base", b"base");
    let image = |name: &str| Image::new(name).layer(base()).layer(Layer::new().file(name, b""));
    machine.load(&image("one").archive(), None).unwrap();
    let after_one = machine.listing();
    machine.load(&image("two").archive(), None).unwrap();
    let (one, two) = (machine.find("one"), machine.find("two"));
    assert_eq!(one.layers[0], two.layers[0]);
    assert_ne!(one.layers[1], two.layers[1]);

    // In use: the member has written down the digest.
    let pod = PodName::new("p").unwrap();
    let member = machine.paths().pod(&pod).member(&"m".parse().unwrap());
    fs::create_dir_all(member.dir()).unwrap();
    fs::write(member.image(), format!("{}\ntwo\n", two.digest)).unwrap();
    let refused = machine
        .store()
        .remove(
            &["one".parse().unwrap(), "two".parse().unwrap()],
            &Needs::default(),
            false,
        )
        .unwrap_err();
    assert!(refused.to_string().contains("p/m"), "{refused}");
    machine.find("one");
    // Replaced while in use: the old layers stay until they are not.
    machine.load(&image("new").archive(), Some("two")).unwrap();
    assert!(two.layers.iter().all(|layer| layer.is_dir()));
    fs::remove_file(member.image()).unwrap();

    assert_eq!(
        machine
            .store()
            .remove(&["two".parse().unwrap()], &Needs::default(), false)
            .unwrap(),
        ["docker.io/library/two:latest"]
    );
    assert!(!two.layers[1].exists());
    assert_eq!(machine.listing(), after_one);
    assert!(
        machine
            .store()
            .remove(&["two".parse().unwrap()], &Needs::default(), false)
            .is_err()
    );
    machine
        .store()
        .remove(&["one".parse().unwrap()], &Needs::default(), false)
        .unwrap();
    let left = fs::read_dir(machine.paths().image_store().join("layers"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
}
