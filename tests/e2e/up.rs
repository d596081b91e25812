//! A pod without a file in /etc: imported from a compose file, brought up, and taken away again.

use crate::machine::Machine;

/// The founding pod as people have it elsewhere.
const COMPOSE: &str = include_str!("../fixtures/import/compose-founding/input/compose.yaml");

#[test]
fn a_compose_file_comes_up_and_goes_down() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write("/root/shop/compose.yaml", COMPOSE);
    machine
        .run("cd /root/shop && podunit import compose --output pods")
        .exits(0);
    machine
        .run("podunit up /root/shop/pods/my-shared-pod.pod")
        .exits(0)
        .says(&["my-shared-pod: 2/2 ready"]);
    // The client waited for the server, and finds it by the name of the service.
    machine.ok("curl -sS --max-time 5 localhost:8080 | grep -q nginx");
    machine.ok("podunit exec my-shared-pod/busybox-client wget -qO- http://nginx-server:80 | grep -q nginx");
    machine
        .run("ls /etc/podunit /run/podunit/definitions")
        .exits(0)
        .says(&["my-shared-pod.pod"]);
    let id = || machine.property("pod-my-shared-pod-infra", "InvocationID");
    let first = id();
    // Nothing has changed: nothing is done.
    machine
        .run("podunit up /root/shop/pods/my-shared-pod.pod")
        .exits(0);
    assert_eq!(id(), first);
    // Relative paths are those of the user's folder, drop-ins come along, and a change is a restart.
    machine.write("/root/shop/pods/mode.env", "MODE=quick\n");
    machine.write(
        "/root/shop/pods/my-shared-pod.pod.d/mode.conf",
        "[Container busybox-client]\nEnvironmentFile=./mode.env\nVolume=.:/here:ro\n",
    );
    machine.run("cd /root/shop/pods && podunit up .").exits(0);
    machine.write(
        "/root/shop/pods/my-shared-pod.pod.d/more.conf",
        "[Pod]\nLabel=a=b\n",
    );
    machine.ok(
        "sed -i 's/sleep 5/sleep 6/' /root/shop/pods/my-shared-pod.pod && cd /root/shop/pods && podunit up .",
    );
    assert_ne!(id(), first);
    machine
        .run("podunit exec my-shared-pod/busybox-client sh -c 'echo $MODE; ls /here'")
        .exits(0)
        .says(&["quick", "mode.env"]);

    // An error changes nothing, where it is seen at once and where only the host shows it.
    machine.write("/root/bad.pod", "[Container a]\nImag=busybox\n");
    machine
        .run("podunit up /root/bad.pod")
        .exits(1)
        .says(&["/root/bad.pod:2:1", "nothing was changed"]);
    machine.define(
        "installed.pod",
        "[Container a]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.write("/root/installed.pod", "[Container a]\nImage=busybox\n");
    machine
        .run("podunit up /root/installed.pod")
        .exits(1)
        .says(&["/etc/podunit/installed.pod is there"]);
    machine.write(
        "/root/my-shared.pod",
        "[Container pod-nginx-server]\nImage=busybox\n",
    );
    machine
        .run("podunit up /root/my-shared.pod")
        .exits(1)
        .says(&["pod-my-shared-pod-nginx-server.service"]);
    assert_eq!(
        machine.ok("ls /run/podunit/definitions"),
        "my-shared-pod.pod\nmy-shared-pod.pod.d"
    );
    // A pod that cannot start says so, and goes all the same.
    machine.write(
        "/root/fails.pod",
        "[Container a]\nImage=busybox\nExec=false\n[Service a]\nRestart=no\n",
    );
    machine
        .run("podunit up /root/fails.pod")
        .exits(1)
        .says(&["the pod fails is not ready", "podunit down fails"]);
    machine.run("podunit down fails").exits(0);

    machine
        .run("podunit down installed")
        .exits(1)
        .says(&["/etc/podunit/installed.pod", "systemctl stop"]);
    machine
        .run("podunit down my-shared-pod")
        .exits(0)
        .says(&["its definition is gone"]);
    machine.ok("! ls /run/podunit/definitions && ! ls /run/podunit/.up/*");
    assert_eq!(machine.property("pod-my-shared-pod", "LoadState"), "not-found");
    machine
        .run("podunit down my-shared-pod")
        .exits(1)
        .says(&["there is no pod"]);
    machine.nothing_is_left();
}

#[test]
fn a_folder_comes_up_with_the_folders_in_it() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.write("/root/shop/shop.pod", "[Pod]\n");
    machine.write(
        "/root/shop/apps/web.container",
        "[Container]\nPod=shop.pod\nImage=busybox\nExec=sleep infinity\nStopSignal=KILL\nVolume=./files:/files:ro\n",
    );
    machine.write("/root/shop/apps/files/a", "here\n");
    machine.write(
        "/root/shop/apps/web.container.d/10.conf",
        "[Container]\nEnvironment=A=b\n",
    );
    machine
        .run("podunit up /root/shop")
        .exits(0)
        .says(&["shop: 1/1 ready"]);
    assert_eq!(
        machine.ok("podunit exec shop/web sh -c 'echo $A; cat /files/a'"),
        "b\nhere"
    );
    machine.ok("podunit down shop && ! ls /run/podunit/definitions");
    machine.nothing_is_left();
}

#[test]
fn each_pod_of_a_folder_is_one_of_its_own() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let pod = "[Container app]\nImage=busybox\nExec=sleep infinity\nStopSignal=KILL\n";
    for name in ["a.pod", "b.pod", "web@.pod"] {
        machine.write(&format!("/root/shop/{name}"), pod);
    }
    // What would hold for all pods of the host is not taken, and a template alone is nothing to start.
    machine.write("/root/shop/pod.d/x.conf", "[Pod]\nLabel=a=b\n");
    machine
        .run("podunit up /root/shop")
        .exits(1)
        .says(&["/root/shop/pod.d/x.conf", "more than one definition"]);
    machine.ok("rm -r /root/shop/pod.d");
    machine
        .run("podunit up /root/shop/web@.pod")
        .exits(1)
        .says(&["is a template", "nothing was changed"]);
    machine.ok("ln -s web@.pod /root/shop/web@x.pod");
    machine
        .run("podunit up /root/shop")
        .exits(0)
        .says(&["a: 1/1 ready", "b: 1/1 ready", "web@x: 1/1 ready"]);

    // A change of one restarts that one.
    let before = ["a", "b"].map(|pod| machine.pids(&[&format!("pod-{pod}-app")]));
    machine.ok("sed -i 's/sleep infinity/sleep 100000/' /root/shop/a.pod && podunit up /root/shop");
    let now = ["a", "b"].map(|pod| machine.pids(&[&format!("pod-{pod}-app")]));
    assert!(before[0] != now[0] && before[1] == now[1], "{before:?} {now:?}");
    machine.ok("podunit down a");
    assert_eq!(
        machine.ok("ls /run/podunit/definitions"),
        "b.pod\nweb@.pod\nweb@x.pod"
    );
    machine.ok("podunit down web@x && podunit down b && ! ls /run/podunit/definitions");
    machine.nothing_is_left();
}
