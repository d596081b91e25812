//! Archives that are broken or mean harm: a clear error, and nothing changed.

use super::archives::{Image, Layer, gzip, pack, sha256};
use super::crash::text;
use super::{Machine, is_root};
use std::fs;
use tar::EntryType;

/// A machine with one good image, which has to stay as it is.
fn machine() -> (Machine, Vec<String>) {
    let machine = Machine::new();
    machine
        .load(
            &Image::new("good").layer(Layer::new().file("good", b"")).archive(),
            None,
        )
        .unwrap();
    let listing = machine.listing();
    (machine, listing)
}

#[track_caller]
fn refused(machine: &Machine, before: &[String], archive: &[u8], expected: &str) {
    let error = machine.load(archive, None).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}\nexpected: {expected}");
    assert!(!error.contains('\u{1b}'), "{error:?}");
    assert_eq!(machine.listing(), before, "{error}");
}

#[test]
fn layers() {
    if !is_root("hostile::layers") {
        return;
    }
    let (machine, before) = machine();
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().to_str().unwrap();
    let layer = Layer::new;
    let long = "a/".repeat(3000);
    for (layer, expected) in [
        (layer().file("../evil", b"x"), "`..`"),
        (layer().file("a/../../evil", b"x"), "`a/../../evil`"),
        (layer().directory("../evil", 0o755), "`..`"),
        (layer().file("../.wh.evil", b""), "`..`"),
        (layer().file(&format!("{absolute}/evil"), b"x"), "absolute"),
        (
            layer().symlink("out", absolute).file("out/evil", b"x"),
            "`out/evil`",
        ),
        (
            layer()
                .symlink("out", absolute)
                .directory("out/", 0o755)
                .symlink("out", absolute)
                .file("out/evil", b""),
            "link",
        ),
        (
            layer().symlink("out", "../../../../..").file("out/evil", b"x"),
            "link",
        ),
        (
            layer().symlink("a", "b").symlink("b", "a").file("a/evil", b"x"),
            "link",
        ),
        (
            layer().symlink("nowhere", "missing").file("nowhere/evil", b"x"),
            "link",
        ),
        (
            layer()
                .symlink("magic", "/proc/self/cwd")
                .file("magic/evil", b"x"),
            "link",
        ),
        (
            layer().file("file", b"").file("file/evil", b"x"),
            "not a directory",
        ),
        (layer().symlink("out", absolute).file("out/.wh.evil", b""), "link"),
        (
            layer().symlink("out", absolute).file("out/.wh..wh..opq", b""),
            "link",
        ),
        (
            layer()
                .directory("d", 0o755)
                .file("d/x", b"")
                .symlink("d", absolute)
                .file("d/evil", b"x"),
            "link",
        ),
        (layer().hard_link("evil", "../../etc/passwd"), "hard link"),
        (layer().hard_link("evil", "/etc/passwd"), "hard link"),
        (
            layer().symlink("out", "/etc").hard_link("evil", "out/passwd"),
            "hard link",
        ),
        (layer().hard_link("evil", "missing"), "does not have"),
        (
            layer().directory("dir", 0o755).hard_link("evil", "dir"),
            "does not have",
        ),
        (layer().special(EntryType::Char, "null", ""), "device"),
        (layer().special(EntryType::Block, "sda", ""), "device"),
        (layer().special(EntryType::new(b'V'), "label", ""), "kind"),
        (layer().file(".wh.", b""), "no sense"),
        (layer().file(".wh...", b""), "no sense"),
        (layer().symlink("./", "/etc"), "no sense"),
        (layer().symlink("empty", ""), "no sense"),
        (
            layer().owned("file", 0o644, u64::from(u32::MAX), 0, b""),
            "no sense",
        ),
        (layer().file("\u{1b}[31m/../x", b""), "\\u{1b}[31m"),
        (
            layer().pax(&[("path", long.as_bytes())]).file("x", b""),
            "no sense",
        ),
        (layer().pax(&[("path", b"a\0b")]).file("x", b""), "no sense"),
        (layer().pax(&[("GNU.sparse.major", b"1")]).file("x", b""), "kind"),
        (
            layer().pax(&[("size", b"18446744073709551615")]).file("x", b"x"),
            "tar archive",
        ),
        (
            layer().pax(&[("size", b"1099511627776")]).file("x", b"x"),
            "too early",
        ),
        (layer().pax(&[("mtime", b"never")]).file("x", b""), "no sense"),
        (
            layer().pax(&[("comment", &vec![b'x'; 2 << 20])]).file("x", b""),
            "too long",
        ),
    ] {
        refused(
            &machine,
            &before,
            &Image::new("bad").layer(layer).archive(),
            expected,
        );
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);

    // Contradictions between a layer and what is said of it.
    let plain = Layer::new().file("a", b"a").finish();
    let mut broken = gzip(&plain);
    broken.truncate(broken.len() - 12);
    refused(
        &machine,
        &before,
        &Image::new("x").raw_layer(gzip(&plain), sha256(b"")).archive(),
        &sha256(&plain),
    );
    refused(
        &machine,
        &before,
        &Image::new("x").raw_layer(broken, sha256(&plain)).archive(),
        "damaged",
    );
    let rubbish = b"rubbish".repeat(1000);
    refused(
        &machine,
        &before,
        &Image::new("x")
            .raw_layer(rubbish.clone(), sha256(&rubbish))
            .archive(),
        "damaged",
    );
}

/// What grows without end while it is read, and what there is too much of: nothing of it is kept in memory.
#[test]
fn bombs() {
    if !is_root("hostile::bombs") {
        return;
    }
    let machine = Machine::new();
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let long = vec![0; 18 << 20];
    let file = || Layer::new().file("bomb", &long);
    let behind = {
        let mut archive = Layer::new().file("a", b"a").finish();
        archive.extend(&long);
        archive
    };
    let many = (0..50_000).fold(Layer::new(), |tar, at| {
        tar.file(&format!("d{}/.wh.{at}", at % 7), b"")
    });
    // A window of 8 GiB, which a decoder would have to keep.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xb8, 0x01, 0x00, 0x00];
    let name = |name: &str| Image::new(name);
    for (image, expected) in [
        (name("x").compressed_layer(file(), gzip), "file system is full"),
        (name("x").compressed_layer(file(), zstd), "file system is full"),
        (
            name("x").raw_layer(gzip(&behind), sha256(&behind)),
            "belong to no file",
        ),
        (
            name("x").layer(Layer::new().contents(EntryType::Directory, "d", &long)),
            "belong to no file",
        ),
        (
            name("x").layer(Layer::new().contents(EntryType::Regular, ".wh.d", &long)),
            "belong to no file",
        ),
        (name("x").raw_layer(window.to_vec(), sha256(b"")), "damaged"),
        (name("x").layer(many), "no inode left"),
    ] {
        let path = machine.file(&image.archive());
        let program = env!("CARGO_BIN_EXE_podunit");
        let setup = format!(
            "mount -t tmpfs -o size=8m,nr_inodes=2000 tmpfs /var/lib/podunit && \
             (ulimit -v 100000 && ! {program} image load '{}') && \
             cd /var/lib/podunit && find . -path './images/*/*' ! -path ./images/blobs/sha256",
            path.display()
        );
        fs::create_dir_all(machine.paths().under("/var/lib/podunit")).unwrap();
        let output = machine.run(&setup, &["ls"]);
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success() && error.contains(expected),
            "{expected}: {error}"
        );
        assert!(!out.contains('/'), "{out}");
    }
}

#[test]
fn archives() {
    if !is_root("hostile::archives") {
        return;
    }
    let (machine, before) = machine();
    let image = Image::new("bad").layer(Layer::new().file("file", &vec![7; 20_000]));
    let digest = &image.layer_digests()[0];
    let blob = format!("blobs/sha256/{digest}");
    let with = |name: &str, contents: &[u8]| {
        let mut files = image.files();
        files.insert(name.to_owned(), contents.to_owned());
        pack(&files)
    };
    let without = |name: &str| {
        let mut files = image.files();
        files.remove(name).unwrap();
        pack(&files)
    };
    let mut other = image.files()[&blob].clone();
    other[20] ^= 1;
    let mut size = image.clone();
    size.wrong_size = Some(3);
    let mut mixed = image.clone();
    mixed.extra = r#","manifests":[]"#.to_owned();
    let second_index = Layer::new()
        .file("index.json", b"{}")
        .file("./index.json", b"{}")
        .finish();
    for (archive, expected) in [
        (without(&blob), digest.as_str()),
        (without("index.json"), "no index.json"),
        (without("oci-layout"), "no oci-layout"),
        (with(&blob, &other), digest),
        (size.archive(), digest),
        (mixed.archive(), "at once"),
        (with("index.json", &vec![b' '; 5 << 20]), "too long"),
        (with("index.json", b"[1"), "index.json"),
        (
            with("index.json", br#"{"schemaVersion":2,"manifests":[]}"#),
            "no image",
        ),
        (
            with("index.json", br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#),
            "at once",
        ),
        (with("oci-layout", br#"{"imageLayoutVersion":"7"}"#), "version"),
        (second_index, "two files"),
        (Layer::new().file("manifest.json", b"[]").finish(), "no image"),
        (
            Layer::new().symlink("index.json", "/etc/passwd").finish(),
            "index.json (OCI)",
        ),
        (b"rubbish".to_vec(), "tar archive"),
        (b"\x1b[31m".repeat(500), "tar archive"),
        (
            with(
                "index.json",
                br#"{"schemaVersion":2,"manifests":[{"mediaType":"x","size":1,"digest":"a:\u001b"}]}"#,
            ),
            "\\u{1b}",
        ),
        (Vec::new(), "no image"),
        (image.clone().config(r#"{"Env":["A=\u0000"]}"#).archive(), "NUL"),
        (image.clone().config("7").archive(), "configuration"),
    ] {
        refused(&machine, &before, &archive, expected);
    }
    let whole = image.archive();
    // Without the two blocks of zeros at its end an archive is as good as with them.
    for cut in (0..whole.len() - 1024).step_by(997) {
        assert!(machine.load(&whole[..cut], None).is_err(), "{cut}");
        assert_eq!(machine.listing(), before, "{cut}");
    }
    machine.load(&whole, None).unwrap();
}

#[test]
fn layouts_do_not_lead_out() {
    if !is_root("hostile::layouts_do_not_lead_out") {
        return;
    }
    let (machine, before) = machine();
    let image = Image::new("bad").layer(Layer::new().file("file", b"x"));
    let folder = machine.folder.path().join("layout");
    image.layout(&folder);
    let blob = folder.join("blobs/sha256").join(&image.layer_digests()[0]);
    let aside = machine.folder.path().join("aside");
    fs::rename(&blob, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &blob).unwrap();
    assert!(machine.store().load(&folder, None).is_err());
    fs::remove_file(&blob).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &blob,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(machine.store().load(&folder, None).is_err());
    assert_eq!(machine.listing(), before);
}
