//! The generator, on a hundred founding pods.

use super::{PROGRAMS, hold, measure, stage};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

const PODS: u16 = 100;

#[test]
fn generator() {
    let Some(stage) = stage::release("generator", &PROGRAMS) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let definitions = root.path().join("etc/podunit");
    fs::create_dir_all(&definitions).unwrap();
    let founding = include_str!("../../examples/my-shared-pod.pod");
    assert!(founding.contains("PublishPort=8080:80"));
    for pod in 0..PODS {
        let port = format!("PublishPort={}:80", 10_000 + pod);
        let text = founding.replace("PublishPort=8080:80", &port);
        fs::write(definitions.join(format!("pod{pod:03}.pod")), text).unwrap();
    }
    // Under this name the program is the generator.
    let generator = root.path().join("podunit-generator");
    symlink(stage.join("usr/bin/podunit").canonicalize().unwrap(), &generator).unwrap();
    let cost = measure(|tool| {
        let output = root.path().join(tool[0]);
        fs::create_dir(&output).unwrap();
        let mut command = Command::new(tool[0]);
        command
            .args(&tool[1..])
            .arg(&generator)
            .env("PODUNIT_GENERATOR_ROOT", root.path())
            .args([&output, &output, &output]);
        command
    });
    for tool in ["strace", "valgrind"] {
        let unit = root
            .path()
            .join(tool)
            .join(format!("pod-pod{:03}.service", PODS - 1));
        assert!(unit.exists(), "{} is missing", unit.display());
    }
    hold("generator", &cost);
}
