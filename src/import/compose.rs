//! Compose files → one pod: its services are the members, and find each other by their names.

mod interpolate;
mod service;

pub use interpolate::variables;

use super::file::{Member, Pod};
use super::yaml::{self, Node, Value};
use super::{ImportError, Imported, Note, name_from};
use interpolate::Values;
use service::Surroundings;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

/// What is known beside the text.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The name of the pod; else that in the file, else that of its folder.
    pub name: Option<String>,
    /// The folder of the file, to which its paths are relative.
    pub base: PathBuf,
    /// Profiles whose services are wanted too; `*` for all.
    pub profiles: Vec<String>,
    /// Variables for `${NAME}`.
    pub variables: BTreeMap<String, String>,
}

/// Imports a compose file.
///
/// # Errors
/// A text that is none.
pub fn import(text: &str, options: &Options) -> Result<Imported, ImportError> {
    let documents = yaml::parse(text)?;
    let root = documents
        .first()
        .ok_or_else(|| ImportError::text("the file is empty"))?;
    let unset: RefCell<BTreeMap<String, usize>> = RefCell::default();
    let root = root.map_texts(&mut |line, text| {
        let values = Values {
            get: &|name| options.variables.get(name).cloned(),
            missing: &|name| {
                unset.borrow_mut().entry(name.to_owned()).or_insert(line);
            },
        };
        interpolate::expand(text, &values).map_err(|message| ImportError::line(line, message))
    })?;
    let Some(services) = root
        .get("services")
        .filter(|node| matches!(node.value, Value::Map(_)))
    else {
        return Err(ImportError::text(
            "there are no services: in this file: is it a compose file?",
        ));
    };
    let folder = options.base.file_name().unwrap_or_default().to_string_lossy();
    let name = options
        .name
        .as_deref()
        .or(root.text_at("name"))
        .unwrap_or(&folder);
    let name = name_from(name);
    let mut imported = Imported::default();
    for (variable, line) in unset.into_inner() {
        let why = "it is not set, and was taken as empty; write it into a file .env beside the compose file";
        imported
            .notes
            .push(Note::new(format!("${{{variable}}}"), why).at(line));
    }
    imported.files.pod(&name);
    top_level(&root, &mut imported.notes);
    let wanted = wanted(services, &options.profiles, &mut imported.notes);
    let surroundings = Surroundings {
        root: &root,
        base: &options.base,
        pod: &name,
    };
    for (service, node) in services
        .map()
        .iter()
        .filter(|(service, _)| wanted.contains(service))
    {
        service::import(service, node, &surroundings, &mut imported);
    }
    for (service, node) in services
        .map()
        .iter()
        .filter(|(service, _)| wanted.contains(service))
    {
        depends(service, node, &name, &wanted, &mut imported);
    }
    before_init(imported.files.pod(&name));
    hosts(services, &wanted, &name, &mut imported);
    listeners(services, &wanted, &mut imported.notes);
    if wanted.is_empty() {
        return Err(ImportError::text(
            "no service of this file is left; --profile NAME takes in those of a profile",
        ));
    }
    Ok(imported)
}

/// Sections of the file that mean something else here.
fn top_level(root: &Node, notes: &mut Vec<Note>) {
    for (key, node) in root.map() {
        match key.as_str() {
            "services" | "version" | "name" | "volumes" | "secrets" | "configs" => {}
            "networks" => {
                for (name, network) in node.map() {
                    if name != "default" {
                        let why = "the members of a pod share one network, the pod's";
                        notes.push(Note::new(format!("networks.{name}"), why).at(network.line));
                    }
                }
            }
            key if key.starts_with("x-") => {}
            key => {
                let why = "only one file is read; give the whole of it, as `docker compose config` prints it";
                notes.push(Note::new(key, why).at(node.line));
            }
        }
    }
}

/// Services without a profile, or with one that is asked for, and those that they depend on.
fn wanted(services: &Node, profiles: &[String], notes: &mut Vec<Note>) -> BTreeSet<String> {
    let is_wanted = |node: &Rc<Node>| {
        let own: Vec<&str> = node.get("profiles").map(texts).unwrap_or_default();
        own.is_empty()
            || own
                .iter()
                .any(|profile| profiles.iter().any(|asked| asked == profile || asked == "*"))
    };
    let mut wanted = BTreeSet::new();
    for (name, node) in services.map() {
        if is_wanted(node) {
            wanted.insert(name.clone());
        } else {
            let why = "it belongs to a profile that was not asked for; --profile takes it in";
            notes.push(Note::new(format!("services.{name}"), why).at(node.line));
        }
    }
    wanted
}

/// A text, or the texts of a list.
fn texts(node: &Node) -> Vec<&str> {
    match &node.value {
        Value::List(list) => list.iter().filter_map(|node| node.text()).collect(),
        Value::Text(text) => vec![text.as_str()],
        _ => Vec::new(),
    }
}

/// `depends_on`
fn depends(service: &str, node: &Node, pod: &str, wanted: &BTreeSet<String>, imported: &mut Imported) {
    let Some(depends) = node.get("depends_on") else {
        return;
    };
    let plain = texts(depends)
        .into_iter()
        .map(|name| (name, "service_started", depends.line, true));
    let mapped = depends.map().iter().map(|(name, node)| {
        let condition = node.text_at("condition").unwrap_or("service_started");
        let is_required = node.get("required").is_none() || node.flag("required");
        (name.as_str(), condition, node.line, is_required)
    });
    let all: Vec<_> = plain.chain(mapped).collect();
    let Imported { files, notes } = imported;
    let pod = files.pod(pod);
    for (other, condition, line, is_required) in all {
        let what = format!("services.{service}.depends_on.{other}");
        if !wanted.contains(other) {
            if is_required {
                notes.push(Note::new(what, "this service is not in the result").at(line));
            }
            continue;
        }
        let other = name_from(other);
        if let Some(member) = pod.member(&name_from(service)) {
            let key = if is_required { "Requires" } else { "Wants" };
            member.keys.add_once(key, other.as_str());
            member.keys.add_once("After", other.as_str());
        }
        let Some(first) = pod.member(&other) else { continue };
        match condition {
            "service_healthy" if first.keys.get("HealthCmd").is_some_and(|check| check != "none") => {
                first.keys.set("Notify", "healthy");
            }
            "service_healthy" => {
                let why =
                    "that service has no healthcheck in this file; add HealthCmd= and Notify=healthy to it";
                notes.push(Note::new(what, why).at(line));
            }
            "service_completed_successfully" => {
                first.keys.set("Init", "true");
                // It has run to its end when others start, and is checked by that.
                for key in ["HealthCmd", "Notify"] {
                    first.keys.remove(key);
                }
                if first
                    .service
                    .get("Restart")
                    .is_some_and(|restart| restart == "always")
                {
                    first.service.set("Restart", "on-failure");
                }
            }
            "service_started" => {}
            _ => notes.push(Note::new(what, format!("there is no condition {condition}")).at(line)),
        }
    }
}

/// Init members come before all others: those that they themselves wait for are sidecars, which come before them.
fn before_init(pod: &mut Pod) {
    let is_init = |member: &Member| member.keys.has("Init");
    let of = |pod: &Pod, name: &str| -> Vec<String> {
        let member = pod.members.iter().find(|member| member.name == name);
        member
            .map(|member| member.keys.all("After").map(str::to_owned).collect())
            .unwrap_or_default()
    };
    let inits = pod.members.iter().filter(|member| is_init(member));
    let mut open: Vec<String> = inits.map(|member| member.name.clone()).collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        open.extend(
            of(pod, &name)
                .into_iter()
                .filter(|first| seen.insert(first.clone())),
        );
    }
    for member in pod
        .members
        .iter_mut()
        .filter(|member| seen.contains(&member.name))
    {
        if !is_init(member) {
            member.keys.set("Sidecar", "true");
        }
    }
}

/// `extra_hosts` of all services: the pod has one file of hosts.
fn hosts(services: &Node, wanted: &BTreeSet<String>, pod: &str, imported: &mut Imported) {
    for (_, node) in services.map().iter().filter(|(name, _)| wanted.contains(name)) {
        let Some(hosts) = node.get("extra_hosts") else {
            continue;
        };
        let mapped = hosts
            .map()
            .iter()
            .filter_map(|(name, node)| Some(format!("{name}:{}", node.text()?)));
        let listed = texts(hosts).into_iter().map(|line| line.replacen('=', ":", 1));
        for host in listed.chain(mapped) {
            imported.files.pod(pod).keys.add_once("AddHost", host);
        }
    }
}

/// Looks for services that cannot share one network, since both listen on one port.
fn listeners(services: &Node, wanted: &BTreeSet<String>, notes: &mut Vec<Note>) {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for (name, node) in services.map().iter().filter(|(name, _)| wanted.contains(name)) {
        let ports = node.get("ports").map(Node::list).unwrap_or_default();
        let exposed = node.get("expose").map(Node::list).unwrap_or_default();
        let mut own = BTreeSet::new();
        for port in ports.iter().chain(exposed) {
            let target = match &port.value {
                Value::Map(_) => port.text_at("target"),
                _ => port.text().and_then(|text| text.rsplit(':').next()),
            };
            let target = target.unwrap_or_default();
            let protocol = port.text_at("protocol").filter(|protocol| *protocol != "tcp");
            let target =
                protocol.map_or_else(|| target.to_owned(), |protocol| format!("{target}/{protocol}"));
            if !own.insert(target.clone()) {
                continue;
            }
            if let Some(first) = taken.get(&target) {
                let what = format!("services.{name}: port {target}");
                let why = format!(
                    "`{first}` listens on it too, and the members of a pod share one network: change one of them"
                );
                notes.push(Note::new(what, why).at(port.line));
            } else {
                taken.insert(target, name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::write;

    fn imported(text: &str, options: &Options) -> (String, Vec<String>) {
        let mut imported = import(text, options).unwrap();
        let texts = write::write(&imported.files, false, &mut imported.notes);
        let notes = imported.notes.iter().map(|note| note.what.clone()).collect();
        (texts.into_iter().map(|text| text.text).collect(), notes)
    }

    #[test]
    fn services_wait_as_they_are_told() {
        let text = "
services:
  web:
    image: web:1
    depends_on:
      db: { condition: service_healthy }
      setup: { condition: service_completed_successfully }
  db:
    image: postgres:${VERSION:-17}
    healthcheck: { test: [CMD-SHELL, 'pg_isready -U $$USER'], interval: 5s }
  setup:
    image: setup:1
    restart: always
  debug:
    image: debug
    profiles: [debug]
";
        let (text, notes) = imported(
            text,
            &Options {
                base: "/srv/shop".into(),
                ..Options::default()
            },
        );
        assert_eq!(
            text,
            "[Pod]\n\n[Install]\nWantedBy=multi-user.target\n\n[Container web]\nImage=web:1\nRequires=db\nAfter=db\nRequires=setup\nAfter=setup\n\n\
             [Container db]\nImage=postgres:17\nHealthCmd=[\"CMD-SHELL\",\"pg_isready -U $USER\"]\nHealthInterval=5s\n\
             Notify=healthy\n\n[Container setup]\nImage=setup:1\nInit=true\n\n[Service setup]\nRestart=on-failure\n"
        );
        assert_eq!(notes, ["services.debug"]);
    }

    #[test]
    fn what_is_no_compose_file() {
        for text in [
            "",
            "[]",
            "services: []",
            "a: 1",
            "services:\n  a:\n    image: ${X:?give it}\n",
        ] {
            assert!(import(text, &Options::default()).is_err(), "{text}");
        }
    }
}
