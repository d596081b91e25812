//! Whole applications (`tests/fixtures/applications`), started as at boot, with images that stand for the true ones.

use crate::machine::{Machine, repository};
use std::fs;
use std::path::{Path, PathBuf};

/// What is on the host of an administrator who has these applications.
const HOST: &str = "mkdir -p /etc/ssl/certs /lib/modules /srv/nextcloud /srv/documents/media /srv/documents/inbox \
    /srv/media /srv/mail /srv/sync /srv/photos /srv/objects /srv/backup/postgres /srv/backup/kopia \
    /srv/mastodon/system /srv/registry /srv/downloads && echo MINIO_ROOT_USER=minio > /etc/default/minio";

/// The machine's root may not raise limits of its own (no CAP_SYS_RESOURCE, as in many a container).
const LIMITS: [(&str, &str); 6] = [
    ("nextcloud-app.container", "[Container]"),
    ("prometheus.container", "[Container]"),
    ("vaultwarden.container", "[Container]"),
    ("minio.container", "[Container]"),
    ("queue.pod", "[Container rabbitmq]"),
    ("search.pod", "[Container opensearch]"),
];

/// The folders of the applications that are written as Quadlet has it, or those that are not.
fn folders(split: bool) -> Vec<PathBuf> {
    let folder = repository().join("tests/fixtures/applications");
    let entries = fs::read_dir(folder).expect("the folder of applications");
    let is_split = |folder: &PathBuf| {
        let mut files = fs::read_dir(folder).expect("an application");
        files.any(|file| {
            file.expect("a file")
                .path()
                .extension()
                .is_some_and(|kind| kind == "container")
        })
    };
    let folders = entries.map(|entry| entry.expect("an entry").path());
    folders
        .filter(|path| path.is_dir() && is_split(path) == split)
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The lines of the table of images that these applications name.
fn images(folders: &[PathBuf]) -> String {
    let mut definitions = String::new();
    for folder in folders {
        for file in fs::read_dir(folder).expect("an application") {
            let path = file.expect("a file").path();
            if path.is_file() {
                definitions += &fs::read_to_string(&path).expect("a file of text");
            }
        }
    }
    let table = repository().join("tests/fixtures/applications/images");
    let table = fs::read_to_string(table).expect("the table of images");
    let is_named = |line: &&str| definitions.contains(line.split(' ').next().unwrap_or(line));
    table
        .lines()
        .filter(is_named)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Starts all applications of one form, and stops them when `look` has seen what they are like.
fn run(split: bool, look: impl Fn(&Machine)) {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    let tests = repository().join("tests");
    let folders = folders(split);
    assert!(folders.len() >= 12, "{folders:?}");
    for script in ["make", "stand-ins"] {
        let script = tests.join("images").join(script);
        machine.put(&script, &format!("/root/{}", name(&script)));
    }
    machine.write("/root/table", images(&folders));
    machine.ok("/root/stand-ins </root/table");
    machine.ok(HOST);
    for folder in &folders {
        machine.put(folder, &format!("/etc/podunit/{}", name(folder)));
    }
    for (file, section) in LIMITS {
        machine.write(
            &format!("/etc/podunit/{file}.d/90-machine.conf"),
            format!("{section}\nUlimit=\n"),
        );
    }
    machine.ok("systemctl daemon-reload");
    let said = machine.run("podunit check").exits(0);
    assert!(!said.all().contains("there is no"), "{said}");
    let said = machine
        .run("systemd-analyze verify --man=no /run/systemd/generator/pod-*.service")
        .exits(0);
    assert_eq!(said.all(), "", "{said}");

    // What boot would start.
    let pods = machine
        .ok("cd /run/systemd/generator && ls default.target.wants multi-user.target.wants | grep ^pod-");
    let pods: Vec<&str> = pods.lines().collect();
    let all = pods.join(" ");
    machine.ok(&format!("systemctl start {all}"));
    for pod in &pods {
        machine
            .run(&format!("podunit status {pod}"))
            .exits(0)
            .says(&["ready"]);
    }
    look(&machine);
    machine.ok(&format!("systemctl stop {all}"));
    assert_eq!(
        machine.ok("systemctl list-units --failed --plain --no-legend 'pod*'"),
        ""
    );
    // Networks and volumes with files of their own stay as long as nobody stops them.
    machine.ok("cd /run/systemd/generator && ls | grep -E -- '-(network|volume)\\.service$' | xargs -r systemctl stop");
    machine.nothing_is_left();
}

/// A line of /proc/PID/status of a member's main process.
fn status(machine: &Machine, unit: &str, line: &str) -> String {
    let pid = machine.property(unit, "MainPID");
    machine.ok(&format!("sed -n 's/^{line}:[[:space:]]*//p' /proc/{pid}/status"))
}

/// Whether the process may do what the capability of this number lets it.
fn may(machine: &Machine, unit: &str, capability: u32) -> bool {
    let set = status(machine, unit, "CapEff");
    u64::from_str_radix(&set, 16).expect("a set of capabilities") & (1 << capability) != 0
}

const NET_ADMIN: u32 = 12;

#[test]
fn applications_in_files_as_quadlet_has_them_run() {
    run(true, |machine| {
        // Limits, devices and users, those of drop-ins too.
        assert_eq!(
            machine.property("pod-jellyfin-jellyfin", "MemoryMax"),
            (4_u64 << 30).to_string()
        );
        assert!(
            machine
                .property("pod-jellyfin-jellyfin", "DeviceAllow")
                .contains("/dev/fuse")
        );
        machine.ok("podunit exec jellyfin/jellyfin test -c /dev/fuse");
        let groups = status(machine, "pod-jellyfin-jellyfin", "Groups");
        assert!(groups.contains("44") && groups.contains("105"), "{groups}");
        machine.ok("podunit exec jellyfin/jellyfin sh -c 'test $(id -u):$(id -g) = 1000:1000'");
        machine.ok("podunit exec jellyfin/jellyfin sh -c '! touch /media/file'");
        assert_eq!(
            machine.property("pods-forgejo\\x2drunner\\x40-docs.slice", "MemoryMax"),
            (256_u64 << 20).to_string()
        );
        // Capabilities and a root that is read-only.
        assert_eq!(
            status(machine, "pod-vaultwarden-vaultwarden", "CapBnd"),
            "0000000000000000"
        );
        assert!(may(machine, "pod-wg-easy-wg-easy", NET_ADMIN));
        machine
            .run("podunit exec vaultwarden/vaultwarden touch /file")
            .exits(1)
            .says(&["Read-only"]);
        assert_eq!(
            machine.ok("podunit exec wg-easy/wg-easy cat /proc/sys/net/ipv4/conf/all/src_valid_mark"),
            "1"
        );
        // Pods find each other by their aliases.
        machine.ok("podunit exec caddy/caddy wget -T 5 -qO - http://vault:8080/");
        machine.ok("podunit exec paperless-web/paperless-web wget -T 5 -qO - http://broker:6379/");
        machine.ok("curl -sS --max-time 5 localhost:8082 localhost:8091 localhost:3001");
        machine
            .run("podunit inspect monitoring/grafana")
            .exits(0)
            .says(&["\"application\": \"monitoring\""]);
        assert_eq!(
            machine.ok("podunit exec site@green/site-web cat /usr/share/nginx/html/index.html"),
            "<h1>green</h1>"
        );
        // Volumes outlive the containers.
        machine.ok("podunit exec vaultwarden/vaultwarden sh -c 'echo kept > /data/file'");
        machine.ok("podunit exec nextcloud/nextcloud-app sh -c 'echo shared > /var/www/html/data/file'");
        machine.ok("systemctl restart vaultwarden nextcloud-pod");
        assert_eq!(
            machine.ok("podunit exec vaultwarden/vaultwarden cat /data/file"),
            "kept"
        );
        machine.ok("podunit exec nextcloud/nextcloud-cron test -e /var/www/html/data/file");
        assert_eq!(machine.ok("cat /srv/nextcloud/file"), "shared");
        machine.ok("systemctl reload prometheus nextcloud-web");
    });
}

#[test]
fn applications_in_one_file_run() {
    run(false, |machine| {
        // Limits of the pod and of a member.
        assert_eq!(
            machine.property("pods-postgres.slice", "MemoryMax"),
            (2_u64 << 30).to_string()
        );
        assert_eq!(
            machine.property("pod-postgres-exporter", "MemoryMax"),
            (64_u64 << 20).to_string()
        );
        machine.ok("podunit exec postgres/server df -k /dev/shm | grep -w 262144");
        machine
            .run("podunit inspect postgres/server")
            .exits(0)
            .says(&["\"backup\": \"yes\""]);
        // Members that ran to their end have done their work.
        assert_eq!(
            machine.ok("podunit exec minecraft/server cat /data/server.properties"),
            "difficulty=hard"
        );
        assert_eq!(
            machine.ok("podunit exec search/opensearch stat -c %u /usr/share/opensearch/data"),
            "1000"
        );
        machine
            .run("podunit status mastodon")
            .exits(0)
            .says(&["migrate", "done"]);
        machine
            .run("podunit exec mastodon/web ps")
            .exits(0)
            .says(&["sidekiq", "streaming"]);
        // One member may what the other may not.
        assert!(may(machine, "pod-downloads-vpn", NET_ADMIN));
        assert!(!may(machine, "pod-downloads-deluge", NET_ADMIN));
        assert_eq!(
            machine.ok("podunit exec downloads/deluge cat /proc/sys/net/ipv6/conf/all/disable_ipv6"),
            "1"
        );
        machine.ok("podunit exec assistant/ollama sh -c 'echo > /dev/accelerator'");
        machine
            .run("podunit exec pihole/pihole sh -c 'ip addr; cat /etc/resolv.conf /etc/hosts'")
            .exits(0)
            .says(&["10.90.250.53/", "nameserver 127.0.0.1", "192.0.2.254 router.lan"]);
        machine.ok("podunit exec stream/owncast touch /segments/file; podunit exec stream/thumbnails test -e /segments/file");
        machine.ok("curl -sS --max-time 5 localhost:8086 localhost:5000/v2/ localhost:8094 localhost:8093");
        machine.ok("systemctl reload pod-wordpress");
        machine.ok("podunit exec chat/mattermost sh -c 'echo kept > /mattermost/data/file' && systemctl restart pod-chat");
        assert_eq!(
            machine.ok("podunit exec chat/mattermost cat /mattermost/data/file"),
            "kept"
        );
    });
}
