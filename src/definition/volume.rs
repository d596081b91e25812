//! `x.volume` → [`Volume`].

use super::directive::Known;
use super::document::{Definition, Entry};
use super::resource::{self, Sections};
use super::section::{Settings, Value, short};
use super::{image, resource_keys};
use crate::diagnostic::Problem;
use crate::model::volume::check_name;
use crate::model::{ResourceName, SCHEMA_VERSION, Volume, VolumeSource};
use crate::unitfile::specifier;

/// What stands before the name of the file, as in Quadlet.
const PREFIX: &str = "systemd-";

/// What the volume of a file is called, whatever else is wrong with it.
pub(super) fn name_of(file: &Definition) -> String {
    let settings = settings(file.entries("Volume"));
    let name = settings.value("VolumeName", &mut Vec::new());
    name.map_or_else(|| default_name(&file.base), |value| value.text)
}

/// What the volume of a file is called that does not say so: of a template, each instance has its own.
fn default_name(base: &str) -> String {
    match base.split_once('@') {
        Some((name, "")) => format!("{PREFIX}{name}-%i"),
        Some((name, instance)) => format!("{PREFIX}{name}-{instance}"),
        None => format!("{PREFIX}{base}"),
    }
}

/// Reads a volume whole. If any of the problems is an error, it must not be used.
pub(super) fn read(
    name: ResourceName,
    file: &Definition,
    mut sections: Sections,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Volume {
    let settings = settings(std::mem::take(&mut sections.own));
    settings.check_keys(problems);
    driver(&settings, problems);
    let mount = source(&settings, problems);
    let (mut user, mut group) = (
        owner(&settings, ["User", "UID"], problems),
        owner(&settings, ["Group", "GID"], problems),
    );
    if let (Some(VolumeSource { kind, .. }), Some(value)) = (&mount, user.as_ref().or(group.as_ref()))
        && kind == "bind"
    {
        let problem = value.error("the folder of a bind mount belongs to the host");
        problems.push(problem.help("give it its owner there, with chown or tmpfiles.d(5)"));
    }
    if mount.is_none() {
        owner_options(&settings, &mut user, &mut group, problems);
    }
    let labels = settings.pairs("Label", problems);
    Volume {
        version: SCHEMA_VERSION,
        source: file.path.clone(),
        volume: volume_name(&settings, &name, problems),
        copy: settings.flag("Copy", problems).is_none_or(|(copy, _)| copy),
        user: user.map(|value| value.text),
        group: group.map(|value| value.text),
        mount,
        labels: labels
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
        units: resource::units(&sections, known, problems),
        name,
    }
}

fn settings(entries: Vec<Entry<'_>>) -> Settings<'_> {
    Settings::new(resource_keys::VOLUME, "[Volume]".to_owned(), entries)
}

fn driver(settings: &Settings, problems: &mut Vec<Problem>) {
    let Some(value) = settings.value("Driver", problems) else {
        return;
    };
    if value.text != "local" {
        let problem = value.error("podunit has no drivers of volumes but its own");
        problems.push(problem.help(match value.text.as_str() {
            "image" => "run a container of the image that writes into a volume, with Init=true",
            _ => "write Driver=local, and Type= and Device= for what is to be mounted",
        }));
    }
}

fn volume_name(settings: &Settings, name: &ResourceName, problems: &mut Vec<Problem>) -> String {
    let default = || default_name(name.as_str());
    let Some(value) = settings.text("VolumeName", problems) else {
        return default();
    };
    // Each instance of a template has its own.
    match name.as_str().contains('@') {
        true => image::shared(
            &value.with_text(value.text.replace("%i", "")),
            "a volume",
            problems,
        ),
        false => image::shared(&value, "a volume", problems),
    }
    // What a specifier stands for is not known here.
    if !value.text.contains('%')
        && let Err(error) = check_name(&value.text)
    {
        problems.push(value.error(error));
    }
    value.text
}

/// `Type=`, `Device=` and `Options=`.
fn source(settings: &Settings, problems: &mut Vec<Problem>) -> Option<VolumeSource> {
    let kind = settings.text("Type", problems);
    let device = settings.text("Device", problems);
    let options = settings.text("Options", problems);
    for value in kind.iter().chain(&device).chain(&options) {
        if value.text.contains(char::is_control) || value.text.starts_with('-') {
            problems.push(value.error("mount(8) could not be told this"));
        }
    }
    let (kind, device) = match (kind, device) {
        (None, None) => return None,
        (Some(kind), Some(device)) => (kind, device),
        (Some(kind), None) => {
            let problem = kind.error("it is not said what is mounted");
            let device = if kind.text == "tmpfs" { "tmpfs" } else { "…" };
            problems.push(problem.help(format!("add Device={device}")));
            return None;
        }
        (None, Some(device)) => {
            let problem = device.error("it is not said which file system that is");
            problems.push(problem.help("add Type=, for a folder of the host Type=bind"));
            return None;
        }
    };
    let is_word = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-%,".contains(&byte))
    };
    if !is_word(&kind.text) {
        let problem = kind.error("this is not the name of a file system");
        problems.push(problem.help("write one such as tmpfs, nfs or ext4, or bind"));
    }
    if kind.text == "bind" && !device.text.starts_with(['/', '%']) {
        let problem = device.error("this is not an absolute path");
        problems.push(problem.help("write the absolute path of a folder of the host"));
    }
    Some(VolumeSource {
        kind: kind.text,
        device: device.text,
        options: options.map(|options| options.text),
    })
}

/// A user or group, by either of its keys.
fn owner<'a>(settings: &Settings<'a>, keys: [&str; 2], problems: &mut Vec<Problem>) -> Option<Value<'a>> {
    let [first, second] = keys.map(|key| settings.text(key, problems));
    if let (Some(first), Some(second)) = (&first, &second) {
        let problem = second.error("this is said twice");
        problems.push(
            problem
                .other(first.place(), "the other")
                .help("remove one of them"),
        );
    }
    let value = first.or(second)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-%@\\$".contains(c);
    if value.text.starts_with('-') || !value.text.chars().all(fits) {
        let problem = value.error("this is not a user or group");
        problems.push(problem.help("write a name or a number of this machine"));
    }
    Some(value)
}

/// `Options=uid=…,gid=…` of a volume that is a plain folder.
fn owner_options<'a>(
    settings: &Settings<'a>,
    user: &mut Option<Value<'a>>,
    group: &mut Option<Value<'a>>,
    problems: &mut Vec<Problem>,
) {
    let Some(value) = settings.value("Options", problems) else {
        return;
    };
    for option in value.text.split(',') {
        let (name, number) = option.split_once('=').unwrap_or((option, ""));
        let owner = match name {
            "uid" if !number.is_empty() => &mut *user,
            "gid" if !number.is_empty() => &mut *group,
            _ => {
                let problem = value.error(format!(
                    "nothing is mounted that could have the option `{option}`"
                ));
                problems.push(problem.help("add Type= and Device=, or write uid= and gid= only"));
                continue;
            }
        };
        let is_number = number.parse::<u32>().is_ok_and(|id| id != u32::MAX);
        if !is_number && !specifier_in(number) {
            problems.push(value.error(format!("`{number}` is no number of a user or group")));
        }
        let mut own = value.clone();
        number.clone_into(&mut own.text);
        *owner = Some(own);
    }
}

fn specifier_in(text: &str) -> bool {
    text.contains('%') && specifier::expand(text, &|_| Some(String::new())).is_ok()
}

/// What is said of a volume for which there is no file.
pub(super) fn missing(value: &Value, base: &str, known: &Known) -> Problem {
    let near = crate::diagnostic::nearest::nearest(base, known.volumes.keys().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean {near}.volume?"),
        None => format!("write a file {}.volume with a section [Volume]", short(base)),
    };
    value
        .error(format!("there is no file {}.volume", short(base)))
        .help(help)
}
