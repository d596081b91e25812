//! Images that come from a registry: a real one, on the machine's own loopback.

use crate::machine::Machine;

/// The founding pod, its images from the registry.
fn founding() -> String {
    crate::FOUNDING.replace("docker.io/", "localhost:5000/")
}

/// The unit that fetches the image of a member.
#[track_caller]
fn image_unit(machine: &Machine, member: &str) -> String {
    let wanted = machine.property(member, "Wants");
    let unit = wanted.split(' ').find(|unit| unit.starts_with("podunit-image@"));
    unit.expect("a unit that fetches the image").to_owned()
}

fn sleeping(image: &str, keys: &str) -> String {
    format!("[Container a]\nImage={image}\nExec=sleep infinity\n{keys}")
}

const BUSYBOX: &str = "localhost:5000/library/busybox";

#[test]
fn an_image_that_is_absent_is_fetched_and_one_that_is_here_costs_no_process() {
    let Some(machine) = Machine::with_registry() else {
        return;
    };
    machine.define("my-shared-pod.pod", &founding());
    machine.ok("systemctl start pod-my-shared-pod && curl -sS --max-time 5 localhost:8080");
    let unit = image_unit(&machine, "pod-my-shared-pod-nginx-server");
    assert_eq!(
        machine.property(&unit, "Description"),
        "Image localhost:5000/library/nginx:latest"
    );
    machine
        .run(&format!("journalctl --no-pager -u {unit}"))
        .says(&["Pulled localhost:5000/library/nginx:latest sha256:"]);
    machine
        .run("podunit analyze my-shared-pod")
        .exits(0)
        .says(&["image localhost:5000/library/nginx", "fetch"]);
    machine
        .run("podunit ps --format json")
        .exits(0)
        .says(&["\"digest\": \"sha256:"]);
    assert_eq!(machine.ok("systemctl is-system-running"), "running");

    let process = |machine: &Machine| machine.property(&unit, "ExecMainStartTimestampMonotonic");
    let before = process(&machine);
    machine.ok("systemctl restart pod-my-shared-pod && curl -sS --max-time 5 localhost:8080");
    assert_eq!(process(&machine), before, "nothing was spawned");
    assert_eq!(machine.property(&unit, "ConditionResult"), "no");
    // Nor by a member that systemd starts again.
    let main = machine.pids(&["pod-my-shared-pod-nginx-server"]);
    machine.ok("systemctl kill -s KILL pod-my-shared-pod-nginx-server");
    machine.until(
        "systemctl show -P MainPID pod-my-shared-pod-nginx-server",
        |ran| !["0", main.as_str()].contains(&ran.stdout.trim()),
    );
    assert_eq!(process(&machine), before);
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}

#[test]
fn an_image_that_cannot_be_had_fails_its_own_pod_and_says_where_to_look() {
    let Some(machine) = Machine::with_registry() else {
        return;
    };
    machine.define("good.pod", &sleeping(BUSYBOX, ""));
    machine.define("bad.pod", &sleeping("localhost:5000/no/such", "Retry=0\n"));
    machine.define("away.pod", &sleeping("localhost:5999/no/such", "Retry=0\n"));
    machine.ok("systemctl start pod-good");
    for pod in ["bad", "away"] {
        machine.run(&format!("systemctl start pod-{pod}")).exits(1);
        let unit = image_unit(&machine, &format!("pod-{pod}-a"));
        machine
            .run(&format!("journalctl --no-pager -u pod-{pod}-a"))
            .says(&[&format!("journalctl -u {unit}")]);
        assert_eq!(machine.property(&unit, "ActiveState"), "failed");
        let said = machine.property(&unit, "StatusText");
        assert!(said.contains("no/such"), "{said}");
        machine
            .run(&format!("journalctl --no-pager -u {unit}"))
            .says(&["no/such", "Image localhost:5"]);
        machine.run(&format!("ls /run/podunit/{pod}")).exits(2);
    }
    assert_eq!(machine.property("pod-good", "StatusText"), "1/1 ready");
    // And the same when both are started at once.
    machine.ok("systemctl stop pod-good && podunit image rm --force localhost:5000/library/busybox");
    machine.run("systemctl start pod-bad pod-good").exits(1);
    assert_eq!(machine.property("pod-good", "ActiveState"), "active");
}

#[test]
fn pods_that_want_the_same_image_fetch_it_once() {
    let Some(machine) = Machine::with_registry() else {
        return;
    };
    for pod in ["a", "b", "c"] {
        machine.define(&format!("{pod}.pod"), &sleeping(BUSYBOX, ""));
    }
    machine.ok("systemctl start pod-a pod-b pod-c");
    let unit = image_unit(&machine, "pod-a-a");
    assert_eq!(image_unit(&machine, "pod-c-a"), unit);
    let started = machine.ok(&format!("journalctl --no-pager -u {unit} | grep -c 'Pulled '"));
    assert_eq!(started, "1");
    let drop_ins = machine.ok(&format!("ls /run/systemd/generator/{unit}.d"));
    assert_eq!(drop_ins, "pod-a.conf");
}

#[test]
fn each_policy_asks_when_it_says() {
    let Some(machine) = Machine::with_registry() else {
        return;
    };
    for policy in ["always", "missing", "never", "newer"] {
        let definition = sleeping(BUSYBOX, &format!("Pull={policy}\nRetry=0\n"));
        machine.define(&format!("{policy}.pod"), &definition);
    }
    assert!(
        !machine
            .property("pod-never-a", "Wants")
            .contains("podunit-image@")
    );
    machine.run("systemctl start pod-never").exits(1);
    machine.run("journalctl --no-pager -u pod-never-a").says(&[
        "Pull=never",
        "there is no image localhost:5000/library/busybox:latest",
    ]);
    machine.ok("systemctl start pod-always pod-missing pod-newer && systemctl start pod-never");
    let digest = |pod: &str| machine.ok(&format!("head -1 /run/podunit/{pod}/members/a/image"));
    let old = digest("always");
    let pods = ["always", "missing", "newer", "never"];
    assert!(pods.iter().all(|pod| digest(pod) == old));

    // Another image under the same name.
    machine.push("nginx", "busybox");
    machine.ok("systemctl stop pod-always pod-missing pod-newer pod-never");
    machine.ok("systemctl start pod-missing pod-never");
    assert!(digest("missing") == old && digest("never") == old);
    machine.ok("systemctl stop pod-missing");
    // It has no `sleep`: that it is taken up is what counts here.
    machine.run("systemctl start pod-newer").exits(1);
    let now = machine.ok("podunit image ls --format json");
    assert!(now.contains(BUSYBOX) && !now.contains(&old), "{now}");

    // A registry that is away: what is here serves, and both say so.
    machine.push("busybox", "busybox");
    machine.ok("systemctl start pod-always && systemctl stop pod-always && systemctl stop registry");
    machine.ok("systemctl start pod-always");
    let unit = image_unit(&machine, "pod-always-a");
    for unit in [unit.as_str(), "pod-always-a"] {
        machine
            .run(&format!("journalctl --no-pager -n 8 -u {unit}"))
            .says(&["warning: ", "the image that is here serves, sha256:"]);
    }
    assert!(
        machine
            .property(&unit, "StatusText")
            .starts_with("not refreshed: ")
    );
    assert_eq!(machine.property("pod-always", "StatusText"), "1/1 ready");
}

#[test]
fn a_boot_fetches_what_is_absent() {
    let Some(machine) = Machine::with_registry() else {
        return;
    };
    machine.define("my-shared-pod.pod", &founding());
    machine.reboot();
    machine.until("systemctl is-active pod-my-shared-pod", |ran| ran.status == 0);
    machine.ok("curl -sS --max-time 5 localhost:8080");
    let offline = "systemctl show -P ActiveEnterTimestampMonotonic network-online.target";
    assert_eq!(
        machine.ok(offline),
        "0",
        "nobody waits for a network that is not needed"
    );
}

#[test]
fn a_stop_waits_for_no_registry_and_a_start_limit_does_not_count_it() {
    let Some(machine) = Machine::with_registry() else {
        return;
    };
    // A registry that takes connections and says nothing.
    machine.ok("systemd-run -q --unit=silent busybox nc -ll -p 5001 -e sleep infinity");
    let silent = "localhost:5001/library/busybox";
    machine.define(
        "slow.pod",
        &(sleeping(silent, "Retry=0\n") + "[Service]\nTimeoutStartSec=1\n"),
    );
    machine.define("other.pod", &sleeping(silent, "Retry=0\n"));
    machine.ok("systemctl start --no-block pod-slow pod-other");
    let waits = "0/1 ready: a waits for its image localhost:5001/library/busybox";
    machine.until("systemctl show -P StatusText pod-slow", |ran| {
        ran.stdout.starts_with(waits)
    });
    // Its limit goes by meanwhile.
    machine.ok("sleep 2");
    machine
        .run("podunit ps")
        .exits(0)
        .says(&["starting", "waits for its image"]);
    assert_eq!(machine.property("pod-slow", "ActiveState"), "activating");

    let unit = image_unit(&machine, "pod-slow-a");
    let fetch = machine.pids(&[&unit]);
    machine.ok("systemctl stop pod-slow");
    assert_eq!(machine.property("pod-slow", "ActiveState"), "inactive");
    assert_eq!(machine.pids(&[&unit]), fetch, "the other pod still waits for it");
    assert_eq!(machine.property("pod-other", "ActiveState"), "activating");
    // Its end, good or bad, is the end of the wait.
    machine.ok(&format!("systemctl stop {unit}"));
    machine.until_prints("systemctl is-active pod-other", "failed");
    machine
        .run("journalctl --no-pager -u pod-other-a")
        .says(&[&format!("journalctl -u {unit}")]);
}
