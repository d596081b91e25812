//! `Mount=type=…,source=…,target=…` as podman-run(1) has it, read as the same in `Volume=` and `Tmpfs=`.

use super::directive::Known;
use super::mount::{self, Mounted};
use super::section::{Value, short};
use crate::diagnostic::Problem;
use crate::model::{Devpts, Tmpfs};
use crate::unitfile::value::parse_bool;
use std::path::Path;

/// What `Mount=` mounts.
#[derive(Debug)]
pub(super) enum MountKey {
    /// `type=bind` and `type=volume`: what `Volume=` mounts.
    Volume(Mounted),
    /// `type=tmpfs`
    Tmpfs(Tmpfs),
    /// `type=devpts`
    Devpts(Devpts),
}

/// Options that every kind has.
#[derive(Debug, Default)]
struct Parts<'v> {
    kind: &'v str,
    source: Option<&'v str>,
    target: Option<&'v str>,
    /// What is left, `NAME` or `NAME=VALUE`.
    others: Vec<&'v str>,
}

/// Reads one; a source that begins with a dot is under `folder`.
pub(super) fn read(
    value: &Value,
    folder: &Path,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Option<MountKey> {
    let parts = split(&value.text);
    let refuse = |message: String, help: &str, problems: &mut Vec<Problem>| {
        problems.push(value.error(message).help(help));
        None
    };
    let Some(target) = parts.target else {
        let help = "add target=, the place in the container";
        return refuse("this does not say where".to_owned(), help, problems);
    };
    if [Some(target), parts.source]
        .iter()
        .flatten()
        .any(|path| path.contains(':'))
    {
        let help = "rename the file or folder";
        return refuse("a path here cannot have a colon".to_owned(), help, problems);
    }
    match parts.kind {
        "bind" | "volume" => volume(&parts, target, value, folder, known, problems).map(MountKey::Volume),
        "tmpfs" => {
            let options = tmpfs_options(&parts, value, problems)?;
            let text = match options.is_empty() {
                true => target.to_owned(),
                false => format!("{target}:{}", options.join(",")),
            };
            mount::tmpfs(&value.with_text(text), problems).map(MountKey::Tmpfs)
        }
        "devpts" => devpts(&parts, target, value, problems).map(MountKey::Devpts),
        "ramfs" => refuse("a ramfs has no limit".to_owned(), "write type=tmpfs", problems),
        "glob" => refuse(
            "which files a pattern stands for is not looked up by this version".to_owned(),
            "mount the folder that they are in, or each of them",
            problems,
        ),
        "image" | "artifact" => refuse(
            format!("mounts of an {} are not supported by this version", parts.kind),
            "unpack it into a folder, and mount that",
            problems,
        ),
        kind => refuse(
            format!("`{kind}` is no type of a mount"),
            "write type=bind, type=volume, type=tmpfs or type=devpts",
            problems,
        ),
    }
}

/// What the same in `Volume=` mounts; a bind mount has a path of the host, and a volume may have neither that nor a name.
fn volume(
    parts: &Parts,
    target: &str,
    value: &Value,
    folder: &Path,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Option<Mounted> {
    let options = bind_options(parts, value, problems)?;
    let is_bind = parts.kind == "bind";
    let Some(source) = parts.source else {
        if is_bind {
            let problem = value.error("this does not say what is mounted");
            problems.push(problem.help("add source=, or write Tmpfs= for files that need not stay"));
            return None;
        }
        let text = value.with_text(target.to_owned());
        let mut mounted = mount::volume(&text, folder, known, problems)?;
        if let Mounted::Volume(volume, _) = &mut mounted {
            volume.options = options.into_iter().map(str::to_owned).collect();
        }
        return Some(mounted);
    };
    if is_bind && mount::host_path(source, folder).is_none() {
        let problem = value.error(format!("the source `{}` is no path", short(source)));
        problems.push(problem.help("write an absolute path, or one that begins with ./, or type=volume"));
        return None;
    }
    let text = match options.is_empty() {
        true => format!("{source}:{target}"),
        false => format!("{source}:{target}:{}", options.join(",")),
    };
    mount::volume(&value.with_text(text), folder, known, problems)
}

/// As in Podman, a mount that does not say so is a volume.
fn split(text: &str) -> Parts<'_> {
    let mut parts = Parts {
        kind: "volume",
        ..Parts::default()
    };
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("type", kind)) => parts.kind = kind,
            Some(("source" | "src", source)) => parts.source = Some(source),
            Some(("target" | "destination" | "dst", target)) => parts.target = Some(target),
            _ => parts.others.push(part),
        }
    }
    parts
}

/// Whether the boolean of `NAME` or `NAME=BOOL` is true.
fn is_on(value: Option<&str>) -> bool {
    value.is_none_or(|value| parse_bool(value).unwrap_or(true))
}

/// The options of `Volume=` that say the same.
fn bind_options<'v>(parts: &Parts<'v>, value: &Value, problems: &mut Vec<Problem>) -> Option<Vec<&'v str>> {
    let mut options = Vec::new();
    for part in &parts.others {
        let (name, setting) = match part.split_once('=') {
            Some((name, setting)) => (name, Some(setting)),
            None => (*part, None),
        };
        match (name, setting) {
            ("ro" | "readonly", setting) => options.push(if is_on(setting) { "ro" } else { "rw" }),
            ("rw", setting) => options.push(if is_on(setting) { "rw" } else { "ro" }),
            ("bind-propagation", Some(setting)) => options.push(setting),
            ("bind-nonrecursive", setting) => options.push(if is_on(setting) { "bind" } else { "rbind" }),
            ("relabel", Some("shared")) => options.push("z"),
            ("relabel", Some("private")) => options.push("Z"),
            // Docker's, for another system; as in Podman it changes nothing.
            ("consistency", Some(_)) => {}
            ("U" | "chown" | "idmap", setting) if is_on(setting) => {
                let problem = value.error(format!("`{part}` would change whose the files of the host are"));
                problems.push(problem.help("give them to the user of the container with chown(1)"));
                return None;
            }
            ("U" | "chown" | "idmap", _) => {}
            ("nocopy", None) if parts.kind == "volume" => options.push("nocopy"),
            (name, None) if mount::BIND_OPTIONS.contains(&name) => options.push(name),
            _ => {
                let problem = value.error(format!("`{part}` is no option of this mount here"));
                problems.push(
                    problem.help("this version knows ro, bind-propagation=, bind-nonrecursive and relabel="),
                );
                return None;
            }
        }
    }
    Some(options)
}

/// The options of `Tmpfs=` that say the same.
fn tmpfs_options(parts: &Parts, value: &Value, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    if parts.source.is_some() {
        let problem = value.error("a tmpfs has no source");
        problems.push(problem.help("remove source=, or write type=bind"));
        return None;
    }
    let option = |part: &&str| match part.split_once('=') {
        Some(("tmpfs-size", size)) => format!("size={}", size.strip_suffix(['b', 'B']).unwrap_or(size)),
        Some(("tmpfs-mode", mode)) => format!("mode={mode}"),
        Some(("ro" | "readonly", on)) => if is_on(Some(on)) { "ro" } else { "rw" }.to_owned(),
        None if *part == "readonly" => "ro".to_owned(),
        Some(_) | None => (*part).to_owned(),
    };
    Some(parts.others.iter().map(option).collect())
}

fn devpts(parts: &Parts, target: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<Devpts> {
    let target = mount::target_path(target, value, problems)?;
    let fits = |part: &str| match part.split_once('=') {
        Some(("uid" | "gid" | "max", number)) => number.parse::<u32>().is_ok(),
        Some(("mode", mode)) => u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o777),
        Some(_) | None => false,
    };
    if let Some(bad) = parts.others.iter().find(|part| !fits(part)) {
        let problem = value.error(format!("`{bad}` is no option of a devpts"));
        problems.push(problem.help("write uid=, gid=, mode=0620 or max=, each with a number"));
        return None;
    }
    Some(Devpts {
        target,
        options: parts.others.iter().map(|part| (*part).to_owned()).collect(),
    })
}
