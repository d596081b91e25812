//! What the documents of images are taken for.

use super::*;

#[test]
fn a_document_is_what_it_and_the_registry_say() {
    let called = |json: &str, called| kind(json.as_bytes(), called);
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_INDEX}","manifests":[]}}"#);
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{}},"layers":[]}}"#);
    let with_charset = format!("{DOCKER_INDEX}; charset=utf-8");
    for said in [None, Some("application/json"), Some("text/plain; charset=utf-8")] {
        assert_eq!(called(&index, said), Ok(Kind::Index));
        assert_eq!(called(&manifest, said), Ok(Kind::Manifest));
        assert_eq!(called(r#"{"manifests":[]}"#, said), Ok(Kind::Index));
        assert_eq!(called(r#"{"layers":[]}"#, said), Ok(Kind::Manifest));
    }
    assert_eq!(
        called(r#"{"layers":[]}"#, Some(DOCKER_MANIFEST)),
        Ok(Kind::Manifest)
    );
    assert_eq!(called(&index, Some(&with_charset)), Ok(Kind::Index));
    for (json, said, problem) in [
        (index.as_str(), Some(OCI_MANIFEST), "another type"),
        (manifest.as_str(), Some(DOCKER_INDEX), "another type"),
        (r#"{"manifests":[],"layers":[]}"#, None, "at once"),
        (r#"{"manifests":[]}"#, Some(OCI_MANIFEST), "at once"),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#, None, "schema 1"),
        (r#"{"fsLayers":[]}"#, Some(OCI_MANIFEST), "at once"),
        (
            "{}",
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "schema 1",
        ),
        (r#"{"mediaType":"application/vnd.\u001b[31m"}"#, None, "\\u{1b}"),
        ("<html>", Some("text/html"), "cannot be read"),
        ("", None, "cannot be read"),
    ] {
        let error = called(json, said).unwrap_err();
        assert!(error.contains(problem), "{json}: {error}");
    }
}

#[test]
fn what_no_container_can_be_made_of_is_refused() {
    let blob = format!(r#""digest":"sha256:{}","size":1"#, "a".repeat(64));
    let config = format!(r#"{{"mediaType":"{OCI_CONFIG}",{blob}}}"#);
    let manifest = |config: &str, layers: &str| {
        read_manifest(format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#).as_bytes())
    };
    let layer = |kind: &str| format!(r#"{{"mediaType":"application/vnd.{kind}",{blob}}}"#);
    assert_eq!(
        manifest(&config, &layer("oci.image.layer.v1.tar+gzip"))
            .unwrap()
            .1
            .len(),
        1
    );
    for (config, layers, problem) in [
        (
            config.as_str(),
            layer("docker.image.rootfs.foreign.diff.tar.gzip"),
            "kept elsewhere",
        ),
        (&config, vec![layer("x"); LAYERS_MAX + 1].join(","), "501 layers"),
        (
            &config.replace(OCI_CONFIG, "application/vnd.cncf.helm.config.v1+json"),
            String::new(),
            "helm",
        ),
        (
            &config.replace("aaa", "../"),
            String::new(),
            "Invalid encoded value",
        ),
        (
            &config.replace("\"size\":1", "\"size\":-1"),
            String::new(),
            "cannot be read",
        ),
    ] {
        let error = manifest(config, &layers).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
}
