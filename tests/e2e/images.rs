//! Images that are missing, broken, hostile or in use.

use crate::machine::Machine;

#[test]
fn broken_and_hostile_archives_change_nothing() {
    let Some(machine) = Machine::bare() else { return };
    machine.ok("podunit image load /root/images/busybox.tar");
    let before = machine.ok("find /var/lib/podunit | sort");
    for (archive, said) in [
        ("truncated", ""),
        ("wrong-digest", "sha256:"),
        ("missing-blob", "sha256:"),
        ("dotdot", ".."),
        ("absolute-link", "etc"),
        ("hardlink-out", "hard link"),
        ("device", "device"),
    ] {
        let ran = machine
            .run(&format!(
                "podunit image load /root/images/{archive}.tar --name bad"
            ))
            .exits(1)
            .says(&[said]);
        assert!(ran.stderr.starts_with("podunit: "), "{ran}");
        assert_eq!(machine.ok("find /var/lib/podunit | sort"), before, "{archive}");
    }
    assert_eq!(machine.ok("ls -A /evil /etc/evil 2>/dev/null; true"), "");
    machine
        .run("podunit image load /no/such/file")
        .exits(1)
        .says(&["/no/such/file"]);
}

#[test]
fn an_image_in_use_stays() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    machine.run("podunit image ls").exits(0).says(&[
        "docker.io/library/nginx:latest",
        "docker.io/library/busybox:latest",
    ]);
    machine
        .run("podunit image rm nginx")
        .exits(1)
        .says(&["my-shared-pod", "nginx-server"]);
    pruned_as_by_the_timer(&machine);
    // A stopped pod needs it too, as long as it is defined.
    machine
        .run("systemctl stop pod-my-shared-pod && podunit image rm nginx busybox")
        .exits(1)
        .says(&["my-shared-pod", "busybox-client"]);
    machine
        .ok("rm /etc/podunit/my-shared-pod.pod && systemctl daemon-reload && podunit image rm nginx busybox");
    assert_eq!(
        machine.ok("find /var/lib/podunit/images -type f -path '*sha256*' | wc -l"),
        "0"
    );
    machine
        .run("podunit image rm nginx")
        .exits(1)
        .says(&["docker.io/library/nginx:latest"]);
}

/// What no pod has needed for a week goes with the units that come along, once somebody wants them.
fn pruned_as_by_the_timer(machine: &Machine) {
    let (timer, service) = ("podunit-image-prune.timer", "podunit-image-prune.service");
    machine
        .run(&format!("systemctl is-enabled {timer}"))
        .says(&["disabled"]);
    machine.ok(
        "tar -C /etc -cf /root/old.tar passwd && podunit image import /root/old.tar localhost/old && \
         touch -d '8 days ago' /var/lib/podunit/images/refs/* && podunit image tag localhost/old localhost/new",
    );
    machine.ok(&format!(
        "systemctl enable --now {timer} && systemctl start {service}"
    ));
    assert_eq!(machine.property(timer, "ActiveState"), "active");
    assert_ne!(machine.property(timer, "NextElapseUSecRealtime"), "");
    assert_eq!(machine.property(service, "Result"), "success");
    let names = "podunit image ls --format json | grep -o '\"reference\": \"[^\"]*' | cut -d '\"' -f 4 | sort | tr '\\n' ' '";
    assert_eq!(
        machine.ok(names).trim(),
        "docker.io/library/busybox:latest docker.io/library/nginx:latest localhost/new:latest"
    );
    // The last name of it: its layer goes too.
    let layer = "podunit image inspect localhost/new | grep -o '/var/lib/podunit/images/layers/[0-9a-f]*'";
    let layer = machine.ok(layer);
    machine.ok(&format!(
        "test -d {layer} && touch -d '8 days ago' /var/lib/podunit/images/refs/* && systemctl start {service} && \
         test ! -e {layer} && systemctl disable --now {timer}"
    ));
}

#[test]
fn layout_folders_load_and_layers_apply() {
    let Some(machine) = Machine::bare() else { return };
    machine.ok("podunit image load /root/images/nginx-layout --name localhost/web");
    machine.ok("podunit image load /root/images/busybox.tar");
    machine.define(
        "web.pod",
        "[Pod]\nPublishPort=8080:80\n[Container web]\nImage=localhost/web\n",
    );
    machine.ok("systemctl start pod-web && curl -sS --max-time 5 localhost:8080");
}
