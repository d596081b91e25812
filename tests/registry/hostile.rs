//! Registries that lie, stall and send elsewhere.

use crate::archives::Layer;
use crate::sample::{INDEX, MANIFEST, Sample, descriptor, noise};
use crate::server::{Asked, Line, Server};
use crate::{Machine, is_root, request};

/// Bytes of a layer where some are needed: more than a read takes.
const LARGE: usize = 700_000;

/// Pulls from a server that answers by `handler` where that returns true, and else as it should. Returns what is said
/// when it fails, as it must, and the requests.
fn refused(
    machine: &Machine,
    sample: &Sample,
    handler: impl Fn(&Asked, &mut Line<'_>) -> bool + Send + Sync + 'static,
) -> (String, Vec<Asked>) {
    let server = server(sample, handler);
    let error = machine.refused(&request(format!("{}/app", server.host())));
    (error, server.asked())
}

fn server(
    sample: &Sample,
    handler: impl Fn(&Asked, &mut Line<'_>) -> bool + Send + Sync + 'static,
) -> Server {
    let sample = sample.clone();
    Server::new(move |asked, line| {
        if !handler(asked, line) {
            sample.answer(asked, line);
        }
    })
}

fn is_manifest(asked: &Asked) -> bool {
    asked.path.ends_with("/manifests/latest")
}

#[test]
fn a_good_registry() {
    if !is_root("a_good_registry") {
        return;
    }
    let (machine, sample) = (Machine::new(), Sample::new(LARGE));
    let server = server(&sample, |_, _| false);
    let reference = format!("{}/app", server.host());
    let pulled = machine.pull(&request(&reference)).unwrap();
    assert!(pulled.is_new && pulled.warnings.is_empty() && pulled.stale.is_none());
    assert_eq!(machine.file(&reference, "b"), noise("b", LARGE));
    assert!(machine.partial().is_empty());
    assert_eq!(server.asked().len(), 4, "{:?}", server.asked());
    // Present: the registry hears nothing.
    assert!(!machine.pull(&request(&reference)).unwrap().is_new);
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn documents() {
    if !is_root("documents") {
        return;
    }
    let sample = Sample::new(10);
    let config = descriptor("config.v1+json", sample.config.as_bytes());
    let layers = sample
        .layers
        .iter()
        .map(|layer| descriptor("layer.v1.tar+gzip", layer));
    let layers = layers.collect::<Vec<_>>().join(",");
    let cases: Vec<(&str, &str, String, &str)> = vec![
        (
            "both",
            MANIFEST,
            format!(r#"{{"config":{config},"layers":[{layers}],"manifests":[]}}"#),
            "at once",
        ),
        (
            "both",
            INDEX,
            format!(r#"{{"config":{config},"layers":[{layers}],"manifests":[]}}"#),
            "at once",
        ),
        ("another type", INDEX, sample.manifest.clone(), "another type"),
        (
            "a page",
            "text/html",
            "<html>not json</html>".to_owned(),
            "cannot be read",
        ),
        ("empty", MANIFEST, String::new(), "cannot be read"),
        ("deep", MANIFEST, "[".repeat(100_000), "cannot be read"),
        (
            "schema 1",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(),
            "schema 1",
        ),
        (
            "no image",
            MANIFEST,
            sample.manifest.replace("image.config.v1+json", "empty.v1+json"),
            "not the image of a container",
        ),
        (
            "a path for a digest",
            MANIFEST,
            sample.manifest.replace("sha256:", "sha256:../../../etc/"),
            "cannot be read",
        ),
        (
            "another algorithm",
            MANIFEST,
            format!(
                r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#,
                config.replace("sha256:", "md5:")
            ),
            "md5",
        ),
        (
            "a size that cannot be",
            MANIFEST,
            sample.manifest.replace(r#""size":"#, r#""size":9"#),
            "9",
        ),
        (
            "fewer layers than diff_ids",
            MANIFEST,
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#),
            "it has 0 layers, its configuration 2",
        ),
        (
            "no platform",
            INDEX,
            r#"{"schemaVersion":2,"manifests":[]}"#.to_owned(),
            "lists no image",
        ),
    ];
    for (what, media_type, json, expected) in cases {
        let mut sample = sample.clone();
        sample.tag(media_type, json);
        let (error, _) = refused(&Machine::new(), &sample, |_, _| false);
        assert!(error.contains(expected), "{what}: {error}");
    }
}

#[test]
fn indexes() {
    if !is_root("indexes") {
        return;
    }
    let mut sample = Sample::new(10);
    let of = |kind: &str, json: &str| descriptor(kind, json.as_bytes());
    for _ in 0..10 {
        let entry = of(
            if sample.manifest.contains("manifests") {
                "index.v1+json"
            } else {
                "manifest.v1+json"
            },
            &sample.manifest,
        );
        sample.tag(INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#));
    }
    let (error, asked) = refused(&Machine::new(), &sample, |_, _| false);
    assert!(error.contains("more than 4 deep"), "{error}");
    assert!(asked.len() <= 5, "{asked:?}");

    let mut sample = Sample::new(10);
    let entry = of("manifest.v1+json", &sample.manifest);
    let foreign = entry.replace(
        '}',
        r#","platform":{"os":"linux","architecture":"vax","variant":"\u001b[31m"}}"#,
    );
    sample.tag(INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{foreign}]}}"#));
    let (error, _) = refused(&Machine::new(), &sample, |_, _| false);
    assert!(error.contains("only for linux/vax/\\u{1b}[31m"), "{error}");
}

#[test]
fn lengths_and_digests() {
    if !is_root("lengths_and_digests") {
        return;
    }
    let sample = Sample::new(LARGE);
    let layer = sample.layer_path(0);
    let blob = sample.layers[0].clone();
    type Answer = Box<dyn Fn(&Asked, &mut Line<'_>) + Send + Sync>;
    let cases: Vec<(&str, String, Answer, &str)> = vec![
        (
            "endless manifest",
            "/manifests/latest".to_owned(),
            Box::new(|_, line| {
                line.head(200, &[("Transfer-Encoding", "chunked")]);
                line.write(b"\r\n");
                while line.write(format!("10000\r\n{}\r\n", " ".repeat(65536)).as_bytes()) {}
            }),
            "longer than 4194304 bytes",
        ),
        (
            "huge manifest",
            "/manifests/latest".to_owned(),
            Box::new(|_, line| line.answer(200, &[("Content-Length", "99999999999")], b"{}")),
            "longer than 4194304 bytes",
        ),
        (
            "another digest in the header",
            "/manifests/latest".to_owned(),
            Box::new(|_, line| {
                let digest = format!("sha256:{}", "a".repeat(64));
                line.answer(200, &[("Docker-Content-Digest", &digest)], b"{}");
            }),
            "it sends what has the digest",
        ),
        (
            "endless headers",
            "/manifests/latest".to_owned(),
            Box::new(|_, line| {
                line.head(200, &[]);
                while line.write(format!("X: {}\r\n", "x".repeat(1000)).as_bytes()) {}
            }),
            "does not behave as a registry",
        ),
        (
            "no HTTP",
            "/manifests/latest".to_owned(),
            Box::new(|_, line| {
                line.write(b"220 \x1b[31mftp ready\r\n\r\n");
            }),
            "does not behave as a registry",
        ),
        (
            "another blob",
            layer.clone(),
            Box::new({
                let mut other = blob.clone();
                other[LARGE / 2] ^= 1;
                move |_, line| line.answer(200, &[], &other)
            }),
            "lies: what it sends for the blob",
        ),
        (
            "a length that is not the size",
            layer.clone(),
            Box::new({
                let longer = [blob.clone(), vec![0]].concat();
                move |_, line| line.answer(200, &[], &longer)
            }),
            "are expected",
        ),
        (
            "a blob without end",
            layer.clone(),
            Box::new({
                let blob = blob.clone();
                move |_, line| {
                    line.head(200, &[("Transfer-Encoding", "chunked")]);
                    line.write(format!("\r\n{:x}\r\n", blob.len()).as_bytes());
                    line.write(&blob);
                    while line.write(format!("\r\n10000\r\n{}", "x".repeat(65536)).as_bytes()) {}
                }
            }),
            "are expected",
        ),
        (
            "a blob that always ends early",
            layer.clone(),
            Box::new({
                let blob = blob.clone();
                move |_, line| {
                    line.head(200, &[("Content-Length", &blob.len().to_string())]);
                    line.write(b"\r\n");
                    line.write(&blob[..1000]);
                }
            }),
            "127.0.0.1",
        ),
        (
            "a configuration that is another",
            "/v2/app/blobs/".to_owned()
                + &format!("sha256:{}", crate::archives::sha256(sample.config.as_bytes())),
            Box::new({
                let other = sample.config.replace("linux", "LINUX");
                move |_, line| line.answer(200, &[], other.as_bytes())
            }),
            "lies: what it sends for the blob",
        ),
        (
            "an error that is a terminal's commands",
            layer.clone(),
            Box::new(|_, line| line.answer(400, &[], br#"{"errors":[{"message":"\u001b[31mred\nline"}]}"#)),
            "it says: \\u{1b}[31mred line",
        ),
    ];
    for (what, path, answer, expected) in cases {
        let machine = Machine::new();
        let (error, _) = refused(&machine, &sample, move |asked, line| {
            let is_this = asked.path.ends_with(&path);
            if is_this {
                answer(asked, line);
            }
            is_this
        });
        assert!(error.contains(expected), "{what}: {error}");
        // Whatever came of it is gone, or the beginning of the blob.
        assert!(
            machine
                .partial()
                .iter()
                .all(|(_, size)| *size <= blob.len() as u64),
            "{what}"
        );
    }
}

#[test]
fn silence() {
    if !is_root("silence") {
        return;
    }
    let sample = Sample::new(LARGE);
    let layer = sample.layer_path(0);
    type Answer = Box<dyn Fn(&mut Line<'_>) + Send + Sync>;
    let cases: Vec<(&str, String, Answer, &str)> = vec![
        (
            "no answer",
            "/manifests/latest".to_owned(),
            Box::new(|line| line.stall()),
            "was silent",
        ),
        (
            "half of the headers",
            "/manifests/latest".to_owned(),
            Box::new(|line| {
                line.head(200, &[]);
                line.stall();
            }),
            "was silent",
        ),
        (
            "headers without end, slowly",
            "/manifests/latest".to_owned(),
            Box::new(|line| {
                line.head(200, &[]);
                trickle(line);
            }),
            "was silent",
        ),
        (
            "half of a blob",
            layer.clone(),
            Box::new(|line| {
                line.head(200, &[("Transfer-Encoding", "chunked")]);
                line.write(b"\r\n3\r\nabc\r\n");
                line.stall();
            }),
            "was silent",
        ),
        (
            "a blob, slowly",
            layer.clone(),
            Box::new(|line| {
                line.head(200, &[("Transfer-Encoding", "chunked")]);
                line.write(b"\r\nfffff\r\n");
                trickle(line);
            }),
            "is too slow",
        ),
    ];
    for (what, path, answer, expected) in cases {
        let (error, _) = refused(&Machine::impatient(), &sample, move |asked, line| {
            let is_this = asked.path.ends_with(&path);
            if is_this {
                answer(line);
            }
            is_this
        });
        assert!(error.contains(expected), "{what}: {error}");
    }
}

/// A byte from time to time, each before anybody's patience ends.
fn trickle(line: &mut Line<'_>) {
    while line.write(b"x") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn ranges() {
    if !is_root("ranges") {
        return;
    }
    let sample = Sample::new(LARGE);
    let (layer, blob) = (sample.layer_path(0), sample.layers[0].clone());
    let size = blob.len();
    type Answer = Box<dyn Fn(usize, &mut Line<'_>) + Send + Sync>;
    let part = |from: fn(usize) -> usize, words: fn(usize, usize) -> String| -> Answer {
        let blob = blob.clone();
        Box::new(move |first, line| {
            line.answer(
                206,
                &[("Content-Range", &words(first, blob.len()))],
                &blob[from(first)..],
            );
        })
    };
    let whole = |first: usize, size: usize| format!("bytes {first}-{}/{size}", size - 1);
    let cases: Vec<(&str, Answer, bool)> = vec![
        ("as it should be", part(|first| first, whole), false),
        (
            "total left out",
            part(
                |first| first,
                |first, size| format!("bytes {first}-{}/*", size - 1),
            ),
            false,
        ),
        (
            "the whole",
            Box::new({
                let blob = blob.clone();
                move |_, line| line.answer(200, &[], &blob)
            }),
            false,
        ),
        (
            "not satisfiable",
            Box::new(|_, line| line.answer(416, &[], b"")),
            true,
        ),
        (
            "another part",
            part(
                |first| first - 1,
                |first, size| format!("bytes {}-{}/{size}", first - 1, size - 1),
            ),
            true,
        ),
        (
            "another part under a false name",
            part(|first| first - 1, whole),
            true,
        ),
        (
            "of another whole",
            part(
                |first| first,
                |first, size| format!("bytes {first}-{}/{}", size - 1, size + 1),
            ),
            true,
        ),
        (
            "nonsense",
            part(|first| first, |_, _| "bytes */x".to_owned()),
            true,
        ),
        (
            "no header",
            Box::new({
                let blob = blob.clone();
                move |first, line| line.answer(206, &[], &blob[first..])
            }),
            true,
        ),
    ];
    for (what, answer, asks_again) in cases {
        let machine = Machine::new();
        let (path, cut) = (layer.clone(), blob.clone());
        let begun = std::sync::atomic::AtomicBool::new(false);
        let server = server(&sample, move |asked, line| {
            if asked.path != path {
                return false;
            }
            match asked.range() {
                Some(first) => answer(first, line),
                None if begun.swap(true, std::sync::atomic::Ordering::SeqCst) => return false,
                None => {
                    line.head(200, &[("Content-Length", &cut.len().to_string())]);
                    line.write(b"\r\n");
                    line.write(&cut[..cut.len() / 2]);
                }
            }
            true
        });
        let reference = format!("{}/app", server.host());
        machine
            .pull(&request(&reference))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(machine.file(&reference, "a"), noise("a", LARGE), "{what}");
        let ranges: Vec<_> = server
            .asked()
            .iter()
            .filter(|asked| asked.path == layer)
            .map(Asked::range)
            .collect();
        assert_eq!(ranges[0], None, "{what}");
        assert!(
            ranges[1].is_some_and(|first| first > 0 && first <= size / 2),
            "{what}: {ranges:?}"
        );
        assert_eq!(ranges.get(2), asks_again.then_some(&None), "{what}");
        assert!(machine.partial().is_empty(), "{what}");
    }
}

#[test]
fn what_is_left_of_another_attempt() {
    if !is_root("what_is_left_of_another_attempt") {
        return;
    }
    let sample = Sample::new(LARGE);
    let (blob, digest) = (&sample.layers[0], crate::archives::sha256(&sample.layers[0]));
    let changed = |at: usize| {
        let mut changed = blob.clone();
        changed[at] ^= 1;
        changed
    };
    for (what, left, ranges) in [
        ("half", blob[..LARGE / 2].to_vec(), vec![Some(LARGE / 2)]),
        ("all", blob.clone(), vec![]),
        (
            "half of another",
            changed(10)[..LARGE / 2].to_vec(),
            vec![Some(LARGE / 2), None],
        ),
        ("all of another", changed(10), vec![None]),
        ("too much", [blob.clone(), vec![0]].concat(), vec![None]),
        (
            "zeros, as after a loss of power",
            vec![0; LARGE / 3],
            vec![Some(LARGE / 3), None],
        ),
    ] {
        let machine = Machine::new();
        let server = server(&sample, |_, _| false);
        let folder = machine.paths().image_store().join("partial");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(&digest), left).unwrap();
        let reference = format!("{}/app", server.host());
        machine.pull(&request(&reference)).unwrap();
        assert_eq!(machine.file(&reference, "a"), noise("a", LARGE), "{what}");
        let layer = sample.layer_path(0);
        let asked: Vec<_> = server
            .asked()
            .iter()
            .filter(|asked| asked.path == layer)
            .map(Asked::range)
            .collect();
        assert_eq!(asked, ranges, "{what}");
        assert!(machine.partial().is_empty(), "{what}");
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    if !is_root("what_may_pass_is_tried_again") {
        return;
    }
    let sample = Sample::new(10);
    for (status, tries) in [
        (500, 3),
        (503, 3),
        (429, 3),
        (404, 1),
        (403, 1),
        (400, 1),
        (418, 1),
    ] {
        let (error, asked) = refused(&Machine::new(), &sample, move |asked, line| {
            let is_this = is_manifest(asked);
            if is_this {
                line.answer(status, &[("Retry-After", "0")], b"");
            }
            is_this
        });
        let manifests = asked.iter().filter(|asked| is_manifest(asked)).count();
        assert_eq!(manifests, tries, "{status}: {error}");
        // And one that passes.
        let machine = Machine::new();
        let begun = std::sync::atomic::AtomicUsize::new(0);
        let server = server(&sample, move |asked, line| {
            let fails = is_manifest(asked) && begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
            if fails {
                line.answer(status, &[], b"");
            }
            fails
        });
        let pulled = machine.pull(&request(format!("{}/app", server.host())));
        assert_eq!(pulled.is_ok(), tries > 1, "{status}");
    }
}

#[test]
fn redirects() {
    if !is_root("redirects") {
        return;
    }
    let sample = Sample::new(10);
    let (error, asked) = refused(&Machine::new(), &sample, |asked, line| {
        line.answer(307, &[("Location", &asked.path)], b"");
        true
    });
    assert!(error.contains("redirects more than 5 times"), "{error}");
    assert_eq!(asked.len(), 6);
    for (location, expected) in [
        ("file:///etc/passwd", "neither http nor https"),
        ("http://user:secret@127.0.0.1/", "holds a user or a password"),
        ("http://\u{1b}[31m/", "does not behave as a registry"),
        ("http://\u{e9}/", "no URL"),
        ("", "it is empty"),
    ] {
        let (error, asked) = refused(&Machine::new(), &sample, move |_, line| {
            line.answer(302, &[("Location", location)], b"");
            true
        });
        assert!(error.contains(expected), "{location}: {error}");
        assert_eq!(asked.len(), 1, "{location}");
    }
}

#[test]
fn layers() {
    if !is_root("layers") {
        return;
    }
    // One layer several times, as builders make empty ones: fetched once.
    let layer = |name: &str| Layer::new().file(name, name.as_bytes()).finish();
    let sample = Sample::of(&[layer("a"), layer("b"), layer("a"), layer("a")]);
    let (machine, server) = (Machine::new(), server(&sample, |_, _| false));
    let reference = format!("{}/app", server.host());
    machine.pull(&request(&reference)).unwrap();
    assert_eq!(server.count(&sample.layer_path(0)), 1);
    let image = machine.store().find(&reference, None).unwrap();
    // overlayfs refuses a folder that it is given twice.
    assert_eq!(image.layers.len(), 2, "{:?}", image.layers);
    assert!(image.layers[0].join("b").exists() && image.layers[1].join("a").exists());

    // Layers that are refused when they are unpacked leave nothing, not even what was downloaded.
    let bad = Layer::new().file("../../etc/passwd", b"x").finish();
    let machine = Machine::new();
    let (error, _) = refused(&machine, &Sample::of(&[layer("a"), bad]), |_, _| false);
    assert!(error.contains("its name has `..` in it"), "{error}");
    let layers = std::fs::read_dir(machine.paths().image_store().join("partial")).unwrap();
    assert!(layers.count() <= 1, "{:?}", machine.partial());
    // A blob that is what its digest says, but not what the configuration says.
    let mut sample = Sample::new(10);
    let config = sample.config.replacen("sha256:", "sha256:0000", 1);
    let at = config.find("sha256:0000").unwrap() + "sha256:".len() + 64;
    let config = format!("{}{}", &config[..at], &config[at + 4..]);
    sample.blob(config.clone().into_bytes());
    let manifest = sample.manifest.replace(
        &descriptor("config.v1+json", sample.config.as_bytes()),
        &descriptor("config.v1+json", config.as_bytes()),
    );
    sample.tag(MANIFEST, manifest);
    let (error, _) = refused(&Machine::new(), &sample, |_, _| false);
    assert!(error.contains("but the image's configuration names"), "{error}");
}
