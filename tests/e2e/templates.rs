//! Templates of pods and their instances, and the other names of units.

use crate::machine::Machine;

const TEMPLATE: &str = "[Pod]\nShare=net ipc uts pid\nHostName=host-%i\n[Service]\nTasksMax=50\n\
    [Container app]\nImage=busybox\nExec=sh -c \"echo %i > /state; exec sleep infinity\"\n\
    LiveProbe=grep -q . /state\nStopSignal=KILL\n";
const WORKER: &str = "[Container]\nPod=web@%i.pod\nImage=busybox\nExec=sleep infinity\nStopSignal=KILL\n";

#[test]
fn instances_of_a_pod_are_pods_of_their_own() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write("/etc/podunit/apps/worker@.container", WORKER);
    machine.write(
        "/etc/podunit/web@eu-west.pod.d/10.conf",
        "[Pod]\nPublishPort=8080:80\n[Service]\nTasksMax=60\n[Container app]\n\
         Exec=sh -c \"echo %i > /state; exec httpd -f -p 80 -h /\"\n",
    );
    machine.ok("ln -s web@.pod /etc/podunit/web@eu-west.pod");
    machine.define("web@.pod", TEMPLATE);
    machine.ok("podunit check");
    machine.ok("systemctl start pod-web@a pod-web@b pod-web@eu-west");

    // Each has its own state, network, host name and limits.
    for (instance, limit) in [("a", "50"), ("b", "50"), ("eu-west", "60")] {
        let pod = format!("web@{instance}");
        machine
            .run(&format!(
                "podunit exec {pod}/app cat /state /proc/sys/kernel/hostname"
            ))
            .exits(0)
            .says(&[instance, &format!("host-{instance}")]);
        machine
            .run(&format!("podunit status {pod}"))
            .exits(0)
            .says(&["2/2 ready", "worker"]);
        machine.ok(&format!("test -d /run/podunit/{pod}"));
        let slice = machine.property(&format!("pod-web-app@{instance}"), "Slice");
        assert_eq!(
            machine
                .ok(&format!("systemctl show -P TasksMax '{slice}'"))
                .trim(),
            limit
        );
    }
    machine.ok("podunit top web@a");
    machine
        .run("podunit ps")
        .exits(0)
        .says(&["web@a", "web@b", "web@eu-west"]);
    let network = |instance: &str| {
        let process = machine.property(&format!("pod-web-app@{instance}"), "MainPID");
        machine.ok(&format!("readlink /proc/{process}/ns/net"))
    };
    let networks = ["a", "b", "eu-west"].map(network);
    assert!(
        networks[0] != networks[1] && networks[1] != networks[2],
        "{networks:?}"
    );
    machine
        .run("curl -sS --retry 5 --retry-connrefused --max-time 5 localhost:8080/state")
        .exits(0)
        .says(&["eu-west"]);
    machine
        .run("busctl get-property org.podunit.Pod1.web_40a /org/podunit/Pod1 org.podunit.Pod1 Name")
        .exits(0)
        .says(&["web@a"]);

    // One that would be in the slice of another is not started, and says what to do.
    machine.run("systemctl start pod-web@a-b").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-web@a-b -u pod-web-infra@a-b")
        .says(&["ln -s web@.pod web@a-b.pod"]);

    // One stops, the others stay; a running one outlives its template.
    let others = ["pod-web@b", "pod-web-app@b", "pod-web-worker@eu-west"];
    let before = machine.pids(&others);
    machine.ok("systemctl stop pod-web@a");
    machine.ok("test ! -e /run/podunit/web@a");
    assert_eq!(machine.pids(&others), before);
    machine.ok("rm /etc/podunit/web@.pod && systemctl daemon-reload");
    assert_eq!(machine.pids(&others), before);
    machine.ok("systemctl restart pod-web-app@b");
    machine.run("podunit status web@b").says(&["definition"]);
    machine.ok("systemctl stop pod-web@b pod-web@eu-west");
    machine.nothing_is_left();
}

#[test]
fn units_are_known_by_the_names_that_quadlet_gives() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write("/etc/podunit/shop.pod", "[Pod]\n");
    let container =
        |more: &str| format!("[Container]\nPod=shop.pod\nImage=busybox\nExec=sleep infinity\n{more}");
    machine.write(
        "/etc/podunit/db.container",
        container("ServiceName=postgres\n[X-Podunit]\nEssential=yes\n"),
    );
    machine.write(
        "/etc/systemd/system/after.service",
        "[Unit]\nRequires=shop-pod.service postgres.service\nAfter=shop-pod.service web.service\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    );
    machine.define("web.container", &container("[Unit]\nAfter=db.container\n"));
    machine.ok("systemctl start after");
    for unit in ["shop-pod", "web", "postgres"] {
        assert_eq!(machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    assert_eq!(machine.property("postgres", "Id"), "pod-shop-db.service");
    machine.ok("systemctl stop shop-pod");
    assert_eq!(machine.property("after", "ActiveState"), "inactive");
    machine.nothing_is_left();

    // Never over a unit that exists.
    machine.write(
        "/etc/systemd/system/web.service",
        "[Service]\nExecStart=/bin/true\n",
    );
    machine.ok("systemctl daemon-reload");
    assert!(
        machine
            .property("web", "FragmentPath")
            .starts_with("/etc/systemd/system/")
    );
    machine
        .run("podunit generate --output /root/units")
        .exits(1)
        .says(&["web.service, which is taken by"]);
}

#[test]
fn a_container_alone_and_its_volume_are_templates() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write("/etc/podunit/data@.volume", "[Volume]\n");
    machine.write(
        "/etc/podunit/site@eu-west.container.d/10.conf",
        "[Container]\nPublishPort=\nPublishPort=8080:80\n",
    );
    machine.define(
        "site@.container",
        "[Container]\nImage=busybox\nPublishPort=909%i:80\nVolume=data@.volume:/data\nStopSignal=KILL\n\
         Exec=sh -c \"echo %i > /data/index.html; exec httpd -f -p 80 -h /data\"\n\
         [Install]\nWantedBy=multi-user.target\nDefaultInstance=main\n",
    );
    machine.ok("podunit check");
    machine.ok("systemctl start site@1 site@eu-west");
    for instance in ["1", "eu-west"] {
        assert_eq!(
            machine.property(&format!("site@{instance}"), "Id"),
            format!("pod-site@{instance}.service")
        );
        assert_eq!(
            machine.property(&format!("data-volume@{instance}"), "ActiveState"),
            "active"
        );
        assert_eq!(
            machine.ok(&format!(
                "cat /var/lib/podunit/volumes/systemd-data-{instance}/_data/index.html"
            )),
            instance
        );
    }
    assert_eq!(
        machine.ok("curl -sS --retry 5 --retry-connrefused --max-time 5 localhost:8080"),
        "eu-west"
    );
    // The template's port is that of the instance, as long as that makes one.
    assert_eq!(machine.ok("curl -sS --max-time 5 localhost:9091"), "1");
    machine.run("systemctl start site@main").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-site@main -u pod-site-infra@main")
        .says(&["PublishPort=909%i:80", "`909main` is not a port"]);
    machine.ok("test -e /run/systemd/generator/multi-user.target.wants/pod-site@main.service");
    // What an instance has stays, though no definition names it and it does not run.
    machine.ok("systemctl stop site@1 site@eu-west && podunit volume prune");
    machine
        .run("podunit volume ls")
        .says(&["systemd-data-1", "systemd-data-eu-west", "volume data@"]);
    machine.nothing_is_left();
    machine.ok("rm /etc/podunit/data@.volume /etc/podunit/site@.container && systemctl daemon-reload");
    machine.ok("podunit volume prune && test ! -e /var/lib/podunit/volumes/systemd-data-1");
}
