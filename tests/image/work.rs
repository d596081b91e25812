//! Many at work on one store: what one makes or finds, no other takes away.

use super::archives::{Image, Layer, sha256};
use super::{Machine, is_root};
use podunit::image::{Digest, Needs, NewImage, Store};
use podunit::model::{Platform, Reference, reference_key};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

fn layer(name: &str) -> (Vec<u8>, Digest) {
    let archive = Layer::new().file(name, b"12345").finish();
    let diff_id = Digest::from_hex(&sha256(&archive)).unwrap();
    (archive, diff_id)
}

fn manifest(config: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json",
        "digest":"sha256:{}","size":{}}},"layers":[]}}"#,
        sha256(config.as_bytes()),
        config.len()
    )
}

fn age(path: &std::path::Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

#[test]
fn one_unpacks_a_layer_and_the_others_wait() {
    if !is_root("work::one_unpacks_a_layer_and_the_others_wait") {
        return;
    }
    let machine = Machine::new();
    let store = machine.store();
    let (archive, diff_id) = layer("file");
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let work = store.work().unwrap();
                let source = Counted {
                    archive: &archive,
                    begun: &begun,
                    is_new: true,
                };
                assert_eq!(work.add_layer(source, diff_id, diff_id).unwrap(), 5);
                assert!(work.has_layer(diff_id));
            });
        }
    });
    // The works that ended first may have left the layer to be unpacked again: only then is it read again.
    assert!(begun.load(Ordering::Relaxed) < 8, "{begun:?}");
    assert!(!store.work().unwrap().has_layer(diff_id), "it is no image's");
}

/// Counts how often an archive is read from its beginning.
struct Counted<'a> {
    archive: &'a [u8],
    begun: &'a AtomicUsize,
    is_new: bool,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if std::mem::take(&mut self.is_new) {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        self.archive.read(buffer)
    }
}

#[test]
fn nothing_is_swept_while_somebody_works() {
    if !is_root("work::nothing_is_swept_while_somebody_works") {
        return;
    }
    let machine = Machine::new();
    let store = machine.store();
    let (archive, diff_id) = layer("file");
    let work = store.work().unwrap();
    work.add_layer(&archive[..], diff_id, diff_id).unwrap();
    // Others load, fail to load, and remove an image with all that was its own.
    let other = Image::new("other").layer(Layer::new().file("other", b""));
    machine.load(&other.archive(), None).unwrap();
    let found = machine.find("other").layers[0].clone();
    machine.load(b"rubbish", None).unwrap_err();
    store
        .remove(&["other".parse().unwrap()], &Needs::default(), false)
        .unwrap();
    assert!(store.find("other", None).is_err());
    assert!(work.has_layer(diff_id) && found.is_dir());

    let config = format!(
        r#"{{"architecture":"arm","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    );
    let reference: Reference = "new".parse().unwrap();
    let platform = Platform::other_than_host(None, Some("arm"), Some("v7")).unwrap();
    let missing = config.replace(&diff_id.hex(), &"0".repeat(64));
    let manifests = [manifest(&config), manifest(&missing)];
    let image = |config, at: usize| NewImage {
        reference: &reference,
        platform: platform.as_ref(),
        manifest: manifests[at].as_bytes(),
        config,
        index: None,
    };
    // None, if one cannot be.
    for (second, at) in [(&missing, 1), (&config, 1)] {
        work.commit(&[image(config.as_bytes(), 0), image(second.as_bytes(), at)])
            .unwrap_err();
        assert!(store.list(&Needs::default()).unwrap().is_empty());
    }
    work.commit(&[image(config.as_bytes(), 0)]).unwrap();
    drop(work);
    assert!(!found.exists(), "whoever ends last sweeps");
    assert!(store.find("new", None).is_err());
    assert_eq!(store.find("new", platform.as_ref()).unwrap().layers.len(), 1);
    let file = machine.paths().image_store().join("refs");
    assert!(file.join(reference_key(&reference, platform.as_ref())).exists());
    assert_eq!(store.list(&Needs::default()).unwrap()[0].platform, platform);
    assert_eq!(
        store
            .remove(&["new".parse().unwrap()], &Needs::default(), false)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn what_a_later_attempt_can_use_stays_for_days() {
    if !is_root("work::what_a_later_attempt_can_use_stays_for_days") {
        return;
    }
    let machine = Machine::new();
    let store = machine.store();
    let (archive, diff_id) = layer("file");
    let sweep = |store: &Store| drop(store.work().unwrap());
    {
        let work = store.work().unwrap();
        work.partial(diff_id).unwrap().file().write_all(b"half").unwrap();
        work.keep_layers("pull", &[diff_id]).unwrap();
        work.add_layer(&archive[..], diff_id, diff_id).unwrap();
    }
    sweep(&store);
    {
        let work = store.work().unwrap();
        assert!(work.has_layer(diff_id));
        let mut partial = work.partial(diff_id).unwrap();
        let mut text = String::new();
        partial.file().read_to_string(&mut text).unwrap();
        assert_eq!(text, "half");
        // Whoever waited for a file that is removed gets a new one.
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| store.work().unwrap().partial(diff_id).unwrap().file().metadata());
            partial.remove().unwrap();
            assert_eq!(waits.join().unwrap().unwrap().len(), 0);
        });
    }
    let root = machine.paths().image_store();
    let (partial, kept) = (
        root.join("partial").join(diff_id.hex()),
        root.join("kept").join("pull"),
    );
    age(&partial, 8);
    age(&kept, 6);
    let held = store.work().unwrap().partial(diff_id).unwrap();
    sweep(&store);
    assert!(partial.exists() && kept.exists());
    drop(held);
    age(&kept, 8);
    sweep(&store);
    sweep(&store);
    assert!(!partial.exists() && !kept.exists());
    assert!(!store.work().unwrap().has_layer(diff_id));
}
