//! Every pod in `examples/` starts, serves and stops.

use crate::machine::Machine;
use std::fs;
use std::path::Path;

#[test]
fn every_example_runs() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut pods = Vec::new();
    for folder in [examples.clone(), examples.join("split")] {
        for entry in fs::read_dir(&folder).expect("the folder of examples") {
            let path = entry.expect("an entry").path();
            if !path.is_file() {
                continue;
            }
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            machine.write(
                &format!("/etc/podunit/{name}"),
                fs::read(&path).expect("an example"),
            );
            pods.extend(name.strip_suffix(".pod").map(|pod| format!("pod-{pod}")));
        }
    }
    assert!(pods.len() >= 4, "{pods:?}");
    let pods = pods.join(" ");
    // Examples are of whatever nginx there is.
    machine
        .run("podunit check --allow image-without-tag")
        .exits(0)
        .says(&["no problem"]);
    machine.ok(&format!("systemctl daemon-reload && systemctl start {pods}"));
    machine.ok("for port in 8080 8081 8082 8083; do curl -sS --max-time 5 localhost:$port >/dev/null || exit 1; done");
    machine.ok("systemctl reload pod-signals pod-shop");
    machine.ok(&format!("systemctl stop {pods}"));
    machine.nothing_is_left();
}
