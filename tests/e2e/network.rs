//! Published ports and addresses.

use crate::machine::Machine;

#[test]
fn published_ports_answer_on_every_address() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    machine.ok("ip addr add 192.0.2.1/32 dev lo");
    machine.ok("curl -sS --max-time 5 http://127.0.0.1:8080");
    machine.ok("curl -sS --max-time 5 http://192.0.2.1:8080");
    // Refused at once or answered, never hanging.
    let six = machine.run("curl -sS --max-time 5 'http://[::1]:8080'");
    assert!([0, 7].contains(&six.status), "{six}");
    machine
        .run("podunit exec my-shared-pod/busybox-client cat /etc/hosts")
        .exits(0)
        .says(&["localhost", "nginx-server", "busybox-client", "my-shared-pod"]);
    machine.ok("podunit exec my-shared-pod/busybox-client wget -qO- http://nginx-server:80");
}

#[test]
fn a_taken_port_fails_the_start_and_names_its_holder() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define("my-shared-pod.pod", crate::FOUNDING);
    machine.ok("systemd-run --unit=holder busybox httpd -f -p 8080");
    machine.until("ss -ltnH 'sport = :8080'", |ran| !ran.stdout.is_empty());
    machine.run("systemctl start pod-my-shared-pod").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u 'pod-my-shared-pod*'")
        .says(&["8080", "busybox"]);
    machine.nothing_is_left();
    machine.ok("systemctl stop holder; systemctl reset-failed; systemctl start pod-my-shared-pod");

    // Another pod is a holder too.
    machine.define(
        "second.pod",
        "[Pod]\nPublishPort=8080:80\n[Container web]\nImage=nginx\n",
    );
    machine.run("systemctl start pod-second").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u 'pod-second*'")
        .says(&["8080", "my-shared-pod"]);
    machine.ok("curl -sS --max-time 5 localhost:8080");
}

#[test]
fn twenty_pods_at_once_get_addresses_of_their_own() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    for number in 0..20 {
        machine.write(
            &format!("/etc/podunit/many{number}.pod"),
            format!(
                "[Pod]\nShare=net pid\nPublishPort={}:80\n[Container web]\nImage=nginx\n",
                9000 + number
            ),
        );
    }
    machine.ok("systemctl daemon-reload && systemctl start $(seq -f 'pod-many%g' 0 19)");
    machine.ok("for p in $(seq 9000 9019); do curl -sS --max-time 5 localhost:$p >/dev/null || exit 1; done");
    let distinct = machine.ok("for i in $(seq 0 19); do nsenter -n/run/podunit/many$i/ns/net ip -4 -o addr show scope global; done | awk '{ print $4 }' | sort -u | wc -l");
    assert_eq!(distinct, "20");
    machine.ok("systemctl stop $(seq -f 'pod-many%g' 0 19)");
    machine.nothing_is_left();
}

#[test]
fn none_and_host() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write(
        "/etc/podunit/alone.pod",
        "[Pod]\nShare=net pid\nNetwork=none\n[Container app]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.define(
        "wide.pod",
        "[Pod]\nShare=net pid\nNetwork=host\n[Container web]\nImage=nginx\n",
    );
    machine.ok("systemctl start pod-alone pod-wide");
    machine.until("curl -sS --max-time 5 localhost:80", |ran| ran.status == 0);
    assert_eq!(machine.ok("podunit exec alone/app ip -o link | wc -l"), "1");
    machine.ok("podunit exec alone/app ip -o link show lo up | grep -q UP");
    machine.ok("systemctl stop pod-alone pod-wide");
    machine.nothing_is_left();
}

#[test]
fn the_bridge_stays_until_its_settings_change() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let bridge = |name: &str| machine.run(&format!("cat /sys/class/net/{name}/ifindex")).stdout;
    let made = bridge("podunit0");
    assert_ne!(made, "");
    machine.ok("systemctl stop pod-my-shared-pod; systemctl start pod-my-shared-pod");
    assert_eq!(bridge("podunit0"), made);
    machine.ok("curl -sS --max-time 5 localhost:8080; systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();

    machine.write(
        "/etc/podunit/podunit.conf",
        "[Network]\ninterface=podunit1\nsubnet=10.91.0.0/24\n",
    );
    machine.ok("systemctl start pod-my-shared-pod; curl -sS --max-time 5 localhost:8080");
    machine.run("ip -4 -o addr show podunit1").says(&["10.91.0.1/24"]);
    assert_eq!(bridge("podunit0"), "", "no bridge of other settings is kept");
    machine.ok("! nft list ruleset | grep -F 10.90.");
    machine.ok("systemctl stop pod-my-shared-pod");
    assert_ne!(bridge("podunit1"), "");
}

/// A netavark that does `setup` instead of the real one's, as long as there is a file `/run/spoilt`.
fn spoil(machine: &Machine, setup: &str) {
    machine.write(
        "/root/netavark",
        format!(
            "#!/bin/sh\ncase \"$*\" in *setup*) if [ -e /run/spoilt ]; then {setup}; fi;; esac\n\
             exec /usr/lib/podman/netavark.real \"$@\"\n"
        ),
    );
    machine.ok("cd /usr/lib/podman && mv netavark netavark.real && install /root/netavark netavark && touch /run/spoilt");
}

#[test]
fn a_network_that_fails_fails_the_start_with_its_reason() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    // It fails when the members have been made.
    let made = ["nginx-server", "busybox-client"].map(|member| {
        format!("until test -e /run/podunit/.runtime/my-shared-pod++{member}/status; do :; done; ")
    });
    spoil(
        &machine,
        &format!(
            "{}echo '{{\"error\":\"no bridge today\"}}'; exit 1",
            made.concat()
        ),
    );
    for pod in [
        crate::FOUNDING.to_owned(),
        crate::FOUNDING.replace("Share=net pid", "Share=net"),
    ] {
        machine.ok("systemctl reset-failed; touch /run/spoilt");
        machine.define("my-shared-pod.pod", &pod);
        // As a member that is no longer in the definition left it.
        machine.ok("mkdir -p /var/lib/podunit/containers/my-shared-pod/former/upper/left");
        machine.run("systemctl start pod-my-shared-pod").exits(1);
        machine
            .run("journalctl --no-pager -o cat -u pod-my-shared-pod-infra")
            .says(&["no bridge today"]);
        machine
            .run("journalctl --no-pager -o cat -u pod-my-shared-pod")
            .says(&["infra failed"]);
        machine.nothing_is_left();
        machine.ok("systemctl reset-failed; rm /run/spoilt; systemctl start pod-my-shared-pod");
        machine.ok("curl -sS --max-time 5 localhost:8080; systemctl stop pod-my-shared-pod");
    }
}

#[test]
fn infra_killed_while_it_connects_the_pod_is_a_crash() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    spoil(&machine, "rm /run/spoilt; touch /run/begun; exec sleep infinity");
    let pause = machine.property("pod-my-shared-pod-infra", "MainPID");
    machine.ok(&format!("kill -9 {pause}"));
    machine.until("test -e /run/begun", |ran| ran.status == 0);
    // Members are being made meanwhile, and wait.
    let launcher = machine.property("pod-my-shared-pod-infra", "MainPID");
    machine.ok(&format!("kill -9 {launcher}"));
    machine.until("curl -sS --max-time 5 localhost:8080", |ran| ran.status == 0);
    machine.until_prints("systemctl show -P StatusText pod-my-shared-pod", "2/2 ready");
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}
