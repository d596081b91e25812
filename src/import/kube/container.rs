//! One container of a pod of Kubernetes.

use super::super::file::Member;
use super::super::value::{self, Lost};
use super::super::yaml::Node;
use super::super::{Imported, Note, name_from};
use super::Stock;

/// What is around a container.
pub(super) struct Surroundings<'a> {
    /// What its pod says.
    pub(super) spec: &'a Node,
    /// The other objects of the file.
    pub(super) stock: &'a Stock,
    /// The pod.
    pub(super) pod: &'a str,
    /// `restartPolicy`
    pub(super) restart: &'a str,
}

/// Adds a container to its pod.
pub(super) fn import(node: &Node, is_init: bool, around: &Surroundings, imported: &mut Imported) {
    let name = node.text_at("name").unwrap_or("container");
    let mut member = Member {
        name: name_from(name),
        ..Member::default()
    };
    for (key, value) in node.map() {
        if let Err(why) = one(key, value, &mut member, around, imported) {
            imported
                .notes
                .push(Note::new(format!("{name}: {key}"), why).at(value.line));
        }
    }
    if let Some(user) = user(node, around.spec) {
        member.keys.set("User", user);
    }
    if let Some(time) = around
        .spec
        .text_at("terminationGracePeriodSeconds")
        .filter(|_| !is_init)
    {
        member.keys.set("StopTimeout", time);
    }
    // An init container that is always restarted is a sidecar.
    let is_sidecar = is_init && node.text_at("restartPolicy") == Some("Always");
    if is_sidecar {
        member.keys.set("Sidecar", "true");
    } else if is_init {
        member.keys.set("Init", "true");
    }
    match around.restart {
        _ if is_init && !is_sidecar => {}
        "Always" => member.service.set("Restart", "always"),
        "Never" => member.service.set("Restart", "no"),
        _ => member.service.set("Restart", "on-failure"),
    }
    imported.files.pod(around.pod).add(member);
}

fn user(node: &Node, spec: &Node) -> Option<String> {
    let of = |key: &str| {
        let own = node.at(&["securityContext", key]);
        own.or_else(|| spec.at(&["securityContext", key]))?
            .text()
            .map(str::to_owned)
    };
    let user = of("runAsUser")?;
    Some(of("runAsGroup").map_or_else(|| user.clone(), |group| format!("{user}:{group}")))
}

fn one(key: &str, node: &Node, member: &mut Member, around: &Surroundings, imported: &mut Imported) -> Lost {
    let text = node.text().unwrap_or_default();
    match key {
        "name" | "restartPolicy" | "stdin" | "terminationMessagePath" | "terminationMessagePolicy" => {}
        "image" => member.keys.set("Image", text),
        "imagePullPolicy" => match text {
            "Always" => member.keys.set("Pull", "always"),
            "Never" => member.keys.set("Pull", "never"),
            _ => member.keys.set("Pull", "missing"),
        },
        "command" => {
            let words: Vec<&str> = texts(node);
            let json = serde_json::to_string(&words).map_err(|_| "this is no command")?;
            member.keys.set("Entrypoint", json);
        }
        "args" => member
            .keys
            .command("Exec", texts(node).into_iter().map(str::to_owned)),
        "workingDir" => member.keys.set("WorkingDir", text),
        "ports" => {
            for port in node.list() {
                let (Some(inner), Some(host)) = (port.text_at("containerPort"), port.text_at("hostPort"))
                else {
                    continue;
                };
                let address = port
                    .text_at("hostIP")
                    .map(|ip| format!("{ip}:"))
                    .unwrap_or_default();
                let protocol = port.text_at("protocol").unwrap_or("TCP").to_ascii_lowercase();
                let protocol = if protocol == "tcp" {
                    String::new()
                } else {
                    format!("/{protocol}")
                };
                member
                    .keys
                    .add("PublishPort", format!("{address}{host}:{inner}{protocol}"));
            }
        }
        "env" => {
            for variable in node.list() {
                environment(variable, member, around, &mut imported.notes);
            }
        }
        "envFrom" => return environment_from(node, member, around),
        "volumeMounts" => {
            for mount in node.list() {
                let name = mount.text_at("name").unwrap_or_default();
                if let Err(why) = volume(name, mount, member, around, imported) {
                    let what = format!("{}: volumeMounts.{name}", member.name);
                    imported.notes.push(Note::new(what, why).at(mount.line));
                }
            }
        }
        "resources" => return resources(node, member),
        "livenessProbe" => return probe("Live", node, member),
        "readinessProbe" => return probe("Ready", node, member),
        "startupProbe" => return probe("Startup", node, member),
        "lifecycle" => {
            if let Some(signal) = node.text_at("stopSignal") {
                member.keys.set("StopSignal", signal);
            }
            if let Some(command) = node.at(&["preStop", "exec", "command"]) {
                member
                    .keys
                    .command("PreStop", texts(command).into_iter().map(str::to_owned));
            }
            if node.get("postStart").is_some() {
                return Err("postStart: there is no key for it; an init member runs before the others");
            }
        }
        "securityContext" => return security(node, member),
        "tty" if text == "true" => return Err("a unit has no terminal; podunit exec gives one"),
        "tty" => {}
        _ => return Err("there is no key for it"),
    }
    Ok(())
}

fn texts(node: &Node) -> Vec<&str> {
    node.list().iter().filter_map(|node| node.text()).collect()
}

fn environment(variable: &Node, member: &mut Member, around: &Surroundings, notes: &mut Vec<Note>) {
    let name = variable.text_at("name").unwrap_or_default();
    let reference = |kind: &'static str, key: &str| {
        let found = variable.at(&["valueFrom", key])?;
        let data = around
            .stock
            .data
            .get(&(kind, found.text_at("name")?.to_owned()))?;
        data.get(found.text_at("key")?).cloned()
    };
    let value = match variable.get("valueFrom") {
        None => Some(variable.text_at("value").unwrap_or_default().to_owned()),
        Some(_) => reference("configMap", "configMapKeyRef")
            .or_else(|| reference("secret", "secretKeyRef"))
            .or_else(
                || match variable.at(&["valueFrom", "fieldRef", "fieldPath"])?.text()? {
                    "metadata.name" => Some(around.pod.to_owned()),
                    _ => None,
                },
            ),
    };
    match value {
        Some(value) => member.keys.add("Environment", format!("{name}={value}")),
        None => {
            let what = format!("{}: env.{name}", member.name);
            let why = "what it refers to is not in this file: write its value, or EnvironmentFile=";
            notes.push(Note::new(what, why).at(variable.line));
        }
    }
}

fn environment_from(node: &Node, member: &mut Member, around: &Surroundings) -> Lost {
    for source in node.list() {
        let of = |kind: &'static str, key: &str| {
            let name = source.at(&[key, "name"])?.text()?;
            around.stock.data.get(&(kind, name.to_owned()))
        };
        let data = of("configMap", "configMapRef").or_else(|| of("secret", "secretRef"));
        let prefix = source.text_at("prefix").unwrap_or_default();
        for (key, value) in data.ok_or("what it refers to is not in this file: write EnvironmentFile=")? {
            member.keys.add("Environment", format!("{prefix}{key}={value}"));
        }
    }
    Ok(())
}

fn volume(
    name: &str,
    mount: &Node,
    member: &mut Member,
    around: &Surroundings,
    imported: &mut Imported,
) -> Lost {
    let volumes = around.spec.get("volumes").map(Node::list).unwrap_or_default();
    let volume = volumes.iter().find(|volume| volume.text_at("name") == Some(name));
    let volume = volume.ok_or("there is no such volume in this pod")?;
    let target = mount.text_at("mountPath").ok_or("there is no mountPath:")?;
    let options = if mount.flag("readOnly") { "ro" } else { "" };
    let below = mount.text_at("subPath");
    if mount.get("subPathExpr").is_some() {
        return Err("subPathExpr: write the path");
    }
    if let Some(path) = volume.at(&["hostPath", "path"]).and_then(Node::text) {
        let path = below.map_or_else(|| path.to_owned(), |below| format!("{path}/{below}"));
        member.keys.add(
            "Volume",
            format!("{path}:{target}{}", if options.is_empty() { "" } else { ":ro" }),
        );
        return Ok(());
    }
    let source = if let Some(folder) = volume
        .map()
        .iter()
        .find(|(key, _)| key == "emptyDir")
        .map(|(_, node)| node)
    {
        if folder.text_at("medium") == Some("Memory") {
            let size = folder
                .text_at("sizeLimit")
                .and_then(value::size)
                .map(|size| format!(":size={size}"));
            member
                .keys
                .add("Tmpfs", format!("{target}{}", size.unwrap_or_default()));
            return Ok(());
        }
        format!("{}-{name}", around.pod)
    } else if let Some(claim) = volume
        .at(&["persistentVolumeClaim", "claimName"])
        .and_then(Node::text)
    {
        claim.to_owned()
    } else {
        return Err("put what it holds into a file or folder, and mount that with Volume=");
    };
    if below.is_some() {
        return Err("subPath: mount a folder of the host instead");
    }
    value::mount(
        member,
        &mut imported.files,
        (&source, target, options),
        std::path::Path::new("/"),
    );
    Ok(())
}

fn resources(node: &Node, member: &mut Member) -> Lost {
    if let Some(text) = node.at(&["limits", "memory"]).and_then(Node::text) {
        value::limit(&mut member.service, "memory", text)?;
    }
    if let Some(text) = node.at(&["requests", "memory"]).and_then(Node::text) {
        value::limit(&mut member.service, "memory-reservation", text)?;
    }
    if let Some(text) = node.at(&["limits", "cpu"]).and_then(Node::text) {
        let number = match text.strip_suffix('m') {
            Some(thousandths) => thousandths.parse::<f64>().map(|number| number / 1000.0),
            None => text.parse(),
        };
        let quota = number
            .ok()
            .and_then(value::quota)
            .ok_or("limits.cpu: this is no number")?;
        member.service.set("CPUQuota", quota);
    }
    Ok(())
}

fn probe(kind: &str, node: &Node, member: &mut Member) -> Lost {
    let port = |node: &Node| {
        let port = node.text_at("port").unwrap_or_default();
        port.parse::<u16>()
            .map(|_| port.to_owned())
            .map_err(|_| "write the number of the port")
    };
    let check = if let Some(command) = node.at(&["exec", "command"]) {
        let words = texts(command);
        let list: Vec<&str> = std::iter::once("CMD").chain(words).collect();
        serde_json::to_string(&list).map_err(|_| "this is no command")?
    } else if let Some(page) = node.get("httpGet") {
        let path = page.text_at("path").unwrap_or("/");
        if page
            .text_at("scheme")
            .is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http"))
        {
            return Err("pages are looked at by http only: write a command, such as wget --spider https://…");
        }
        format!(
            "http://{}:{}{path}",
            page.text_at("host").unwrap_or_default(),
            port(page)?
        )
    } else if let Some(socket) = node.get("tcpSocket") {
        format!("tcp:{}", port(socket)?)
    } else {
        return Err("there is no key for it: a check is a command, a port, a page or a socket");
    };
    let keys = &mut member.keys;
    keys.set(&format!("{kind}Probe"), check);
    for (from, to, unit) in [
        ("periodSeconds", "Interval", "s"),
        ("timeoutSeconds", "Timeout", "s"),
        ("failureThreshold", "Retries", ""),
    ] {
        if let Some(text) = node.text_at(from) {
            keys.set(&format!("{kind}{to}"), format!("{text}{unit}"));
        }
    }
    // A container lives or does not: only the others count successes.
    if let Some(text) = node.text_at("successThreshold").filter(|_| kind != "Live") {
        keys.set(&format!("{kind}Success"), text);
    }
    match node.text_at("initialDelaySeconds") {
        Some(text) if text != "0" => {
            Err("initialDelaySeconds: checks begin at once; StartupProbe= keeps the others waiting")
        }
        _ => Ok(()),
    }
}

fn security(node: &Node, member: &mut Member) -> Lost {
    let mut lost = Ok(());
    for (key, value) in node.map() {
        match key.as_str() {
            "runAsUser" | "runAsGroup" | "allowPrivilegeEscalation" | "runAsNonRoot" => {}
            "readOnlyRootFilesystem" => member.keys.set("ReadOnly", value.text().unwrap_or_default()),
            "capabilities" => {
                for (section, key) in [("add", "AddCapability"), ("drop", "DropCapability")] {
                    for capability in value.get(section).map(texts).unwrap_or_default() {
                        member.keys.add(key, capability);
                    }
                }
            }
            "privileged" if value.text() != Some("true") => {}
            "seLinuxOptions" => {
                for (part, key) in [("type", "SecurityLabelType"), ("level", "SecurityLabelLevel")] {
                    if let Some(text) = value.text_at(part) {
                        member.keys.set(key, text);
                    }
                }
            }
            _ => lost = Err("not all of it has a key: AddCapability=, ReadOnly= and User= have been written"),
        }
    }
    lost
}
