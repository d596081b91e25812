//! Files as Quadlet has them, one for each thing: a container alone, volumes, images, and what is not for podunit.

use crate::machine::Machine;

#[test]
fn a_container_alone_is_a_service_and_its_volumes_outlive_it() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write(
        "/etc/podunit/data.volume",
        "[Volume]\nVolumeName=app-data\nUser=daemon\n",
    );
    machine.write(
        "/etc/podunit/scratch.volume",
        "[Volume]\nType=tmpfs\nDevice=tmpfs\nOptions=size=1m\n",
    );
    machine.write(
        "/etc/podunit/srv.volume",
        "[Volume]\nType=bind\nDevice=/srv/data\n",
    );
    machine.ok("mkdir -p /srv/data && echo host > /srv/data/file");
    machine.define(
        "x.container",
        "[Container]\nImage=busybox\nExec=httpd -f -p 80 -h /data\nPublishPort=8080:80\nHostName=lone\n\
         Volume=data.volume:/data\nVolume=scratch.volume:/scratch\nVolume=srv.volume:/srv:ro\nVolume=/only\n\
         Volume=programs:/bin\n\n[Service]\nMemoryMax=100M\n\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.ok("podunit check");
    machine.ok("systemctl start x");
    assert_eq!(machine.property("x", "Id"), "pod-x.service");
    assert_eq!(machine.property("pod-x-infra", "MainPID"), "0");
    assert_eq!(machine.property("pod-x-x", "MemoryMax"), "104857600");
    assert_eq!(machine.ok("podunit exec x/x hostname"), "lone");
    machine.ok("test -e /run/systemd/generator/multi-user.target.wants/pod-x.service");

    // The image's programs were copied, or nothing would run; and the files are where they should be.
    machine.ok("test -e /var/lib/podunit/volumes/programs/_data/busybox");
    assert_eq!(
        machine.ok("stat -c %U /var/lib/podunit/volumes/app-data/_data"),
        "daemon"
    );
    machine.ok("podunit exec x/x sh -c 'echo kept > /data/index.html; echo gone > /only/file; echo here > /scratch/file'");
    assert_eq!(machine.ok("curl -sS --max-time 5 localhost:8080"), "kept");
    assert_eq!(machine.ok("podunit exec x/x cat /srv/file"), "host");
    machine
        .run("podunit exec x/x touch /srv/other")
        .exits(1)
        .says(&["Read-only"]);
    assert_eq!(
        machine.ok("findmnt -n -o FSTYPE /var/lib/podunit/volumes/systemd-scratch/_data"),
        "tmpfs"
    );

    machine.ok("systemctl restart x");
    assert_eq!(
        machine.ok("curl -sS --retry 5 --retry-connrefused --max-time 5 localhost:8080"),
        "kept"
    );
    assert_eq!(
        machine.ok("podunit exec x/x sh -c 'cat /scratch/file; ls -A /only'"),
        "here"
    );
    machine
        .run("podunit volume rm app-data")
        .exits(1)
        .says(&["app-data", "in use by pod x"]);
    machine.ok("podunit volume prune");
    machine.run("podunit volume ls").exits(0).says(&[
        "app-data",
        "programs",
        "systemd-scratch",
        "systemd-srv",
    ]);

    machine.ok("systemctl stop x");
    machine.nothing_is_left();
    machine.ok("test ! -e /var/lib/podunit/containers/x");
    // Of mounts nothing is left either, and what was mounted keeps its files.
    machine.ok("systemctl stop scratch-volume srv-volume");
    machine.run("findmnt -R /var/lib/podunit/volumes").exits(1);
    machine.ok("grep -qx host /srv/data/file");
    machine.ok("podunit volume rm app-data && test ! -e /var/lib/podunit/volumes/app-data");

    // A program that fails for good is a failed service, and a mistake says so by the same name.
    machine.define(
        "bad.container",
        "[Container]\nImage=busybox\nExec=sh -c 'sleep 1; exit 3'\n[Service]\nRestart=no\n",
    );
    machine.ok("systemctl start bad");
    machine.until_prints("systemctl show -P ActiveState bad", "failed");
    machine.define("bad.container", "[Container]\nImge=busybox\n");
    machine.run("systemctl start bad").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-bad")
        .says(&["/etc/podunit/bad.container:2:1"]);
    machine.define("y.kube", "[Kube]\nYaml=y.yml\n");
    machine.run("systemctl start y").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u y")
        .says(&["Kubernetes", "podunit import"]);
}

#[test]
fn an_image_has_a_file_of_its_own() {
    let Some(machine) = Machine::with_registry() else {
        return;
    };
    machine.write(
        "/etc/podunit/box.image",
        "[Unit]\nDocumentation=https://example.com\n\n[Image]\nImage=localhost:5000/library/busybox\n",
    );
    machine.define(
        "app.container",
        "[Container]\nImage=box.image\nExec=sleep infinity\n",
    );
    machine.ok("podunit check; systemctl start app");
    let wanted = machine.property("pod-app-app", "Wants");
    let unit = wanted.split(' ').find(|unit| unit.starts_with("podunit-image@"));
    let unit = unit.expect("a unit that fetches the image");
    machine
        .run(&format!("journalctl --no-pager -u {unit}"))
        .says(&["Pulled localhost:5000/library/busybox:latest"]);
    assert!(
        machine
            .property(unit, "Documentation")
            .contains("https://example.com")
    );
    machine.ok("systemctl start box-image && systemctl is-active box-image");
    // Without anybody who runs it.
    machine.ok("systemctl stop app box-image && rm /etc/podunit/app.container && systemctl daemon-reload");
    machine.ok("podunit image rm localhost:5000/library/busybox && systemctl start box-image");
    machine
        .run("podunit image ls")
        .says(&["localhost:5000/library/busybox"]);
    machine.ok("systemctl stop registry && podunit image rm localhost:5000/library/busybox");
    machine
        .run("systemctl stop box-image && systemctl start box-image")
        .exits(1);
}

#[test]
fn an_order_among_files_holds_for_what_runs() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write(
        "/etc/podunit/data.volume",
        "[Unit]\nAfter=first.container\n[Volume]\n",
    );
    machine.write(
        "/etc/podunit/first.container",
        "[Unit]\nBefore=last.container\n[Container]\nImage=busybox\nStopSignal=KILL\n\
         Exec=sh -c \"sleep 2; touch /ready; exec sleep infinity\"\n\
         [X-Podunit]\nReadyProbe=test -e /ready\nReadyInterval=200ms\n",
    );
    machine.define(
        "last.container",
        "[Unit]\nBindsTo=first.container data.volume\n\
         [Container]\nImage=busybox\nStopSignal=KILL\nExec=sleep infinity\n",
    );
    machine.ok("podunit check");
    machine.ok("systemctl start last");
    let time = |unit: &str, what: &str| -> u64 {
        machine
            .property(unit, &format!("{what}TimestampMonotonic"))
            .parse()
            .unwrap()
    };
    // Not of the supervisors alone, which is easily had: the container itself has waited.
    let ready = time("first", "ActiveEnter");
    for unit in ["pod-last-infra", "pod-last-last", "data-volume"] {
        assert!(time(unit, "InactiveExit") >= ready, "{unit} did not wait");
    }
    machine.ok("systemctl stop first");
    machine.until_prints("systemctl show -P ActiveState last", "inactive");
    machine.ok("systemctl stop data-volume");
    machine.nothing_is_left();
}
