//! One service of a compose file → one member.

use super::super::file::Member;
use super::super::value::{self, Lost};
use super::super::yaml::{Node, Value};
use super::super::{Imported, Note, name_from};
use super::texts;
use crate::unitfile::value::{TimeSpan, parse_time_span};
use crate::unitfile::{is_hidden, words};
use std::path::Path;
use std::rc::Rc;

/// What is around a service.
pub(super) struct Surroundings<'a> {
    /// The whole file.
    pub(super) root: &'a Node,
    /// Its folder.
    pub(super) base: &'a Path,
    /// The pod.
    pub(super) pod: &'a str,
}

/// Keys that become a key of Quadlet's as they are, one value or a list.
const SAME: [(&str, &str); 12] = [
    ("cap_add", "AddCapability"),
    ("cap_drop", "DropCapability"),
    ("devices", "AddDevice"),
    ("group_add", "GroupAdd"),
    ("image", "Image"),
    ("init", "RunInit"),
    ("read_only", "ReadOnly"),
    ("stop_signal", "StopSignal"),
    ("tmpfs", "Tmpfs"),
    ("user", "User"),
    ("userns_mode", "UserNS"),
    ("working_dir", "WorkingDir"),
];

/// Keys of the pod.
const OF_THE_POD: [(&str, &str); 4] = [
    ("dns", "DNS"),
    ("dns_opt", "DNSOption"),
    ("dns_search", "DNSSearch"),
    ("shm_size", "ShmSize"),
];

/// Limits, and their names on a command line.
const LIMITS: [(&str, &str); 8] = [
    ("mem_limit", "memory"),
    ("memswap_limit", "memory-swap"),
    ("mem_reservation", "memory-reservation"),
    ("cpus", "cpus"),
    ("cpu_shares", "cpu-shares"),
    ("cpuset", "cpuset-cpus"),
    ("pids_limit", "pids-limit"),
    ("oom_score_adj", "oom-score-adj"),
];

/// Keys that have nothing to say here, or have been looked at already.
const NOTHING: [&str; 11] = [
    "attach",
    "cgroup",
    "depends_on",
    "expose",
    "extra_hosts",
    "ipc",
    "isolation",
    "profiles",
    "stdin_open",
    "networks",
    "container_name",
];

/// Keys that are lost, and why.
const LOST: [(&str, &str); 17] = [
    (
        "blkio_config",
        "write the limits as keys of systemd.resource-control(5) in [Service]",
    ),
    ("cgroup_parent", "containers are in the slice of their pod"),
    ("cpu_quota", "write CPUQuota= in [Service], a share such as 150%"),
    ("cpu_period", "write CPUQuota= in [Service], a share such as 150%"),
    ("credential_spec", "this is of Windows"),
    ("develop", "a pod runs what is in its images"),
    ("device_cgroup_rules", "write DeviceAllow= in [Service]"),
    (
        "extends",
        "give the whole file, as `docker compose config` prints it",
    ),
    ("logging", "output always goes to the journal"),
    ("mac_address", "there is no key for it"),
    ("oom_kill_disable", "write OOMPolicy= or MemoryHigh= in [Service]"),
    (
        "post_start",
        "there is no key for it; an init member runs before the others",
    ),
    (
        "privileged",
        "no container has all rights of the host; write AddCapability= for what it needs",
    ),
    ("runtime", "the runtime is crun"),
    ("scale", "a pod has each member once"),
    ("tty", "a unit has no terminal; podunit exec gives one"),
    ("volumes_from", "write the Volume= of the other service here too"),
];

/// Adds a service to the pod.
pub(super) fn import(service: &str, node: &Node, around: &Surroundings, imported: &mut Imported) {
    let mut member = Member {
        name: name_from(service),
        ..Member::default()
    };
    if node.get("image").is_none() {
        let image = format!("localhost/{}-{}", around.pod, member.name);
        member.keys.add("Image", image.as_str());
        let why =
            format!("images are not built here: build it as {image} and give it to `podunit image load`");
        imported
            .notes
            .push(Note::new(format!("services.{service}.build"), why).at(node.line));
    }
    for (key, value) in node.map() {
        if value.value == Value::Null && !["entrypoint", "command"].contains(&key.as_str()) {
            continue;
        }
        if let Err(why) = one(key, value, &mut member, around, imported) {
            let what = match value.text() {
                Some(text) => format!("services.{service}.{key}: {text}"),
                None => format!("services.{service}.{key}"),
            };
            imported.notes.push(Note::new(what, why).at(value.line));
        }
    }
    imported.files.pod(around.pod).add(member);
}

fn one(
    key: &str,
    node: &Rc<Node>,
    member: &mut Member,
    around: &Surroundings,
    imported: &mut Imported,
) -> Lost {
    let Imported { files, notes } = imported;
    if let Some((_, same)) = SAME.iter().find(|(known, _)| *known == key) {
        for text in texts(node) {
            member.keys.add(same, text);
        }
        return Ok(());
    }
    if let Some((_, same)) = OF_THE_POD.iter().find(|(known, _)| *known == key) {
        for text in texts(node) {
            files.pod(around.pod).keys.add_once(same, text);
        }
        return Ok(());
    }
    let text = node.text().unwrap_or_default();
    if let Some((_, name)) = LIMITS.iter().find(|(known, _)| *known == key) {
        return value::limit(&mut member.service, name, text);
    }
    if let Some((_, why)) = LOST.iter().find(|(known, _)| *known == key) {
        return if text == "false" { Ok(()) } else { Err(why) };
    }
    match key {
        "command" => {
            if node.value != Value::Null {
                member.keys.command("Exec", command(node)?);
            }
        }
        "entrypoint" => {
            let words = command(node)?;
            if node.value != Value::Null {
                let json = serde_json::to_string(&words).map_err(|_| "this is no command")?;
                member
                    .keys
                    .set("Entrypoint", if words.is_empty() { String::new() } else { json });
            }
        }
        "environment" => {
            for line in pairs(node) {
                value::environment(member, &line, notes);
            }
        }
        "env_file" => env_files(node, member, around.base),
        "labels" => pairs(node)
            .into_iter()
            .for_each(|line| member.keys.add("Label", line)),
        "annotations" => pairs(node)
            .into_iter()
            .for_each(|line| member.keys.add("Annotation", line)),
        "sysctls" => pairs(node)
            .into_iter()
            .for_each(|line| member.keys.add("Sysctl", line)),
        "ports" => return ports(node, member),
        "volumes" => {
            for volume in node.list() {
                volume_of(volume, member, files, around.base);
            }
        }
        "healthcheck" => return health(node, member),
        "restart" => files.pod(around.pod).at_boot |= value::restart(&mut member.service, text)?,
        "deploy" => return deploy(node, member, notes),
        "ulimits" => {
            for (name, limit) in node.map() {
                let both = [limit.text_at("soft"), limit.text_at("hard")];
                let line = match (limit.text(), both) {
                    (Some(one), _) => format!("{name}={one}"),
                    (None, [Some(soft), Some(hard)]) => format!("{name}={soft}:{hard}"),
                    _ => return Err("write a number, or soft: and hard:"),
                };
                value::ulimit(&mut member.service, &line)?;
            }
        }
        "security_opt" => texts(node)
            .into_iter()
            .try_for_each(|text| value::security(member, text))?,
        "stop_grace_period" => match parse_time_span(text) {
            Some(TimeSpan::Finite(span)) => member.keys.set("StopTimeout", span.as_secs().max(1).to_string()),
            _ => return Err("this is no time"),
        },
        "platform" => {
            for (key, part) in ["OS", "Arch", "Variant"].into_iter().zip(text.split('/')) {
                member.keys.set(key, part);
            }
        }
        "pull_policy" => match text {
            "always" | "missing" | "never" => member.keys.set("Pull", text),
            "if_not_present" => member.keys.set("Pull", "missing"),
            _ => return Err("write Pull=always, missing, never or newer"),
        },
        "secrets" => files_of("secrets", node, member, around)?,
        "configs" => files_of("configs", node, member, around)?,
        "network_mode" => match text {
            "bridge" => {}
            "host" | "none" => {
                files.pod(around.pod).keys.set("Network", text);
                return Err(
                    "Network= is the pod's, so that it holds for all members: remove it from [Pod] if it does not",
                );
            }
            other if other.starts_with("service:") => {}
            _ => return Err("the members of a pod share one network, the pod's"),
        },
        "hostname" if text != member.name => {
            return Err(
                "the members of a pod have one host name; they find each other by the names of the services",
            );
        }
        "hostname" => {}
        "links" if texts(node).iter().any(|link| link.contains(':')) => {
            return Err(
                "members find each other by the names of the services; another name needs AddHost= in [Pod]",
            );
        }
        "links" => {}
        "pid" | "uts" => return Err("namespaces are shared within a pod: Share= in [Pod]"),
        "build"
            if member
                .keys
                .get("Image")
                .is_some_and(|image| image.starts_with("localhost/")) => {}
        "build" => return Err("images are not built here: the one that image: names is taken"),
        key if NOTHING.contains(&key) || key.starts_with("x-") => {}
        _ => return Err("there is no key for it"),
    }
    Ok(())
}

/// Words of a command line or of a list.
fn command(node: &Node) -> Result<Vec<String>, &'static str> {
    match &node.value {
        Value::Text(text) => shlex::split(text).ok_or("a quote is not closed"),
        _ => Ok(texts(node).into_iter().map(str::to_owned).collect()),
    }
}

/// `NAME=value` of a list or a mapping; `NAME` where there is no value.
fn pairs(node: &Node) -> Vec<String> {
    let listed = texts(node).into_iter().map(str::to_owned);
    let mapped = node.map().iter().map(|(name, node)| match node.text() {
        Some(text) => format!("{name}={text}"),
        None => name.clone(),
    });
    listed.chain(mapped).collect()
}

fn env_files(node: &Node, member: &mut Member, base: &Path) {
    let mut add = |path: &str, required: bool| {
        let mark = if required { "" } else { "-" };
        let path = value::host_path(path, base);
        member.keys.add("EnvironmentFile", format!("{mark}{path}"));
    };
    texts(node).into_iter().for_each(|path| add(path, true));
    for file in node.list() {
        if let Some(path) = file.text_at("path") {
            add(path, file.get("required").is_none() || file.flag("required"));
        }
    }
}

fn ports(node: &Node, member: &mut Member) -> Lost {
    for port in node.list() {
        if let Some(text) = port.text() {
            member.keys.add("PublishPort", text);
            continue;
        }
        let target = port.text_at("target").ok_or("a port needs target:")?;
        let address = match port.text_at("host_ip") {
            Some(address) if address.contains(':') => format!("[{address}]:"),
            Some(address) => format!("{address}:"),
            None => String::new(),
        };
        let published = port
            .text_at("published")
            .map(|port| format!("{port}:"))
            .unwrap_or_default();
        let protocol = port
            .text_at("protocol")
            .map(|protocol| format!("/{protocol}"))
            .unwrap_or_default();
        member
            .keys
            .add("PublishPort", format!("{address}{published}{target}{protocol}"));
    }
    Ok(())
}

fn volume_of(node: &Node, member: &mut Member, files: &mut super::super::file::Files, base: &Path) {
    if let Some(text) = node.text() {
        return value::volume(member, files, text, base);
    }
    let mut words = Vec::new();
    for (from, to) in [("type", "type"), ("source", "source"), ("target", "target")] {
        words.extend(node.text_at(from).map(|text| format!("{to}={text}")));
    }
    words.extend(node.flag("read_only").then(|| "ro".to_owned()));
    for (path, to) in [
        (["bind", "propagation"], "bind-propagation"),
        (["tmpfs", "size"], "tmpfs-size"),
        (["tmpfs", "mode"], "tmpfs-mode"),
    ] {
        words.extend(
            node.at(&path)
                .and_then(Node::text)
                .map(|text| format!("{to}={text}")),
        );
    }
    value::long_mount(member, files, &words.join(","), base);
}

fn health(node: &Node, member: &mut Member) -> Lost {
    if node.flag("disable") {
        member.keys.set("HealthCmd", "none");
        return Ok(());
    }
    if let Some(test) = node.get("test") {
        let list: Vec<&str> = texts(test);
        let check = match &test.value {
            Value::Text(text) if !text.contains(is_hidden) && !text.starts_with('[') => text.clone(),
            Value::Text(text) => json(&["CMD-SHELL", text]),
            _ if list.first() == Some(&"NONE") => "none".to_owned(),
            _ => json(&list),
        };
        member.keys.set("HealthCmd", check);
    }
    for (from, to) in [
        ("interval", "HealthInterval"),
        ("timeout", "HealthTimeout"),
        ("retries", "HealthRetries"),
        ("start_period", "HealthStartPeriod"),
    ] {
        if let Some(text) = node.text_at(from) {
            member.keys.set(to, text);
        }
    }
    match node.get("start_interval") {
        Some(_) => Err("start_interval: checks have one interval; StartupProbe= has one of its own"),
        None => Ok(()),
    }
}

fn json(words: &[&str]) -> String {
    serde_json::to_string(words).unwrap_or_else(|_| words::quote(&words.join(" ")))
}

fn deploy(node: &Node, member: &mut Member, notes: &mut Vec<Note>) -> Lost {
    let lost = |what: &str, why: &str, line: usize| {
        Note::new(format!("{}: deploy.{what}", member.name), why).at(line)
    };
    let mut found = Vec::new();
    for (key, value) in node.map() {
        match key.as_str() {
            "resources" | "restart_policy" | "labels" => {}
            "replicas" if value.text() == Some("1") => {}
            "replicas" => found.push(lost(key, "a pod has each member once", value.line)),
            _ => found.push(lost(key, "there is no cluster here", value.line)),
        }
    }
    notes.extend(found);
    for (path, name) in [
        (["resources", "limits", "cpus"], "cpus"),
        (["resources", "limits", "memory"], "memory"),
        (["resources", "limits", "pids"], "pids-limit"),
        (["resources", "reservations", "memory"], "memory-reservation"),
    ] {
        if let Some(text) = node.at(&path).and_then(Node::text) {
            value::limit(&mut member.service, name, text)?;
        }
    }
    if let Some(policy) = node.at(&["restart_policy", "condition"]).and_then(Node::text) {
        let policy = match policy {
            "none" => "no",
            "any" => "always",
            other => other,
        };
        value::restart(&mut member.service, policy)?;
    }
    for resource in ["cpus", "devices"] {
        if let Some(node) = node.at(&["resources", "reservations", resource]) {
            let what = format!("{}: deploy.resources.reservations.{resource}", member.name);
            notes.push(
                Note::new(
                    what,
                    "there is no key for it: CPUWeight= or AddDevice= may be meant",
                )
                .at(node.line),
            );
        }
    }
    Ok(())
}

/// Secrets and configurations that are files are mounted; others are left to `Secret=`.
fn files_of(kind: &str, node: &Node, member: &mut Member, around: &Surroundings) -> Lost {
    for entry in node.list() {
        let source = entry
            .text()
            .or_else(|| entry.text_at("source"))
            .ok_or("an entry has source:")?;
        let target = entry.text_at("target").unwrap_or(source);
        let target = match (kind, target.starts_with('/')) {
            (_, true) => target.to_owned(),
            ("secrets", false) => format!("/run/secrets/{target}"),
            (_, false) => format!("/{target}"),
        };
        let definition = around.root.at(&[kind, source]);
        match definition.and_then(|definition| definition.text_at("file")) {
            Some(file) => {
                let file = value::host_path(file, around.base);
                member.keys.add("Volume", format!("{file}:{target}:ro"));
            }
            None if kind == "secrets" => member.keys.add("Secret", format!("{source},target={target}")),
            None => return Err("put what it holds into a file, and mount that with Volume="),
        }
    }
    Ok(())
}
