//! `podunit auto-update`: newer images from a real registry, and the way back.

use crate::machine::Machine;

const IMAGE: &str = "localhost:5000/app";
const GOOD: &str = r#"CMD ["/bin/busybox", "sh", "-c", "echo good; exec /bin/busybox sleep infinity"]"#;
const BETTER: &str = r#"CMD ["/bin/busybox", "sh", "-c", "echo better; exec /bin/busybox sleep infinity"]"#;
const BAD: &str = r#"CMD ["/bin/busybox", "sh", "-c", "echo bad; exit 1"]"#;

/// A pod with a member that is kept up to date, and one beside it.
fn app(policy: &str) -> String {
    format!(
        "[Pod]\nShare=net pid\n[Container app]\nImage={IMAGE}\nAutoUpdate={policy}\n[Service app]\nRestart=always\n\
         [Container beside]\nImage=localhost:5000/library/busybox\nExec=sleep infinity\n"
    )
}

/// Makes an image of a root file system with nothing but busybox.
fn make(machine: &Machine, name: &str, command: &str) {
    machine
        .ok("mkdir -p /root/fs/bin && cp /bin/busybox /root/fs/bin/ && tar -C /root/fs -cf /root/fs.tar .");
    machine.ok(&format!(
        "podunit image import /root/fs.tar {name} --change '{command}'"
    ));
}

/// Gives the registry an image with this command.
fn publish(machine: &Machine, command: &str) {
    make(machine, "localhost/made", command);
    machine.ok(&format!(
        "podunit image save localhost/made -o /root/made.tar && skopeo copy -q --insecure-policy \
         --dest-tls-verify=false oci-archive:/root/made.tar docker://{IMAGE} && podunit image rm localhost/made && rm /root/made.tar"
    ));
}

fn with_app(policy: &str) -> Option<Machine> {
    let machine = Machine::with_registry()?;
    publish(&machine, GOOD);
    machine.define("app.pod", &app(policy));
    machine.ok("systemctl start pod-app");
    Some(machine)
}

fn running(machine: &Machine) -> String {
    machine.ok("head -1 /run/podunit/app/members/app/image")
}

/// What the store has under the name.
fn stored(machine: &Machine) -> String {
    machine.ok(&format!(
        "podunit image ls --format json | tr -d ' \\n' | grep -o '\"reference\":\"{IMAGE}:latest\",\"digest\":\"[^\"]*' | grep -o 'sha256:.*'"
    ))
}

#[track_caller]
fn all_is_as_before(machine: &Machine, digest: &str, beside: &str) {
    assert_eq!(
        (running(machine).as_str(), stored(machine).as_str()),
        (digest, digest)
    );
    assert_eq!(machine.property("pod-app-app", "ActiveState"), "active");
    assert_eq!(
        machine.pids(&["pod-app", "pod-app-infra", "pod-app-beside"]),
        beside
    );
    machine.until_prints("systemctl show -P StatusText pod-app", "2/2 ready");
    assert_eq!(
        machine.ok("ls -A /var/lib/podunit/updates /var/lib/podunit/images/kept"),
        "/var/lib/podunit/images/kept:\n\n/var/lib/podunit/updates:"
    );
}

#[test]
fn a_newer_image_is_taken_up_by_the_members_that_want_it() {
    let Some(machine) = with_app("registry") else {
        return;
    };
    let old = running(&machine);
    machine
        .run("podunit auto-update")
        .exits(0)
        .says(&["app/app", "current"]);
    publish(&machine, BETTER);
    let pids = machine.pids(&["pod-app-app", "pod-app-beside"]);
    machine
        .run("podunit auto-update --dry-run")
        .exits(0)
        .says(&["app/app", "pending"]);
    assert_eq!(
        (
            running(&machine),
            machine.pids(&["pod-app-app", "pod-app-beside"])
        ),
        (old.clone(), pids)
    );
    assert_eq!(stored(&machine), old);

    let beside = machine.pids(&["pod-app", "pod-app-infra", "pod-app-beside"]);
    machine.run("podunit auto-update").exits(0).says(&[
        "pulled sha256:",
        "app/app: restarting with sha256:",
        "app/app: is up",
        "updated",
    ]);
    let new = running(&machine);
    assert_ne!(new, old);
    all_is_as_before(&machine, &new, &beside);
    machine
        .run("journalctl --no-pager -o cat -u pod-app-app")
        .says(&["better"]);
    machine.run("podunit auto-update app").exits(0).says(&["current"]);
    machine
        .run("podunit auto-update nobody")
        .exits(1)
        .says(&["there is no pod"]);
    machine.ok("systemctl stop registry");
    machine
        .run("podunit auto-update")
        .exits(1)
        .says(&["failed", IMAGE]);
    all_is_as_before(&machine, &new, &beside);
}

#[test]
fn an_image_that_does_not_come_up_is_taken_back() {
    let Some(machine) = with_app("registry") else {
        return;
    };
    let (old, beside) = (
        running(&machine),
        machine.pids(&["pod-app", "pod-app-infra", "pod-app-beside"]),
    );
    publish(&machine, BAD);
    machine.run("podunit auto-update").exits(1).says(&[
        "app/app: does not come up: ",
        &format!("rolled back to {old}"),
        "app/app: is up",
        "rolled-back",
    ]);
    all_is_as_before(&machine, &old, &beside);
    // It is not tried again, as the timer would every day.
    let life = machine.property("pod-app-app", "InvocationID");
    for command in ["podunit auto-update", "podunit auto-update --dry-run"] {
        machine
            .run(command)
            .exits(0)
            .says(&["rejected", "did not come up before (exit status 1)"]);
    }
    assert_eq!(machine.property("pod-app-app", "InvocationID"), life);
    all_is_as_before(&machine, &old, &beside);
    machine.ok(&format!("podunit image pull {IMAGE}"));
    machine.run("podunit auto-update").exits(1).says(&["rolled-back"]);
    all_is_as_before(&machine, &old, &beside);
    // A member that nobody brings back, and the word of somebody who wants no way back.
    machine
        .run("podunit auto-update --rollback=false")
        .exits(1)
        .says(&["failed"]);
    assert_ne!(stored(&machine), old);
    publish(&machine, BETTER);
    machine.run("podunit auto-update").exits(0).says(&["updated"]);
    let new = running(&machine);
    all_is_as_before(&machine, &new, &beside);
    assert_eq!(machine.ok("ls -A /var/lib/podunit/rejected"), "");
}

#[test]
fn what_somebody_loads_is_taken_up_where_local_images_count() {
    let Some(machine) = with_app("local") else { return };
    let (old, beside) = (
        running(&machine),
        machine.pids(&["pod-app", "pod-app-infra", "pod-app-beside"]),
    );
    publish(&machine, BETTER);
    machine.run("podunit auto-update").exits(0).says(&["current"]);
    assert_eq!(running(&machine), old);
    make(&machine, IMAGE, BETTER);
    machine
        .run("podunit auto-update --dry-run")
        .exits(0)
        .says(&["pending"]);
    machine
        .run("podunit auto-update --format json")
        .exits(0)
        .says(&["\"outcome\": \"updated\""]);
    let new = running(&machine);
    assert_ne!(new, old);
    all_is_as_before(&machine, &new, &beside);
    make(&machine, IMAGE, BAD);
    machine.run("podunit auto-update").exits(1).says(&["rolled-back"]);
    all_is_as_before(&machine, &new, &beside);
}

#[test]
fn an_update_that_is_killed_is_finished_or_taken_back() {
    let Some(machine) = with_app("registry") else {
        return;
    };
    let (old, beside) = (
        running(&machine),
        machine.pids(&["pod-app", "pod-app-infra", "pod-app-beside"]),
    );
    let kill_when = |state: &str| {
        machine.ok("systemd-run -q --unit=update podunit auto-update");
        machine.until(state, |ran| ran.status == 0);
        machine.ok("systemctl kill -s KILL update");
        machine.until("systemctl is-active update", |ran| ran.status != 0);
        machine.ok("systemctl reset-failed update; true");
    };
    publish(&machine, BETTER);
    // In the middle: the member runs the new image and has still to show that it stays up.
    let has_new = "test \"$(head -1 /run/podunit/app/members/app/image)\" != ";
    kill_when(&format!("{has_new}{old} && systemctl is-active pod-app-app"));
    machine
        .run("podunit auto-update")
        .exits(0)
        .says(&["was interrupted", "updated"]);
    let new = running(&machine);
    assert_ne!(new, old);
    all_is_as_before(&machine, &new, &beside);

    // Before anything was started anew.
    publish(&machine, BAD);
    kill_when("test -n \"$(ls -A /var/lib/podunit/updates)\"");
    machine.run("podunit auto-update").exits(1).says(&[
        "was interrupted",
        &format!("rolled back to {new}"),
        "rolled-back",
    ]);
    all_is_as_before(&machine, &new, &beside);
}
