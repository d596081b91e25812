//! Networks that have definitions of their own.

use crate::machine::Machine;

const WEB: &str = "\
[Pod]
Share=net pid
Network=front.network:ip=10.50.0.9,mac=02:00:00:00:00:09
Network=back.network:ip=10.51.0.7,interface_name=inner,alias=store
PublishPort=8080:80
PublishPort=80
AddHost=db.example;db:192.0.2.7
DNSSearch=example.org
DNSOption=timeout:2
[Container web]
Image=nginx
[Container box]
Image=busybox
Exec=sleep infinity
";

const PEER: &str = "\
[Pod]
Share=net pid
Network=back.network
[Container app]
Image=busybox
Exec=sleep infinity
";

/// Runs a command in the network of a pod.
fn in_net(machine: &Machine, pod: &str, command: &str) -> String {
    machine.ok(&format!("nsenter -n/run/podunit/{pod}/ns/net {command}"))
}

#[test]
fn pods_have_the_networks_that_they_name() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write(
        "/etc/podunit/front.network",
        "[Network]\nSubnet=10.50.0.0/24\nSubnet=fd50::/64\n",
    );
    machine.write(
        "/etc/podunit/back.network",
        "[Network]\nSubnet=10.51.0.0/24\nInternal=true\n",
    );
    machine.write("/etc/podunit/peer.pod", PEER);
    machine.define("web.pod", WEB);
    machine.ok("systemctl start pod-web pod-peer");
    machine.ok("systemctl is-active front-network back-network");

    // Its own addresses, and a way out by the first network.
    let eth0 = in_net(&machine, "web", "ip -o addr show dev eth0");
    assert!(
        eth0.contains("10.50.0.9/24") && eth0.contains("fd50::2/64"),
        "{eth0}"
    );
    let inner = in_net(&machine, "web", "ip -o addr show dev inner");
    assert!(inner.contains("10.51.0.7/24"), "{inner}");
    assert!(in_net(&machine, "web", "ip -o link show eth0").contains("02:00:00:00:00:09"));
    machine
        .run("podunit exec web/box cat /proc/net/fib_trie /proc/net/dev")
        .exits(0)
        .says(&["10.50.0.9", "10.51.0.7", "inner:"]);
    let ways = in_net(&machine, "web", "ip route show default");
    assert!(
        ways.contains("via 10.50.0.1 dev eth0") && ways.lines().count() == 1,
        "{ways}"
    );
    // From the host: at both addresses, at the port that is written and at the one that was chosen.
    machine.ok("curl -sS --max-time 5 10.50.0.9 && curl -sS --max-time 5 10.51.0.7");
    machine.ok("curl -sS --max-time 5 localhost:8080");
    let chosen = machine.ok("podunit ps | grep -oE '[0-9]+:80/tcp' | grep -v 8080:");
    machine.ok(&format!(
        "curl -sS --max-time 5 localhost:{}",
        chosen.replace(":80/tcp", "")
    ));

    // By name on the network that they share, which leads nowhere else.
    for name in ["web", "store", "web.pod.internal", "10.51.0.7"] {
        machine.ok(&format!("podunit exec peer/app wget -T 5 -qO- http://{name}/"));
    }
    assert_eq!(in_net(&machine, "peer", "ip route show default"), "");
    assert_ne!(
        machine
            .run("podunit exec peer/app wget -T 2 -qO- http://10.50.0.9/")
            .status,
        0
    );
    machine
        .run("podunit exec web/box cat /etc/hosts")
        .exits(0)
        .says(&[
            "192.0.2.7 db.example db",
            "10.50.0.9 web",
            "10.50.0.1 host.containers.internal",
        ]);
    machine
        .run("podunit exec web/box cat /etc/resolv.conf")
        .exits(0)
        .says(&[
            "search example.org",
            "nameserver 10.50.0.1",
            "nameserver 10.51.0.1",
            "options timeout:2",
        ]);

    // A crash gives back what it had.
    let pause = machine.property("pod-web-infra", "MainPID");
    machine.ok(&format!("kill -9 {pause}"));
    machine.until("curl -sS --max-time 5 localhost:8080", |ran| ran.status == 0);
    assert!(in_net(&machine, "web", "ip -o addr show dev inner").contains("10.51.0.7/24"));
    machine.until_prints("systemctl show -P StatusText pod-web", "2/2 ready");

    // With the network go the pods that are on it, and with the last pod all that was made for it.
    machine.ok("systemctl stop front-network");
    machine.until_prints(
        "systemctl is-active pod-web pod-peer back-network",
        "inactive\nactive\nactive",
    );
    machine.ok("systemctl stop pod-peer");
    machine.nothing_is_left();
    assert_eq!(machine.ok("cat /run/podunit/.network/leases.json"), "{}");
    machine.until("pgrep -x aardvark-dns", |ran| ran.status == 1);
    machine.ok("systemctl start pod-web && curl -sS --max-time 5 10.50.0.9 && systemctl stop pod-web");
    machine.nothing_is_left();
}

#[test]
fn what_another_has_no_network_and_no_pod_gets() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok(
        "ip link add br-host type bridge && ip addr add 10.60.0.1/24 dev br-host && ip link set br-host up",
    );
    machine.write(
        "/etc/podunit/late.network",
        "[Network]\nSubnet=10.60.0.128/25\nDisableDNS=true\n",
    );
    let pod = "[Pod]\nShare=net pid\nNetwork=late.network:ip=10.60.0.200\n[Container web]\nImage=nginx\n";
    machine.write("/etc/podunit/second.pod", pod);
    machine.write(
        "/etc/podunit/guest.pod",
        "[Pod]\nShare=net pid\nNetwork=first.pod\n[Container app]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.define("first.pod", pod);
    machine.run("systemctl start pod-first").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u late-network")
        .says(&[
            "subnet 10.60.0.128/25",
            "the host, with 10.60.0.0/24 behind br-host",
            "Subnet=",
        ]);
    // systemd starts a pod's slice beside what the pod requires, and keeps it when that fails.
    machine.ok("systemctl stop pods.slice");
    machine.nothing_is_left();
    machine.ok("ip link del br-host; systemctl reset-failed; systemctl start pod-first");
    machine.ok("curl -sS --max-time 5 10.60.0.200");

    machine.run("systemctl start pod-second").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-second-infra")
        .says(&["10.60.0.200", "the pod `first` has it"]);

    // A pod in the network of another: the same addresses and listeners, and its stop with it.
    machine.ok("systemctl start pod-guest && podunit exec guest/app wget -T 5 -qO- http://127.0.0.1/");
    assert_eq!(
        in_net(&machine, "guest", "ip -o addr"),
        in_net(&machine, "first", "ip -o addr")
    );
    machine.ok("systemctl stop pod-first");
    machine.until_prints("systemctl is-active pod-first pod-guest", "inactive\ninactive");
    machine.ok("systemctl reset-failed");
    machine.nothing_is_left();
}
