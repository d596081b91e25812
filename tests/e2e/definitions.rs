//! Definitions that are broken, change or go away, and file systems that are full.

use crate::machine::Machine;

#[test]
fn a_broken_definition_explains_itself_and_harms_nobody() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let before = machine.pids(&["pod-my-shared-pod", "pod-my-shared-pod-nginx-server"]);
    machine.define("broken.pod", "[Pod]\n[Container web]\nImage=nginx\nExce=sh\n");
    machine.run("systemctl start pod-broken").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u pod-broken")
        .exits(0)
        .says(&["/etc/podunit/broken.pod:4:1", "Exce", "Exec"]);
    machine
        .run("podunit check /etc/podunit/broken.pod")
        .exits(1)
        .says(&["broken.pod:4:1", "Exec"]);
    assert_eq!(
        machine.pids(&["pod-my-shared-pod", "pod-my-shared-pod-nginx-server"]),
        before
    );
    // Put right, it starts.
    machine.define(
        "broken.pod",
        "[Pod]\n[Container web]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-broken && podunit check");
}

#[test]
fn a_running_pod_keeps_what_it_was_started_with() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let units = [
        "pod-my-shared-pod",
        "pod-my-shared-pod-nginx-server",
        "pod-my-shared-pod-busybox-client",
    ];
    let before = machine.pids(&units);

    // Nonsense in its place.
    machine.define("my-shared-pod.pod", "[Pod\nnonsense\0\n");
    assert_eq!(machine.pids(&units), before);
    machine.ok("curl -sS --max-time 5 localhost:8080");
    machine.ok("systemctl restart pod-my-shared-pod-nginx-server && curl -sS --retry 5 --retry-connrefused --max-time 5 localhost:8080");

    // Gone.
    machine.ok("rm /etc/podunit/my-shared-pod.pod && systemctl daemon-reload");
    machine.ok("curl -sS --max-time 5 localhost:8080");
    machine
        .run("podunit status my-shared-pod")
        .exits(0)
        .says(&["definition"]);
    let pause = machine.property("pod-my-shared-pod-infra", "MainPID");
    machine.ok(&format!("kill -9 {pause}"));
    machine.until("curl -sS --max-time 5 localhost:8080", |ran| ran.status == 0);
    machine.until_prints("systemctl show -P StatusText pod-my-shared-pod", "2/2 ready");
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
    machine.ok("systemctl daemon-reload");
    machine
        .run("systemctl start pod-my-shared-pod")
        .exits(5)
        .says(&["not found"]);
}

#[test]
fn a_member_taken_out_of_the_definition_is_stopped_with_the_pod() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    // One that comes into it has to wait for a restart, and does not fail again and again meanwhile.
    let member = "\n[Container later]\nImage=busybox\nExec=sleep infinity\n";
    machine.define("my-shared-pod.pod", &(crate::FOUNDING.to_owned() + member));
    machine.run("systemctl start pod-my-shared-pod-later").exits(1);
    machine.ok("systemctl kill -s KILL pod-my-shared-pod");
    machine.until_prints("systemctl is-active pod-my-shared-pod", "active");
    machine.until_prints("systemctl is-system-running", "running");
    assert_eq!(machine.property("pod-my-shared-pod-later", "NRestarts"), "0");
    machine.ok("systemctl restart pod-my-shared-pod && systemctl is-active pod-my-shared-pod-later");

    let short: String = crate::FOUNDING
        .lines()
        .filter(|line| !line.contains("busybox") && !line.starts_with("Exec"))
        .map(|line| format!("{line}\n"))
        .collect();
    machine.define("my-shared-pod.pod", &short);
    assert_eq!(
        machine.property("pod-my-shared-pod-busybox-client", "ActiveState"),
        "active"
    );
    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();
}

#[test]
fn colliding_units_are_an_error_that_names_both() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let member = |name: &str| format!("[Pod]\n[Container {name}]\nImage=busybox\nExec=sleep infinity\n");
    machine.write("/etc/podunit/a-b.pod", member("c"));
    machine.define("a.pod", &member("b-c"));
    machine
        .run("podunit check")
        .exits(1)
        .says(&["pod-a-b-c.service", "a.pod", "a-b.pod"]);
    machine.write(
        "/etc/systemd/system/pod-taken.service",
        "[Service]\nExecStart=/bin/true\n",
    );
    machine.define("taken.pod", &member("x"));
    assert!(
        machine
            .property("pod-taken", "FragmentPath")
            .starts_with("/etc/systemd/system/")
    );
    machine
        .run("podunit generate --root / --output /tmp/out")
        .exits(1)
        .says(&["pod-taken.service"]);
}

#[test]
fn a_full_or_read_only_run_and_var_fail_with_words() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define("my-shared-pod.pod", crate::FOUNDING);
    // /var cannot be written: the start says so, and nothing stays.
    machine.ok("mount -o remount,ro,bind /var/lib/podunit");
    machine.run("systemctl start pod-my-shared-pod").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u 'pod-my-shared-pod*'")
        .says(&["/var/lib/podunit", "Read-only file system"]);
    machine.ok("mount -o remount,rw,bind /var/lib/podunit");
    machine.ok(
        "systemctl reset-failed && systemctl start pod-my-shared-pod && curl -sS --max-time 5 localhost:8080",
    );

    machine.ok("systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();

    // /run is full: the start fails with words and leaves nothing; with room again it succeeds.
    machine.ok("mkdir -p /run/podunit && mount -t tmpfs -o size=4k full /run/podunit");
    machine.run("systemctl start pod-my-shared-pod").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u 'pod-my-shared-pod*'")
        .says(&["No space left on device"]);
    machine.ok("umount -R /run/podunit && systemctl reset-failed && systemctl start pod-my-shared-pod && systemctl stop pod-my-shared-pod");
    machine.nothing_is_left();

    // A full folder of the generator: no half unit is written.
    machine.ok("mkdir -p /tmp/full && mount -t tmpfs -o size=8k full /tmp/full && head -c 8k /dev/zero > /tmp/full/filler; true");
    machine
        .run("podunit generate --root / --output /tmp/full")
        .exits(1)
        .says(&["No space left on device"]);
    assert_eq!(machine.ok("ls /tmp/full"), "filler");
}

#[test]
fn environment_specifiers_and_variables_reach_the_process() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write(
        "/etc/podunit/values.env",
        "# a comment\nFROM_FILE=\"quoted value\"\n",
    );
    machine.define(
        "values.pod",
        "[Pod]\n[Container app]\nImage=busybox\nUser=app\nWorkingDir=/tmp\n\
         Environment=ONE=1 \"SPACED=a b\" UNIT=%n PERCENT=100%%\nEnvironmentFile=/etc/podunit/values.env\n\
         Exec=sh -c 'env; id; pwd; echo \"arg:$$0:$$1\"; exec sleep infinity' ${FROM_UNIT} %N\n\
         [Service app]\nEnvironment=FROM_UNIT=unit-value\n",
    );
    machine.ok("systemctl start pod-values");
    let printed = machine
        .until("journalctl --no-pager -o cat -u pod-values-app", |ran| {
            ran.stdout.contains("arg:")
        })
        .stdout;
    for expected in [
        "ONE=1",
        "SPACED=a b",
        "UNIT=pod-values-app.service",
        "PERCENT=100%",
        "FROM_FILE=quoted value",
        "uid=1000(app)",
        "/tmp",
        "arg:unit-value:pod-values-app",
    ] {
        assert!(printed.contains(expected), "{expected}\n{printed}");
    }
    assert!(
        !printed.contains("INVOCATION_ID"),
        "nothing of the unit's own environment leaks\n{printed}"
    );
}

#[test]
fn volumes_tmpfs_and_read_only() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok("mkdir -p /srv/data /srv/ro && echo kept > /srv/ro/file");
    machine.define(
        "files.pod",
        "[Pod]\n[Container app]\nImage=busybox\nReadOnly=true\nTmpfs=/scratch:size=1m,mode=1777\n\
         Volume=/srv/data:/data\nVolume=/srv/ro:/ro:ro\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-files");
    machine.ok("podunit exec files/app sh -c 'echo x > /data/x && echo y > /scratch/y'");
    assert_eq!(machine.ok("cat /srv/data/x"), "x");
    assert_ne!(
        machine
            .run("podunit exec files/app sh -c 'echo x > /ro/file'")
            .status,
        0
    );
    assert_ne!(
        machine
            .run("podunit exec files/app sh -c 'echo x > /bin/x'")
            .status,
        0
    );
    machine.ok("systemctl stop pod-files");
    assert_eq!(machine.ok("cat /srv/ro/file"), "kept");

    // What is written into the container's own root is gone with it, and a missing source is told.
    machine.ok("sed -i 's/^ReadOnly.*//; s,/srv/data:,/srv/missing:,' /etc/podunit/files.pod && systemctl daemon-reload");
    machine.run("systemctl start pod-files").exits(1);
    machine
        .run("journalctl --no-pager -o cat -u 'pod-files*'")
        .says(&["/srv/missing"]);
}
