//! What a member can see and do.

use crate::machine::Machine;

#[test]
fn a_member_is_confined() {
    let Some(machine) = Machine::with_founding_pod() else {
        return;
    };
    let main = machine.property("pod-my-shared-pod-busybox-client", "MainPID");
    let status = machine.ok(&format!("cat /proc/{main}/status"));
    let field = |name: &str| {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    assert_eq!(field("CapInh:"), "0000000000000000");
    assert_eq!(field("CapAmb:"), "0000000000000000");
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP, or fewer
    let allowed: u64 = [0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31]
        .iter()
        .map(|bit| 1u64 << bit)
        .sum();
    let bounding = u64::from_str_radix(&field("CapBnd:"), 16).expect("a mask");
    assert_eq!(bounding & !allowed, 0, "{bounding:x}");
    let inside = |command: &str| machine.run(&format!("podunit exec my-shared-pod/busybox-client {command}"));
    assert_ne!(inside("mount -t tmpfs x /tmp").status, 0);
    assert_ne!(inside("sh -c 'echo 1 > /proc/sys/kernel/sysrq'").status, 0);
    assert_ne!(inside("sh -c 'echo b > /proc/sysrq-trigger'").status, 0);
    assert_eq!(inside("cat /proc/kcore").stdout, "");
    assert_ne!(inside("sh -c 'echo 1 > /sys/fs/cgroup/cgroup.freeze'").status, 0);
    assert_ne!(inside("unshare -m true").status, 0);
    let open = machine.ok(&format!("ls /proc/{main}/fd | tr '\\n' ' '"));
    assert_eq!(open.trim(), "0 1 2", "no descriptor of ours reaches the payload");
    // crun exec gets no more than the container has.
    let exec = inside("grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status").stdout;
    assert!(
        exec.contains(&field("CapBnd:")) && exec.contains("NoNewPrivs:\t1") && exec.contains("Seccomp:\t2"),
        "{exec}"
    );
}

#[test]
fn the_pods_pid_1_shows_nothing_of_the_host() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "strong.pod",
        "[Pod]\nShare=net pid\n[Container strong]\nImage=busybox\nAddCapability=SYS_PTRACE SYS_ADMIN DAC_READ_SEARCH\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-strong");
    assert_eq!(machine.ok("podunit exec strong/strong ls -A /proc/1/root/"), "");
    assert_eq!(machine.ok("podunit exec strong/strong ls -A /proc/1/cwd/"), "");
    machine
        .run("podunit exec strong/strong sh -c 'echo x > /proc/1/root/x'")
        .exits(1);
    machine
        .run("podunit exec strong/strong sh -c 'cat /proc/1/environ'")
        .says(&[]);
    assert_eq!(
        machine
            .ok("podunit exec strong/strong ls -A /proc/1/fd | tr '\\n' ' '")
            .trim(),
        "0 1 2"
    );
    let pause = machine.property("pod-strong-infra", "MainPID");
    let own: u64 = machine
        .ok(&format!("awk '/^(Private_Clean|Private_Dirty|Shared_Dirty):/ {{ kib += $2 }} END {{ print kib }}' /proc/{pause}/smaps_rollup"))
        .parse()
        .expect("KiB");
    assert!(own <= 64, "{own} KiB");
}

#[test]
fn orphans_leave_no_zombie() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "orphans.pod",
        "[Pod]\nShare=net pid\n[Container app]\nImage=busybox\nExec=sleep infinity\n",
    );
    machine.ok("systemctl start pod-orphans");
    machine.ok("podunit exec orphans/app sh -c 'i=0; while [ $i -lt 10000 ]; do (: &) ; i=$((i+1)); done'");
    machine.until_prints(
        "podunit exec orphans/app ps -o stat= 2>/dev/null | grep -c Z; ps -eo stat= | grep -c '^Z'",
        "0\n0",
    );
    let pause = machine.property("pod-orphans-infra", "MainPID");
    assert_eq!(
        machine.ok(&format!("ps -o stat= --ppid {pause} | grep -c Z; true")),
        "0"
    );
}

#[test]
fn directives_of_systemd_act_on_the_containers_own_process() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define(
        "limits.pod",
        "[Pod]\nShare=net pid\n[Service]\nMemoryMax=512M\n[Container app]\nImage=busybox\nExec=sleep infinity\n\
         [Service app]\nTasksMax=50\nNice=5\nRestart=always\nRestartSec=0\n",
    );
    machine.ok("systemctl start pod-limits");
    assert_eq!(machine.property("pod-limits-app", "TasksMax"), "50");
    assert_eq!(machine.property("pods-limits.slice", "MemoryMax"), "536870912");
    let main = machine.property("pod-limits-app", "MainPID");
    assert_eq!(machine.ok(&format!("ps -o ni= -p {main}")).trim(), "5");
    machine.ok("systemctl kill -s KILL pod-limits-app");
    machine.until("systemctl show -P MainPID pod-limits-app", |ran| {
        !["0", main.as_str()].contains(&ran.stdout.trim())
    });
    machine.until_prints("systemctl is-active pod-limits-app", "active");
    machine.ok("systemctl freeze pods-limits.slice && systemctl thaw pods-limits.slice");
    machine.ok("systemctl stop pod-limits");
    machine.nothing_is_left();
}
