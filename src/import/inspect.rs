//! `podman inspect`, `podman pod inspect` and `docker inspect` → pods. Podman keeps the command that made a container;
//! for docker, one that would make the same is put together.

use super::{ImportError, Imported, Note, run};
use serde_json::Value;
use std::path::Path;

/// Imports the JSON that one of these commands prints.
///
/// # Errors
/// A text that is none.
pub fn import(text: &str) -> Result<Imported, ImportError> {
    let json: Value = serde_json::from_str(text).map_err(|error| {
        ImportError::text(format!(
            "this is not the JSON of podman inspect or docker inspect: {error}"
        ))
    })?;
    let items = match json {
        Value::Array(items) => items,
        item => vec![item],
    };
    let mut notes = Vec::new();
    let (mut pods, mut containers) = (Vec::new(), Vec::new());
    for item in &items {
        let kept = item
            .get("CreateCommand")
            .or_else(|| item.pointer("/Config/CreateCommand"));
        let kept: Vec<String> = kept.map(strings).unwrap_or_default();
        let is_infra = item.get("IsInfra") == Some(&Value::Bool(true));
        if is_infra {
            continue;
        }
        match kept.get(1).map(String::as_str) {
            Some("pod") => pods.push(kept),
            Some(_) => containers.push(named(kept, item)),
            None => containers.push(of_docker(item, &mut notes)?),
        }
    }
    let mut imported = run::import_all(pods.into_iter().chain(containers).collect(), Path::new("/"))?;
    imported.notes.splice(0..0, notes);
    Ok(imported)
}

fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

/// A command with the name that the container has got, where it was given none.
fn named(mut command: Vec<String>, item: &Value) -> Vec<String> {
    let is_named = command
        .iter()
        .any(|word| word == "--name" || word.starts_with("--name="));
    if let Some(name) = item.get("Name").and_then(Value::as_str).filter(|_| !is_named) {
        let after = command.iter().position(|word| word == "run" || word == "create");
        command.insert(
            after.map_or(command.len(), |at| at + 1),
            format!("--name={}", name.trim_start_matches('/')),
        );
    }
    command
}

/// `docker run …` for what docker says of a container.
fn of_docker(item: &Value, notes: &mut Vec<Note>) -> Result<Vec<String>, ImportError> {
    let text = |path: &str| {
        item.pointer(path)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let all = |path: &str| item.pointer(path).map(strings).unwrap_or_default();
    let number = |path: &str| {
        item.pointer(path)
            .and_then(Value::as_i64)
            .filter(|number| *number != 0)
    };
    let flag = |path: &str| item.pointer(path) == Some(&Value::Bool(true));
    let image = text("/ImageName").or_else(|| text("/Config/Image"));
    let image = image.ok_or_else(|| ImportError::text("one of these is no container: it has no image"))?;
    let mut words = vec!["docker".to_owned(), "run".to_owned()];
    let mut add = |option: &str, value: &str| words.push(format!("--{option}={value}"));
    let name = text("/Name").unwrap_or(image).trim_start_matches('/').to_owned();
    add("name", &name);
    for (path, option) in [
        ("/Config/User", "user"),
        ("/Config/WorkingDir", "workdir"),
        ("/Config/StopSignal", "stop-signal"),
        ("/HostConfig/CpusetCpus", "cpuset-cpus"),
        ("/HostConfig/NetworkMode", "network"),
        ("/HostConfig/UsernsMode", "userns"),
    ] {
        if let Some(value) = text(path).filter(|value| *value != "default") {
            add(option, value);
        }
    }
    for (path, option) in [
        ("/HostConfig/Binds", "volume"),
        ("/HostConfig/CapAdd", "cap-add"),
        ("/HostConfig/CapDrop", "cap-drop"),
        ("/HostConfig/Dns", "dns"),
        ("/HostConfig/DnsSearch", "dns-search"),
        ("/HostConfig/ExtraHosts", "add-host"),
        ("/HostConfig/GroupAdd", "group-add"),
        ("/HostConfig/SecurityOpt", "security-opt"),
    ] {
        all(path).iter().for_each(|value| add(option, value));
    }
    for (path, option) in [
        ("/Config/StopTimeout", "stop-timeout"),
        ("/HostConfig/Memory", "memory"),
        ("/HostConfig/MemoryReservation", "memory-reservation"),
        ("/HostConfig/CpuShares", "cpu-shares"),
        ("/HostConfig/PidsLimit", "pids-limit"),
        ("/HostConfig/OomScoreAdj", "oom-score-adj"),
    ] {
        if let Some(value) = number(path) {
            add(option, &value.to_string());
        }
    }
    // Docker's own value for everyone.
    if let Some(size) = number("/HostConfig/ShmSize").filter(|size| *size != 64 << 20) {
        add("shm-size", &size.to_string());
    }
    if let Some(cpus) = number("/HostConfig/NanoCpus") {
        #[allow(clippy::cast_precision_loss, reason = "processors are few")]
        add("cpus", &(cpus as f64 / 1e9).to_string());
    }
    for (path, option) in [
        ("/HostConfig/ReadonlyRootfs", "read-only"),
        ("/HostConfig/Privileged", "privileged"),
        ("/HostConfig/Init", "init"),
        ("/Config/Tty", "tty"),
    ] {
        if flag(path) {
            add(option, "true");
        }
    }
    let restart = text("/HostConfig/RestartPolicy/Name").unwrap_or_default();
    match number("/HostConfig/RestartPolicy/MaximumRetryCount") {
        Some(count) if restart == "on-failure" => add("restart", &format!("on-failure:{count}")),
        _ => add("restart", restart),
    }
    for (port, bindings) in object(item, "/HostConfig/PortBindings") {
        let port = port.trim_end_matches("/tcp");
        for binding in bindings.as_array().into_iter().flatten() {
            let part = |key: &str| binding.get(key).and_then(Value::as_str).unwrap_or_default();
            let address = match part("HostIp") {
                "" => String::new(),
                address if address.contains(':') => format!("[{address}]:"),
                address => format!("{address}:"),
            };
            add("publish", &format!("{address}{}:{port}", part("HostPort")));
        }
    }
    for (target, options) in object(item, "/HostConfig/Tmpfs") {
        let options = options.as_str().filter(|options| !options.is_empty());
        add(
            "tmpfs",
            &options.map_or_else(|| target.to_owned(), |options| format!("{target}:{options}")),
        );
    }
    for mount in item
        .pointer("/HostConfig/Mounts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let part = |key: &str| mount.get(key).and_then(Value::as_str).unwrap_or_default();
        let read_only = if mount.get("ReadOnly") == Some(&Value::Bool(true)) {
            ",ro"
        } else {
            ""
        };
        add(
            "mount",
            &format!(
                "type={},source={},target={}{read_only}",
                part("Type"),
                part("Source"),
                part("Target")
            ),
        );
    }
    for (name, value) in object(item, "/Config/Labels") {
        // What docker compose notes for itself.
        if !name.starts_with("com.docker.") {
            add("label", &format!("{name}={}", value.as_str().unwrap_or_default()));
        }
    }
    let variables: Vec<String> = all("/Config/Env")
        .into_iter()
        .filter(|line| !line.starts_with("PATH="))
        .collect();
    variables.iter().for_each(|line| add("env", line));
    if !variables.is_empty() {
        let why = "docker does not say which variables are the image's own: remove those that need not be said again";
        notes.push(Note::new(format!("{name}: Environment="), why));
    }
    health(item, &mut add);
    let entrypoint = all("/Config/Entrypoint");
    if !entrypoint.is_empty() {
        add(
            "entrypoint",
            &serde_json::to_string(&entrypoint).unwrap_or_default(),
        );
    }
    words.push("--".to_owned());
    words.push(image.to_owned());
    words.extend(all("/Config/Cmd"));
    Ok(words)
}

fn object<'j>(item: &'j Value, path: &str) -> impl Iterator<Item = (&'j str, &'j Value)> {
    let object = item.pointer(path).and_then(Value::as_object);
    object
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}

/// The check, if it is not the image's; times are in nanoseconds.
fn health(item: &Value, add: &mut impl FnMut(&str, &str)) {
    let Some(check) = item.pointer("/Config/Healthcheck") else {
        return;
    };
    let test = check.get("Test").map(strings).unwrap_or_default();
    match test.first().map(String::as_str) {
        None => return,
        Some("NONE") => return add("health-cmd", "none"),
        Some(_) => add("health-cmd", &serde_json::to_string(&test).unwrap_or_default()),
    }
    for (key, option) in [
        ("Interval", "health-interval"),
        ("Timeout", "health-timeout"),
        ("StartPeriod", "health-start-period"),
    ] {
        if let Some(time) = check.get(key).and_then(Value::as_u64).filter(|time| *time > 0) {
            add(option, &format!("{}ms", time / 1_000_000));
        }
    }
    if let Some(retries) = check
        .get("Retries")
        .and_then(Value::as_u64)
        .filter(|retries| *retries > 0)
    {
        add("health-retries", &retries.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::write;

    fn text(json: &str) -> String {
        let mut imported = import(json).unwrap();
        let texts = write::write(&imported.files, false, &mut imported.notes);
        texts.into_iter().map(|text| text.text).collect()
    }

    #[test]
    fn podman_keeps_the_command() {
        let json = r#"[{"Name": "web", "Config": {"CreateCommand": ["podman", "run", "-d", "-p", "80:80", "nginx:1"]}}]"#;
        assert_eq!(
            text(json),
            "[Pod]\nPublishPort=80:80\n\n[Container web]\nImage=nginx:1\n"
        );
    }

    #[test]
    fn docker_says_what_there_is() {
        let json = r#"[{"Name": "/web", "Config": {"Image": "nginx:1", "Env": ["PATH=/bin", "A=b c"], "Cmd": ["-g", "x;"],
            "Entrypoint": ["/e", "f"], "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5000000000}},
            "HostConfig": {"Binds": ["/srv:/a:ro"], "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "RestartPolicy": {"Name": "always"}, "NanoCpus": 500000000, "NetworkMode": "default"}}]"#;
        assert_eq!(
            text(json),
            "[Pod]\nPublishPort=8080:80\n\n[Install]\nWantedBy=multi-user.target\n\n[Container web]\nImage=nginx:1\n\
             Volume=/srv:/a:ro\nEnvironment=\"A=b c\"\nHealthCmd=[\"CMD\",\"true\"]\nHealthInterval=5000ms\n\
             Entrypoint=[\"/e\",\"f\"]\nExec=-g x;\n\n[Service web]\nCPUQuota=50%\nRestart=always\n"
        );
        for bad in ["", "{}", "[1]", "[]", "[{\"Config\": {}}]"] {
            assert!(import(bad).is_err(), "{bad}");
        }
    }
}
