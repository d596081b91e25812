//! Operations at random (`tests/soak`), as many as there is time for beside the other tests.

use crate::machine;
use std::process::Command;

/// So that a run tells the same as the one before; `make soak` takes others.
const SEED: &str = "1";
const OPERATIONS: &str = "300";

#[test]
fn operations_at_random() {
    let Some((stage, images)) = machine::requirements() else {
        return;
    };
    let output = Command::new(machine::repository().join("tests/soak/run"))
        .args([
            "--suite",
            &machine::suite(),
            "--operations",
            OPERATIONS,
            "--seed",
            SEED,
        ])
        .arg("--stage")
        .arg(stage)
        .arg("--images")
        .arg(images)
        .output()
        .expect("tests/soak/run can be run");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
