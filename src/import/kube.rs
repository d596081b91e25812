//! Kubernetes YAML → pods: Pod, Deployment, DaemonSet and Job with the ConfigMaps, Secrets and claims in the same file, as
//! far as `podman kube play` takes them, and what podunit has words for beside it.

mod container;

use super::yaml::{self, Node, Value};
use super::{ImportError, Imported, Note, name_from, value};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is in the file beside pods.
#[derive(Debug, Default)]
struct Stock {
    /// ConfigMaps and Secrets, by kind and name, and what is in them.
    data: BTreeMap<(&'static str, String), BTreeMap<String, String>>,
}

/// Imports a file of Kubernetes objects.
///
/// # Errors
/// A text that is none.
pub fn import(text: &str) -> Result<Imported, ImportError> {
    let documents = yaml::parse(text)?;
    let mut objects = Vec::new();
    for document in &documents {
        if document.text_at("kind") == Some("List") {
            objects.extend(
                document
                    .get("items")
                    .map(Node::list)
                    .unwrap_or_default()
                    .iter()
                    .cloned(),
            );
        } else if document.value != Value::Null {
            objects.push(document.clone());
        }
    }
    let mut imported = Imported::default();
    let stock = stock(&objects);
    for object in &objects {
        let kind = object.text_at("kind").unwrap_or_default();
        let name = object
            .at(&["metadata", "name"])
            .and_then(Node::text)
            .unwrap_or("pod");
        match kind {
            "Pod" => pod(name, kind, object, &stock, &mut imported),
            "Deployment" | "DaemonSet" | "Job" | "StatefulSet" => {
                let replicas = object
                    .at(&["spec", "replicas"])
                    .filter(|node| node.text() != Some("1"));
                if let Some(node) = replicas {
                    let what = format!("{name}: replicas");
                    imported
                        .notes
                        .push(Note::new(what, "there is one pod of a name").at(node.line));
                }
                if let Some(template) = object.at(&["spec", "template"]) {
                    pod(name, kind, template, &stock, &mut imported);
                }
            }
            "ConfigMap" | "Secret" => {}
            "PersistentVolumeClaim" => {
                imported
                    .files
                    .other(&format!("{}.volume", name_from(name)), "Volume");
            }
            "" => {
                return Err(ImportError::line(
                    object.line,
                    "this has no kind: is it of Kubernetes?",
                ));
            }
            _ => {
                let note = Note::new(
                    format!("{kind} {name}"),
                    "there is nothing of this kind without a cluster",
                );
                imported.notes.push(note.at(object.line));
            }
        }
    }
    if imported.files.pods.is_empty() {
        return Err(ImportError::text(
            "there is no Pod, Deployment, DaemonSet or Job in this file",
        ));
    }
    Ok(imported)
}

/// What ConfigMaps and Secrets hold; of the latter as text, if it is one.
fn stock(objects: &[Rc<Node>]) -> Stock {
    use base64::Engine;
    let decode = |text: &str| {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text.trim())
            .ok()?;
        String::from_utf8(bytes).ok()
    };
    let mut stock = Stock::default();
    for object in objects {
        let kind = match object.text_at("kind") {
            Some("ConfigMap") => "configMap",
            Some("Secret") => "secret",
            _ => continue,
        };
        let Some(name) = object.at(&["metadata", "name"]).and_then(Node::text) else {
            continue;
        };
        let data = stock.data.entry((kind, name.to_owned())).or_default();
        for (section, is_encoded) in [("data", kind == "secret"), ("stringData", false)] {
            for (key, node) in object.get(section).map(Node::map).unwrap_or_default() {
                let text = node.text().and_then(|text| {
                    if is_encoded {
                        decode(text)
                    } else {
                        Some(text.to_owned())
                    }
                });
                data.extend(text.map(|text| (key.clone(), text)));
            }
        }
    }
    stock
}

fn pod(name: &str, kind: &str, object: &Node, stock: &Stock, imported: &mut Imported) {
    let name = name_from(name);
    let Some(spec) = object.get("spec") else {
        imported
            .notes
            .push(Note::new(name, "it has no spec:").at(object.line));
        return;
    };
    imported.files.pod(&name);
    if let Some(labels) = object.at(&["metadata", "labels"]) {
        for (label, text) in labels.map() {
            let text = text.text().unwrap_or_default();
            imported
                .files
                .pod(&name)
                .keys
                .add("Label", format!("{label}={text}"));
        }
    }
    // A job runs to its end, unless it says otherwise.
    let usual = if kind == "Job" { "Never" } else { "Always" };
    let restart = spec.text_at("restartPolicy").unwrap_or(usual);
    imported.files.pod(&name).at_boot = restart == "Always";
    let around = container::Surroundings {
        spec,
        stock,
        pod: &name,
        restart,
    };
    for (node, is_init) in [("initContainers", true), ("containers", false)]
        .into_iter()
        .flat_map(|(key, is_init)| {
            spec.get(key)
                .map(Node::list)
                .unwrap_or_default()
                .iter()
                .map(move |node| (node, is_init))
        })
    {
        container::import(node, is_init, &around, imported);
    }
    for (key, node) in spec.map() {
        if let Err(why) = own(key, node, &name, imported) {
            imported
                .notes
                .push(Note::new(format!("{name}: {key}"), why).at(node.line));
        }
    }
}

/// What the pod itself says.
fn own(key: &str, node: &Node, pod: &str, imported: &mut Imported) -> value::Lost {
    let keys = &mut imported.files.pod(pod).keys;
    let is_true = node.text() == Some("true");
    match key {
        "containers"
        | "initContainers"
        | "restartPolicy"
        | "volumes"
        | "terminationGracePeriodSeconds"
        | "enableServiceLinks"
        | "automountServiceAccountToken" => {}
        "hostname" => keys.set("HostName", node.text().unwrap_or_default()),
        "hostNetwork" if is_true => keys.set("Network", "host"),
        "shareProcessNamespace" if is_true => keys.set("Share", "+pid"),
        "hostNetwork" | "shareProcessNamespace" | "hostPID" | "hostIPC" if !is_true => {}
        "hostPID" | "hostIPC" => return Err("namespaces of the host are not given to containers"),
        "hostAliases" => {
            for alias in node.list() {
                for host in alias.get("hostnames").map(Node::list).unwrap_or_default() {
                    let (host, address) = (
                        host.text().unwrap_or_default(),
                        alias.text_at("ip").unwrap_or_default(),
                    );
                    keys.add_once("AddHost", format!("{host}:{address}"));
                }
            }
        }
        "dnsConfig" => {
            for (section, key) in [("nameservers", "DNS"), ("searches", "DNSSearch")] {
                for text in node.get(section).map(Node::list).unwrap_or_default() {
                    keys.add_once(key, text.text().unwrap_or_default());
                }
            }
            for option in node.get("options").map(Node::list).unwrap_or_default() {
                let name = option.text_at("name").unwrap_or_default();
                let value = option
                    .text_at("value")
                    .map(|value| format!(":{value}"))
                    .unwrap_or_default();
                keys.add_once("DNSOption", format!("{name}{value}"));
            }
        }
        "securityContext" => {
            let known = ["runAsUser", "runAsGroup"];
            let other = node.map().iter().find(|(key, _)| !known.contains(&key.as_str()));
            if let Some((key, node)) = other {
                let note = Note::new(
                    format!("{pod}: securityContext.{key}"),
                    "there is no key for it in [Pod]",
                );
                imported.notes.push(note.at(node.line));
            }
        }
        "nodeSelector"
        | "affinity"
        | "tolerations"
        | "schedulerName"
        | "nodeName"
        | "topologySpreadConstraints" => {
            return Err("there is one node");
        }
        "serviceAccount" | "serviceAccountName" | "dnsPolicy" | "priorityClassName" | "priority" => {
            return Err("this means something in a cluster only");
        }
        "imagePullSecrets" => return Err("write AuthFile= in the containers"),
        "activeDeadlineSeconds" => return Err("write RuntimeMaxSec= in the [Service …] of a container"),
        "readinessGates" => return Err("the pod is ready when its essential members are: ReadyProbe="),
        _ => return Err("there is no key for it"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::write;

    #[test]
    fn a_deployment_is_a_pod() {
        let text = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 3
  template:
    spec:
      securityContext: { runAsUser: 1000 }
      initContainers:
      - { name: setup, image: 'setup:1', command: [sh, -c], args: ['echo $(HOME)'] }
      containers:
      - name: web
        image: web:1
        ports: [{ containerPort: 80, hostPort: 8080 }]
        env:
        - { name: MODE, valueFrom: { configMapKeyRef: { name: c, key: mode } } }
        resources: { limits: { memory: 128Mi, cpu: 500m } }
        readinessProbe: { httpGet: { path: /ok, port: 80 }, periodSeconds: 5 }
        volumeMounts: [{ name: d, mountPath: /d, readOnly: true }, { name: t, mountPath: /t }]
      volumes:
      - { name: d, hostPath: { path: /srv } }
      - { name: t, emptyDir: { medium: Memory } }
---
kind: ConfigMap
metadata: { name: c }
data: { mode: fast }
---
kind: Service
metadata: { name: shop }
";
        let mut imported = import(text).unwrap();
        let texts = write::write(&imported.files, false, &mut imported.notes);
        assert_eq!(
            texts[0].text,
            "[Pod]\n\n[Install]\nWantedBy=multi-user.target\n\n[Container setup]\nImage=setup:1\nEntrypoint=[\"sh\",\"-c\"]\n\
             Exec=\"echo $$(HOME)\"\nUser=1000\nInit=true\n\n[Container web]\nImage=web:1\nPublishPort=8080:80\n\
             Environment=MODE=fast\nReadyProbe=http://:80/ok\nReadyInterval=5s\nVolume=/srv:/d:ro\nTmpfs=/t\nUser=1000\n\n\
             [Service web]\nMemoryMax=128M\nCPUQuota=50%\nRestart=always\n"
        );
        let notes: Vec<&str> = imported.notes.iter().map(|note| note.what.as_str()).collect();
        assert_eq!(notes, ["shop: replicas", "Service shop"]);
        for bad in ["", "a: 1", "kind: Service"] {
            assert!(import(bad).is_err(), "{bad}");
        }
    }
}
