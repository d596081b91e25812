//! What keys of Quadlet's do, looked at in the kernel and in systemd, not in what was written for them.

use crate::machine::Machine;

/// One member with many keys, one with those that take walls down.
const KEYS: &str = "\
[Pod]
Share=net uts
StopTimeout=7
Volume=/etc/machine-id:/from-pod:ro

[Container app]
Image=busybox
Exec=sleep infinity
GroupAdd=4242
Ulimit=nofile=100:200
Ulimit=core=0
Sysctl=net.core.somaxconn=77 kernel.shmmax=4096000
Memory=64m
PidsLimit=50
ShmSize=1m
Annotation=org.example.note=shown
Timezone=Test/Here
RunInit=true
ReadOnly=true
ReadOnlyTmpfs=false
Tmpfs=/scratch:size=2m
Mask=/proc/cpuinfo
Unmask=/proc/s[xy]s
SeccompProfile=./no-mkdir.json
AddDevice=/dev/zero:/dev/nought:r -/dev/no-such
HttpProxy=yes
Mount=type=tmpfs,tmpfs-size=3M,target=/small
Mount=type=bind,source=/etc/machine-id,target=/bound,ro=true
Mount=type=devpts,target=/pts,mode=0600
PodmanArgs=--cpus=0.5 --oom-score-adj 300 -e FROM=podman

[Service app]
Environment=http_proxy=http://proxy.example:3128 OTHER=not-passed-on

[Container loose]
Image=busybox
Exec=sh -c 'echo heard; exec sleep infinity'
NoNewPrivileges=false
SeccompProfile=unconfined
Unmask=ALL
EnvironmentHost=yes
LogDriver=none
VolatileTmp=true
PodmanArgs=--cap-add net_raw

[Service loose]
Environment=MARK=of-the-unit
";

/// Everything is allowed but to make folders.
const NO_MKDIR: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28, "includes": {}, "excludes": {}},
    {"names": ["read"], "action": "SCMP_ACT_KILL", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}"#;

struct Member<'m> {
    machine: &'m Machine,
    name: &'static str,
    main: String,
}

impl<'m> Member<'m> {
    fn new(machine: &'m Machine, name: &'static str) -> Self {
        let main = machine.property(&format!("pod-keys-{name}"), "MainPID");
        Self { machine, name, main }
    }

    /// What the kernel says of its process.
    fn proc(&self, file: &str) -> String {
        self.machine.ok(&format!("cat /proc/{}/{file}", self.main))
    }

    fn status(&self, field: &str) -> Vec<String> {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with(field));
        let words = line.unwrap_or_default().split_whitespace().skip(1);
        words.map(str::to_owned).collect()
    }

    /// The options of the mount on a path, those of the file system last.
    fn mount(&self, path: &str) -> Option<String> {
        let mounts = self.proc("mountinfo");
        let of_path = |line: &&str| line.split(' ').nth(4) == Some(path);
        mounts.lines().rfind(of_path).map(str::to_owned)
    }

    fn has_variable(&self, variable: &str) -> bool {
        self.proc("environ").split('\0').any(|known| known == variable)
    }

    fn inside(&self, command: &str) -> String {
        self.machine.ok(&self.exec(command))
    }

    fn exec(&self, command: &str) -> String {
        format!("podunit exec keys/{} {command}", self.name)
    }

    fn property(&self, name: &str) -> String {
        self.machine.property(&format!("pod-keys-{}", self.name), name)
    }
}

#[test]
fn keys_act_on_the_containers_own_process() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.ok("mkdir -p /usr/share/zoneinfo/Test && echo TZif > /usr/share/zoneinfo/Test/Here");
    machine.write("/etc/podunit/no-mkdir.json", NO_MKDIR);
    machine.define("keys.pod", KEYS);
    machine.ok("podunit check");
    machine.ok("systemctl start pod-keys");
    confined(&machine, &Member::new(&machine, "app"));
    loose(&machine, &Member::new(&machine, "loose"));

    // A member that is restarted has the same again, and what reaped for it before is gone.
    let app = Member::new(&machine, "app");
    machine.ok("systemctl restart pod-keys-app");
    let again = Member::new(&machine, "app");
    assert_ne!(app.main, again.main);
    assert_eq!(again.inside("cat /proc/1/comm"), "podunit-pause");
    let in_unit = format!(
        "wc -l < /sys/fs/cgroup{}/cgroup.procs",
        again.property("ControlGroup")
    );
    assert_eq!(machine.ok(&in_unit), "2");
    machine.ok("systemctl stop pod-keys");
    machine.nothing_is_left();
}

/// The member `app`.
fn confined(machine: &Machine, app: &Member<'_>) {
    assert!(app.status("Groups:").contains(&"4242".to_owned()));
    let limits = app.proc("limits");
    let limit = |name: &str| -> Vec<String> {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let words = line.unwrap_or_default().split_whitespace().take(2);
        words.map(str::to_owned).collect()
    };
    assert_eq!(limit("Max open files"), ["100", "200"]);
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    assert_eq!(app.inside("cat /proc/sys/net/core/somaxconn"), "77");
    assert_eq!(app.inside("cat /proc/sys/kernel/shmmax"), "4096000");
    assert_ne!(machine.ok("cat /proc/sys/net/core/somaxconn"), "77");

    assert_eq!(app.property("MemoryMax"), "67108864");
    assert_eq!(app.property("TasksMax"), "50");
    assert_eq!(app.property("CPUQuotaPerSecUSec"), "500ms");
    // A machine without the controllers has no such files.
    let cgroup = app.property("ControlGroup");
    for (file, value) in [("memory.max", "67108864"), ("pids.max", "50")] {
        let read = machine.run(&format!("cat /sys/fs/cgroup{cgroup}/{file}"));
        assert!(read.status != 0 || read.stdout.trim() == value, "{file}: {read}");
    }
    assert_eq!(app.proc("oom_score_adj"), "300");
    assert_eq!(
        app.property("TimeoutStopUSec"),
        "12s",
        "7 seconds, and what the step takes"
    );

    assert!(
        app.mount("/dev/shm")
            .is_some_and(|mount| mount.contains("size=1024k"))
    );
    assert!(
        app.mount("/small")
            .is_some_and(|mount| mount.contains("size=3072k"))
    );
    assert!(
        app.mount("/pts")
            .is_some_and(|mount| mount.contains(" devpts ") && mount.contains("mode=600"))
    );
    assert!(app.mount("/bound").is_some_and(|mount| mount.contains(" ro")));
    assert_eq!(app.inside("cat /from-pod"), machine.ok("cat /etc/machine-id"));
    assert_eq!(app.inside("cat /etc/localtime"), "TZif");
    assert!(app.mount("/run").is_none() && app.mount("/tmp").is_none());
    machine.run(&app.exec("touch /tmp/x")).exits(1);
    app.inside("touch /scratch/x");

    assert_eq!(app.inside("cat /proc/cpuinfo"), "");
    assert!(app.mount("/proc/sys").is_none() && app.mount("/proc/bus").is_some());
    assert_eq!(
        (app.status("NoNewPrivs:"), app.status("Seccomp:")),
        (vec!["1".to_owned()], vec!["2".to_owned()])
    );
    machine
        .run(&app.exec("mkdir /scratch/folder"))
        .says(&["No space left on device"]);

    assert_eq!(app.inside("sh -c 'head -c 4 /dev/nought | wc -c'"), "4");
    assert_eq!(app.inside("stat -c %t:%T /dev/nought"), "1:5");
    assert!(
        app.property("DeviceAllow").contains("/dev/zero rm"),
        "{}",
        app.property("DeviceAllow")
    );

    assert!(app.has_variable("http_proxy=http://proxy.example:3128") && app.has_variable("FROM=podman"));
    assert!(!app.has_variable("OTHER=not-passed-on"));

    // Its program is not PID 1, which reaps.
    assert_ne!(app.status("NSpid:").last().map(String::as_str), Some("1"));
    assert_eq!(app.inside("cat /proc/1/comm"), "podunit-pause");
    app.inside("sh -c 'i=0; while [ $i -lt 100 ]; do (: &) ; i=$((i+1)); done'");
    machine.until_prints(&app.exec("ps -o stat= | grep -c Z; true"), "0");

    machine
        .run("podunit inspect keys/app")
        .says(&[r#""org.example.note": "shown""#, r#""nofile""#]);
}

/// The member `loose`.
fn loose(machine: &Machine, loose: &Member<'_>) {
    let (privileges, filter) = (loose.status("NoNewPrivs:"), loose.status("Seccomp:"));
    assert_eq!((privileges, filter), (vec!["0".to_owned()], vec!["0".to_owned()]));
    let bounding = u64::from_str_radix(&loose.status("CapBnd:")[0], 16).expect("a mask");
    assert_ne!(bounding & 1 << 13, 0, "CAP_NET_RAW: {bounding:x}");
    for path in ["/proc/sys", "/proc/kcore", "/proc/keys", "/sys/firmware"] {
        assert_eq!(loose.mount(path), None, "{path}");
    }
    assert!(loose.has_variable("MARK=of-the-unit"));
    assert!(!loose.proc("environ").contains("NOTIFY_SOCKET"));
    assert!(
        loose
            .mount("/tmp")
            .is_some_and(|mount| mount.contains("size=524288k"))
    );
    assert_eq!(
        machine.ok(&format!("readlink /proc/{}/fd/1", loose.main)),
        "/dev/null"
    );
    assert!(
        !machine
            .ok("journalctl --no-pager -o cat -u pod-keys-loose")
            .contains("heard")
    );
    assert_eq!(loose.status("NSpid:").last().map(String::as_str), Some("1"));
}

#[test]
fn a_pod_ends_with_its_containers_if_it_is_to() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let pod = |policy: &str, end: &str| {
        format!(
            "[Pod]\nExitPolicy={policy}\n[Container a]\nImage=busybox\nExec=sh -c 'while [ ! -e /end/now ]; do sleep 0.1; done; {end}'\n\
             Volume=/srv:/end\n[Service a]\nRestart=no\n"
        )
    };
    machine.define("ends.pod", &pod("stop", "exit 0"));
    machine.define("fails.pod", &pod("stop", "exit 3"));
    machine.define("stays.pod", &pod("continue", "exit 0"));
    machine.ok("systemctl start pod-ends pod-fails pod-stays && touch /srv/now");
    machine.until_prints("systemctl is-active pod-ends", "inactive");
    machine.until_prints("systemctl is-active pod-fails", "failed");
    machine.until_prints("systemctl is-active pod-stays-a", "inactive");
    assert_eq!(machine.ok("systemctl is-active pod-stays"), "active");
    machine
        .run("journalctl --no-pager -o cat -u pod-fails")
        .says(&["all containers have ended, and a failed: exit status 3 (ExitPolicy=stop)"]);
    machine.ok("systemctl stop pod-stays");
    machine.nothing_is_left();
}

#[test]
fn what_this_host_does_not_have_is_named() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    for (key, message) in [
        ("AddDevice=/dev/no-such", "this host has no such device"),
        ("Timezone=No/Where", "install tzdata, or correct the name"),
        (
            "SeccompProfile=/no/such/profile",
            "SeccompProfile=/no/such/profile: ",
        ),
        ("GroupAdd=nobodys", "there is no group `nobodys`"),
    ] {
        let text =
            format!("[Container a]\nImage=busybox\nExec=sleep infinity\n{key}\n[Service a]\nRestart=no\n");
        machine.define("lacks.pod", &text);
        machine.run("systemctl start pod-lacks").exits(1);
        machine
            .run("journalctl --no-pager -o cat -u pod-lacks-a")
            .says(&[message]);
    }
    machine.nothing_is_left();
}
