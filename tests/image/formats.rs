//! What other programs write: Docker's archives old and new, skopeo's copies, root file systems.

use super::archives::{Image, Layer, gzip, pack, sha256};
use super::{Machine, is_root, skip, xattr};
use podunit::image::{Change, Needs};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

const CONFIG: &str =
    r#"{"User":"www","Cmd":["c"],"ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}},"Labels":{"a":"b"}}"#;

fn lower() -> Layer {
    Layer::new()
        .directory("./", 0o755)
        .owned_directory("home/", 0o2750, 1000, 1001)
        .pax(&[("SCHILY.xattr.security.capability", CAPABILITY)])
        .owned("home/file", 0o4755, 1000, 1001, b"hello")
        .hard_link("home/other", "home/file")
        .file("gone", b"")
        .file("emptied/old", b"")
}

fn upper() -> Layer {
    Layer::new()
        .file(".wh.gone", b"")
        .directory("emptied", 0o755)
        .file("emptied/.wh..wh..opq", b"")
}

const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn image(name: &str) -> Image {
    Image::new(name).layer(lower()).layer(upper()).config(CONFIG)
}

/// That an image came whole, in whatever form.
#[track_caller]
fn is_whole(machine: &Machine, name: &str) {
    let found = machine.find(name);
    assert_eq!(found.config.user.as_deref(), Some("www"));
    let [lower, upper] = found.layers.as_slice() else {
        panic!("{found:?}")
    };
    let file = lower.join("home/file");
    let meta = file.metadata().unwrap();
    assert_eq!(
        (meta.mode(), meta.uid(), meta.gid(), meta.nlink()),
        (0o104_755, 1000, 1001, 2)
    );
    assert_eq!(xattr(&file, "security.capability").unwrap(), CAPABILITY);
    assert_eq!(upper.join("gone").symlink_metadata().unwrap().rdev(), 0);
    assert!(xattr(&upper.join("emptied"), "trusted.overlay.opaque").is_some());
    // ports, volumes and labels, as they came
    let blobs = machine.paths().image_store().join("blobs/sha256");
    let kept = fs::read_dir(blobs)
        .unwrap()
        .map(|blob| fs::read_to_string(blob.unwrap().path()).unwrap());
    assert!(
        kept.into_iter()
            .any(|json| json.contains("80/tcp") && json.contains("/data")),
        "the configuration is not what it was"
    );
}

/// `docker save` before version 25: a folder for each layer, with a link where one is shared.
pub(super) fn docker_old(tags: &str) -> Vec<u8> {
    let (lower, upper) = (lower().finish(), upper().finish());
    let ids = [sha256(&lower), sha256(&upper)];
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{CONFIG},"rootfs":{{"type":"layers",
        "diff_ids":["sha256:{}","sha256:{}"]}}}}"#,
        ids[0], ids[1]
    );
    let manifest = format!(
        r#"[{{"Config":"c.json","RepoTags":{tags},"Layers":["one/layer.tar","two/layer.tar"]}},
        {{"Config":"c.json","RepoTags":["quay.io/second:1"],"Layers":["three/layer.tar","two/layer.tar"]}}]"#
    );
    Layer::new()
        .directory("one/", 0o755)
        .file("one/VERSION", b"1.0")
        .file("one/json", b"{}")
        .file("one/layer.tar", &lower)
        .file("two/layer.tar", &upper)
        .symlink("three/layer.tar", "../one/layer.tar")
        .file("c.json", config.as_bytes())
        .file("manifest.json", manifest.as_bytes())
        .file("repositories", b"{}")
        .finish()
}

#[test]
fn docker_archives_are_loaded() {
    if !is_root("formats::docker_archives_are_loaded") {
        return;
    }
    let machine = Machine::new();
    let old = docker_old(r#"["first:1","first:latest"]"#);
    for archive in [old.clone(), gzip(&old)] {
        assert_eq!(
            machine.load(&archive, None).unwrap(),
            [
                "docker.io/library/first:1",
                "docker.io/library/first:latest",
                "quay.io/second:1"
            ]
        );
        is_whole(&machine, "first");
        is_whole(&machine, "quay.io/second:1");
        assert_eq!(machine.find("first").digest, machine.find("first:1").digest);
    }
    // Since version 25: a layout and the old list at once, and the name in containerd's words.
    let image = image("new");
    let mut files = image.files();
    let index = String::from_utf8(files["index.json"].clone()).unwrap();
    let named = index.replace(
        r#""org.opencontainers.image.ref.name":"new""#,
        r#""io.containerd.image.name":"docker.io/library/new:7","org.opencontainers.image.ref.name":"7""#,
    );
    files.insert("index.json".to_owned(), named.into_bytes());
    files.insert("manifest.json".to_owned(), b"[]".to_vec());
    files.insert("repositories".to_owned(), b"{}".to_vec());
    assert_eq!(
        machine.load(&pack(&files), None).unwrap(),
        ["docker.io/library/new:7"]
    );
    is_whole(&machine, "new:7");
}

#[test]
fn damaged_docker_archives_are_refused() {
    if !is_root("formats::damaged_docker_archives_are_refused") {
        return;
    }
    let machine = Machine::new();
    let layer = lower().finish();
    let id = sha256(&layer);
    let config = |id: &str| {
        format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["sha256:{id}"]}}}}"#
        )
    };
    let list = |config: &str, layers: &str| {
        format!(r#"[{{"Config":"{config}","RepoTags":["x"],"Layers":{layers}}}]"#)
    };
    let archive = |config: &str, list: &str| {
        let mut files = BTreeMap::new();
        files.insert("c.json".to_owned(), config.as_bytes().to_vec());
        files.insert("l.tar".to_owned(), layer.clone());
        files.insert("manifest.json".to_owned(), list.as_bytes().to_vec());
        pack(&files)
    };
    let good = list("c.json", r#"["l.tar"]"#);
    machine.load(&archive(&config(&id), &good), None).unwrap();
    machine
        .store()
        .remove(&["x".parse().unwrap()], &Needs::default(), false)
        .unwrap();
    let before = machine.listing();
    let other = "0".repeat(64);
    for (archive, expected) in [
        (archive(&config(&other), &good), other.as_str()),
        (archive(&config("x"), &good), "diff_ids"),
        (archive("{}", &good), "c.json"),
        (archive(&config(&id), "{"), "manifest.json"),
        (archive(&config(&id), "[]"), "no image"),
        (
            archive(&config(&id), &list("c.json", r#"["l.tar","l.tar"]"#)),
            "2 layers",
        ),
        (
            archive(&config(&id), &list("c.json", r#"["none.tar"]"#)),
            "none.tar",
        ),
        (
            archive(&config(&id), &list("../../../../etc/passwd", r#"["l.tar"]"#)),
            "etc/passwd",
        ),
        (
            archive(&config(&id), &list("c.json", r#"["/proc/self/mem"]"#)),
            "proc/self/mem",
        ),
        (
            Layer::new()
                .file("c.json", config(&id).as_bytes())
                .file("c.json", b"{}")
                .file("manifest.json", good.as_bytes())
                .finish(),
            "two files",
        ),
        (
            Layer::new().file("etc/passwd", b"").finish(),
            "podunit image import",
        ),
        (
            Layer::new().file("manifest.json", &vec![b' '; 5 << 20]).finish(),
            "too long",
        ),
    ] {
        let error = machine.load(&archive, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
        assert_eq!(machine.listing(), before, "{error}");
    }
    // A link in the archive never becomes one on disk.
    let linked = Layer::new()
        .symlink("l.tar", "/etc/passwd")
        .file("c.json", config(&id).as_bytes())
        .file("manifest.json", good.as_bytes())
        .finish();
    assert!(machine.load(&linked, None).is_err());
}

fn skopeo(from: &str, to: &str) {
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "-q", from, to])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_skopeo_writes_is_loaded() {
    if !is_root("formats::what_skopeo_writes_is_loaded") {
        return;
    }
    if Command::new("skopeo").arg("--version").output().is_err() {
        return skip::skipped("formats::what_skopeo_writes_is_loaded", "needs skopeo");
    }
    let machine = Machine::new();
    let source = machine.folder.path().join("source.tar");
    fs::write(&source, image("a").archive()).unwrap();
    let from = format!("oci-archive:{}", source.display());
    let to = |name: &str| machine.folder.path().join(name);
    let store = machine.store();
    for (name, transport, tag) in [
        ("docker.tar", "docker-archive", ":quay.io/docker:1"),
        ("oci.tar", "oci-archive", ":quay.io/oci:1"),
        ("layout", "oci", ":quay.io/layout:1"),
    ] {
        let path: PathBuf = to(name);
        skopeo(&from, &format!("{transport}:{}{tag}", path.display()));
        let loaded = store.load(&path, None).unwrap();
        assert_eq!(loaded[0].reference, tag[1..]);
        is_whole(&machine, &tag[1..]);
    }
    // Without a name, and zstd.
    let unnamed = to("zstd");
    let output = Command::new("skopeo")
        .args([
            "--insecure-policy",
            "copy",
            "-q",
            "--dest-compress-format",
            "zstd",
            "--dest-compress",
        ])
        .args([from, format!("oci:{}", unnamed.display())])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    store
        .load(&unnamed, Some(&"quay.io/zstd:1".parse().unwrap()))
        .unwrap();
    is_whole(&machine, "quay.io/zstd:1");
}

#[test]
fn a_root_file_system_becomes_an_image() {
    if !is_root("formats::a_root_file_system_becomes_an_image") {
        return;
    }
    let machine = Machine::new();
    let archive = Layer::new()
        .file("etc/os-release", b"ID=x")
        .special(tar::EntryType::Char, "dev/null", "")
        .finish();
    let changes: Vec<Change> = [r#"CMD ["/bin/sh"]"#, "USER 7", "EXPOSE 80"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let reference = "localhost/root".parse().unwrap();
    let place = Path::new("-");
    let store = machine.store();
    let import = |archive: &[u8]| store.import(archive, place, &reference, &changes, UNIX_EPOCH);
    let plain = import(&archive).unwrap();
    let found = machine.find("localhost/root");
    assert_eq!(fs::read(found.layers[0].join("etc/os-release")).unwrap(), b"ID=x");
    assert!(!found.layers[0].join("dev/null").exists());
    assert_eq!(found.config.cmd, ["/bin/sh"]);
    assert_eq!(found.config.user.as_deref(), Some("7"));
    assert_eq!(plain.digest, found.digest);
    // The same image, however it is packed.
    assert_eq!(import(&gzip(&archive)).unwrap(), plain);
    let before = machine.listing();
    for bad in [
        &archive[..700],
        &b"rubbish"[..],
        &Layer::new().file("../x", b"").finish(),
    ] {
        import(bad).unwrap_err();
        assert_eq!(machine.listing(), before);
    }
}
