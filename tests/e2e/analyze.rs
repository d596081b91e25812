//! How long a start took, told from what a real systemd and our own programs recorded.

use crate::machine::Machine;

/// Microseconds of systemd's monotonic clock.
fn moment(machine: &Machine, unit: &str, name: &str) -> u64 {
    let text = machine.property(unit, &format!("{name}TimestampMonotonic"));
    text.parse().expect("a number")
}

fn analyzed(machine: &Machine) -> serde_json::Value {
    let text = machine.ok("podunit analyze my-shared-pod --format json");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_start_is_told_as_it_was() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    machine.run("podunit analyze my-shared-pod").exits(0).says(&[
        "Pod my-shared-pod was ready after ",
        "infra",
        "network",
        "runtime create",
        "the pod is ready",
    ]);
    let list = machine.ok("podunit analyze");
    assert_eq!(list.lines().count(), 1, "{list}");

    // The whole is what systemd says, and the steps are known.
    let start = analyzed(&machine);
    let units = ["pod-my-shared-pod", "pod-my-shared-pod-infra"];
    let began = units
        .map(|unit| moment(&machine, unit, "Condition"))
        .into_iter()
        .min();
    let ready = moment(&machine, units[0], "ActiveEnter");
    assert_eq!(start["total"].as_u64(), began.map(|began| ready - began));
    let rows = start["rows"].as_array().expect("rows");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["infra", "busybox-client", "nginx-server", "supervisor"]);
    for row in rows {
        assert!(!row.to_string().contains("not recorded"), "{row:#}");
    }

    machine.ok("podunit analyze my-shared-pod --svg /root/start.svg");
    let picture = machine.ok("cat /root/start.svg");
    assert!(
        picture.starts_with("<svg") && picture.contains(">nginx-server<"),
        "{picture}"
    );

    machine.ok("systemctl restart pod-my-shared-pod-busybox-client");
    machine.run("podunit analyze my-shared-pod").exits(0).says(&[
        "Pod my-shared-pod was ready after ",
        "Not in this: busybox-client was started again ",
    ]);

    // A successor of the supervisor adopts the pod and knows nothing of its start.
    let before = machine.pids(&["pod-my-shared-pod"]);
    machine.ok("systemctl kill -s KILL --kill-whom=main pod-my-shared-pod");
    machine.until("systemctl show -P ActiveState,MainPID pod-my-shared-pod", |ran| {
        let has = |text: &str| ran.stdout.lines().any(|line| line == text);
        has("active") && !has(&before)
    });
    machine.run("podunit analyze my-shared-pod").exits(0).says(&[
        "The members of pod my-shared-pod were ready after ",
        "Not in this: busybox-client was started again ",
        "Not in this: supervisor was started again ",
    ]);

    machine.ok("systemctl stop pod-my-shared-pod");
    machine
        .run("podunit analyze my-shared-pod")
        .exits(1)
        .says(&["does not run", "systemctl start pod-my-shared-pod.service"]);
    machine
        .run("podunit analyze my-shared-port")
        .exits(1)
        .says(&["did you mean `my-shared-pod`"]);
    assert_eq!(machine.run("podunit analyze").exits(0).all(), "");
}

#[test]
fn a_return_is_told_as_it_was() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let infra = "systemctl show -P InvocationID pod-my-shared-pod-infra";
    let before = machine.ok(infra);
    machine.ok("systemctl kill -s KILL --kill-whom=main pod-my-shared-pod-infra");
    machine.until(infra, |ran| {
        !ran.stdout.trim().is_empty() && ran.stdout.trim() != before
    });
    machine.until("podunit analyze my-shared-pod", |ran| ran.status == 0);
    let back = analyzed(&machine);
    assert_eq!(back["kind"], "recovery", "{back:#}");
    let left = moment(&machine, "pod-my-shared-pod-infra", "ActiveExit");
    let members = [
        "pod-my-shared-pod-nginx-server",
        "pod-my-shared-pod-busybox-client",
    ];
    let last = members
        .map(|unit| moment(&machine, unit, "ActiveEnter"))
        .into_iter()
        .max();
    assert_eq!(back["total"].as_u64(), last.map(|last| last - left));
    assert!(!back.to_string().contains("not recorded"), "{back:#}");
}
