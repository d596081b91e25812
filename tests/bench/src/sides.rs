//! The same pods for each side: definitions, and the names of the units made of them.

use crate::record::Side;
use crate::systemd::{Call, run, systemctl};
use anyhow::Result;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const NGINX: &str = "docker.io/library/nginx";
const BUSYBOX: &str = "docker.io/library/busybox";

/// A pod to be measured.
#[derive(Debug, Clone)]
pub struct Pod {
    pub name: String,
    /// Published, and led to the members' port 80.
    pub port: Option<u16>,
    pub members: Vec<Member>,
}

/// One of its containers.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    image: &'static str,
    exec: Option<String>,
    /// Lines of `[Service]`.
    service: &'static str,
    /// So many lines `Environment=` that only have to be carried along.
    pub environment: usize,
    /// So many lines of comment before the keys.
    pub comments: usize,
}

impl Pod {
    /// The founding pod: a web server and a client that asks it, sharing network and processes. The web server is
    /// started again at once when it fails, on every side.
    pub fn founding(number: u16) -> Pod {
        let client = "sh -c \"while true; do wget -O - http://localhost:80/ || echo failed; sleep 5; done\"";
        let member = |name: &str, image, exec, service| Member {
            name: name.to_owned(),
            image,
            exec,
            service,
            environment: 0,
            comments: 0,
        };
        Pod {
            name: format!("b{number}"),
            port: Some(8080 + number),
            members: vec![
                member("web", NGINX, None, "Restart=always\nRestartSec=0\n"),
                member("client", BUSYBOX, Some(client.to_owned()), ""),
            ],
        }
    }

    /// A pod whose members do nothing.
    pub fn sleeping(name: &str, members: usize) -> Pod {
        let member = |number| Member {
            name: format!("m{number}"),
            image: BUSYBOX,
            exec: Some("sleep 1000000".to_owned()),
            service: "",
            environment: 0,
            comments: 0,
        };
        Pod {
            name: name.to_owned(),
            port: None,
            members: (1..=members).map(member).collect(),
        }
    }

    /// The unit that is started and stopped.
    pub fn unit(&self, side: Side) -> String {
        match side {
            Side::Podunit => format!("pod-{}.service", self.name),
            Side::Podman => format!("{}-pod.service", self.name),
            Side::Floor => "floor-infra.service".to_owned(),
        }
    }

    pub fn member_unit(&self, side: Side, member: &str) -> String {
        match side {
            Side::Podunit => format!("pod-{}-{member}.service", self.name),
            Side::Podman => format!("{}-{member}.service", self.name),
            Side::Floor => format!("floor-{member}.service"),
        }
    }

    /// All services of the pod, the one that is started first.
    pub fn units(&self, side: Side) -> Vec<String> {
        let mut units = vec![self.unit(side)];
        if side == Side::Podunit {
            units.push(format!("pod-{}-infra.service", self.name));
        }
        let members = self
            .members
            .iter()
            .map(|member| self.member_unit(side, &member.name));
        units.extend(members);
        units
    }

    /// What is named to `systemctl start` and `systemctl stop`. Nothing but ordering ties the floor's units together,
    /// so there all are named.
    pub fn named(&self, side: Side) -> Vec<String> {
        match side {
            Side::Floor => self.units(side),
            _ => vec![self.unit(side)],
        }
    }

    fn for_podunit(&self) -> Vec<(String, String)> {
        let mut text = "[Pod]\nShare=net pid\n".to_owned();
        if let Some(port) = self.port {
            let _ = writeln!(text, "PublishPort={port}:80");
        }
        for member in &self.members {
            let _ = write!(text, "\n[Container {}]\n{}", member.name, member.container_keys());
            if !member.service.is_empty() {
                let _ = write!(text, "\n[Service {}]\n{}", member.name, member.service);
            }
        }
        text += "\n[Install]\nWantedBy=multi-user.target\n";
        vec![(format!("{}.pod", self.name), text)]
    }

    /// Quadlet has no key for shared namespaces.
    fn for_podman(&self) -> Vec<(String, String)> {
        let mut text = "[Pod]\n".to_owned();
        if let Some(port) = self.port {
            let _ = writeln!(text, "PublishPort={port}:80");
        }
        text += "PodmanArgs=--share=net,pid\n\n[Install]\nWantedBy=multi-user.target\n";
        let mut files = vec![(format!("{}.pod", self.name), text)];
        for member in &self.members {
            let name = format!("{}-{}", self.name, member.name);
            let mut text = format!("[Container]\nPod={}.pod\nContainerName={name}\n", self.name);
            text += &member.container_keys();
            if !member.service.is_empty() {
                let _ = write!(text, "\n[Service]\n{}", member.service);
            }
            files.push((format!("{name}.container"), text));
        }
        files
    }
}

impl Member {
    fn container_keys(&self) -> String {
        let mut text = "# A line that says nothing.\n".repeat(self.comments);
        let _ = writeln!(text, "Image={}", self.image);
        if let Some(exec) = &self.exec {
            let _ = writeln!(text, "Exec={exec}");
        }
        for number in 0..self.environment {
            let _ = writeln!(text, "Environment=VARIABLE_{number}=value-{number}");
        }
        text
    }
}

/// The sides of one pair, in another order for each.
pub fn in_turn(sides: &[Side], pair: u32) -> impl Iterator<Item = Side> {
    (0..sides.len()).map(move |at| sides[(at + pair as usize) % sides.len()])
}

/// The folder from which a side reads definitions.
fn folder(side: Side) -> &'static Path {
    Path::new(match side {
        Side::Podunit => "/run/podunit/definitions",
        Side::Podman => "/run/containers/systemd",
        Side::Floor => "/run/floor/definitions",
    })
}

/// Puts these definitions, and no others, where the side reads them. `reload()` makes them known.
pub fn define(side: Side, pods: &[Pod]) -> Result<()> {
    let folder = folder(side);
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(folder)?,
    }
    let files = pods.iter().flat_map(|pod| match side {
        Side::Podunit => pod.for_podunit(),
        Side::Podman => pod.for_podman(),
        Side::Floor => Vec::new(),
    });
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// Makes definitions known to systemd; microseconds that it took.
pub fn reload() -> Result<u64> {
    systemctl("daemon-reload", &[])
}

/// Ends whatever may be left of a side's pods, after a failure.
pub fn clean_up(side: Side, pods: &[Pod]) {
    let units: Vec<String> = pods.iter().flat_map(|pod| pod.units(side)).collect();
    let _ = Call::begin("stop", &units).and_then(Call::end);
    let _ = run("systemctl", &["reset-failed"]);
}
