//! `podman run …`, `podman pod create …` and `docker run …` → pods.

use super::file::{Files, Member};
use super::options::{self, Becomes, Given};
use super::shell::{self, Command};
use super::{ImportError, Imported, Note, name_from, name_of_image, value};
use std::collections::BTreeMap;
use std::path::Path;

/// Keys of a container that its pod has for all of them.
const OF_THE_POD: [&str; 13] = [
    "AddHost",
    "DNS",
    "DNSOption",
    "DNSSearch",
    "GIDMap",
    "HostName",
    "IP",
    "IP6",
    "NetworkAlias",
    "PublishPort",
    "SubGIDMap",
    "SubUIDMap",
    "UIDMap",
];

/// What commands before have said.
#[derive(Debug, Default)]
struct Context {
    /// Files with the IDs of pods, and the pods' names.
    id_files: BTreeMap<String, String>,
    /// Containers, and the pods they are in.
    containers: BTreeMap<String, String>,
}

/// Imports commands, one to a line. Relative paths are below `base`.
///
/// # Errors
/// A text that is no such command.
pub fn import(text: &str, base: &Path) -> Result<Imported, ImportError> {
    all(shell::commands(text, base)?, base)
}

/// Imports one command that a shell has split into words already.
///
/// # Errors
/// Words that are no such command.
pub fn import_words(words: &[String], base: &Path) -> Result<Imported, ImportError> {
    // As one word, it was quoted: a whole text.
    if let [text] = words {
        return import(text, base);
    }
    import_all(vec![words.to_vec()], base)
}

/// Imports commands that are split into words already.
///
/// # Errors
/// Words that are no such command.
pub(super) fn import_all(commands: Vec<Vec<String>>, base: &Path) -> Result<Imported, ImportError> {
    let command = |(at, words)| Command {
        line: at + 1,
        words,
        variables: Vec::new(),
    };
    let mut imported = all(commands.into_iter().enumerate().map(command).collect(), base)?;
    // They stood on no line.
    imported.notes.iter_mut().for_each(|note| note.line = None);
    Ok(imported)
}

fn all(commands: Vec<Command>, base: &Path) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let mut context = Context::default();
    for command in &commands {
        let at = |error| match error {
            ImportError::Text(message) => ImportError::line(command.line, message),
            error => error,
        };
        let known = imported.notes.len();
        one(command, base, &mut context, &mut imported).map_err(at)?;
        for note in &mut imported.notes[known..] {
            note.line.get_or_insert(command.line);
        }
        for name in &command.variables {
            let why = "its value is the shell's, and not known here: write it out";
            imported
                .notes
                .push(Note::new(format!("${name}"), why).at(command.line));
        }
    }
    if imported.files.pods.iter().all(|pod| pod.members.is_empty()) {
        return Err(ImportError::text(
            "there is no container in this: give a command such as podman run --name web docker.io/library/nginx",
        ));
    }
    Ok(imported)
}

/// One command in a text of several; `words[0]` is the program.
fn one(
    command: &Command,
    base: &Path,
    context: &mut Context,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let Some((program, words)) = command.words.split_first() else {
        return Ok(());
    };
    let program = program.rsplit('/').next().unwrap_or_default();
    if !["podman", "docker", "nerdctl"].contains(&program) {
        let message = format!("`{program}` is neither podman nor docker");
        return Err(ImportError::text(message));
    }
    // Options of the program itself: those of Quadlet's GlobalArgs=.
    let global = words.iter().take_while(|word| word.starts_with('-')).count();
    for option in &words[..global] {
        imported
            .notes
            .push(Note::new(option.as_str(), "there is no Podman behind a pod"));
    }
    let words = &words[global..];
    let words = if words.first().is_some_and(|word| word == "container") {
        &words[1..]
    } else {
        words
    };
    match words.first().map(String::as_str) {
        Some("run" | "create") => run(&words[1..], base, context, imported),
        Some("pod") if words.get(1).is_some_and(|word| word == "create") => {
            pod_create(&words[2..], context, imported)
        }
        other => {
            let what = format!("{program} {}", other.unwrap_or_default());
            let why = "this makes no container; what it does for one is done by its unit, or is yours to do";
            imported.notes.push(Note::new(what.trim_end(), why));
            Ok(())
        }
    }
}

fn lost(option: &Given, why: &str, notes: &mut Vec<Note>) {
    let what = match option.value.as_str() {
        "true" => format!("--{}", option.name),
        value => format!("--{} {value}", option.name),
    };
    notes.push(Note::new(what, why));
}

fn pod_create(words: &[String], context: &mut Context, imported: &mut Imported) -> Result<(), ImportError> {
    let (given, rest) = options::read(options::POD_CREATE, words)?;
    let named = given
        .iter()
        .rev()
        .find(|option| option.name == "name")
        .map(|option| option.value.as_str());
    let name = name_from(named.or(rest.first().map(String::as_str)).unwrap_or("pod"));
    if let Some(file) = given.iter().find(|option| option.name == "pod-id-file") {
        context.id_files.insert(file.value.clone(), name.clone());
    }
    let Imported { files, notes } = imported;
    files.pod(&name);
    for option in &given {
        match option.becomes {
            Becomes::Nothing => {}
            Becomes::Lost(why) => lost(option, why, notes),
            Becomes::Key(key) => files.pod(&name).keys.add(key, option.value.as_str()),
            Becomes::More => {
                if let Err(why) = of_pod(option, &name, files) {
                    lost(option, why, notes);
                }
            }
        }
    }
    Ok(())
}

/// An option that is about the pod, or what a container alone says of what its pod has.
fn of_pod(option: &Given, name: &str, files: &mut Files) -> value::Lost {
    let text = option.value.as_str();
    let own = |files: &mut Files, key: &str| {
        files.pod(name).keys.add(key, text);
        Ok(())
    };
    match option.name {
        "name" | "pod-id-file" => Ok(()),
        "publish" => own(files, "PublishPort"),
        "hostname" => own(files, "HostName"),
        "shm-size" => own(files, "ShmSize"),
        "ip" => own(files, "IP"),
        "ip6" => own(files, "IP6"),
        "share" => {
            // Podman separates by commas; `+pid` adds.
            files.pod(name).keys.set("Share", text);
            Ok(())
        }
        "net" | "network" => network(files, name, text),
        "pid" | "uts" | "ipc" => match text {
            "" | "private" | "shareable" => Ok(()),
            "host" => Err("namespaces of the host are not given to containers"),
            _ => Err("namespaces are shared within a pod: Share= in [Pod]"),
        },
        "memory" | "memory-swap" | "cpus" | "cpu-shares" | "cpuset-cpus" | "cpuset-mems" => {
            Err("the slice of a pod has no limits in a definition; write them in each [Service …]")
        }
        _ => Err("there is no key for it"),
    }
}

fn network(files: &mut Files, pod: &str, text: &str) -> value::Lost {
    let (kind, options) = text
        .split_once(':')
        .map_or((text, None), |(kind, options)| (kind, Some(options)));
    match kind {
        "" | "default" | "private" => Ok(()),
        "none" | "host" | "bridge" => {
            files.pod(pod).keys.add("Network", text);
            Ok(())
        }
        "slirp4netns" | "pasta" => Err("the network of a pod is a bridge; rootless networks are not needed"),
        "ns" => Err("the network of a pod is its own"),
        name => {
            let file = format!("{}.network", name_from(name));
            files.other(&file, "Network");
            let options = options.map(|options| format!(":{options}")).unwrap_or_default();
            files.pod(pod).keys.add("Network", format!("{file}{options}"));
            Ok(())
        }
    }
}

fn run(
    words: &[String],
    base: &Path,
    context: &mut Context,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let (given, rest) = options::read(options::RUN, words)?;
    let Some((image, arguments)) = rest.split_first() else {
        return Err(ImportError::text(
            "no image is named: it stands behind the options",
        ));
    };
    let last = |names: &[&str]| {
        let found = given.iter().rev().find(|option| names.contains(&option.name));
        found.map(|option| option.value.as_str())
    };
    let name = last(&["name"]).map_or_else(|| name_of_image(image), name_from);
    // A container in the network of another is a member of its pod.
    let beside = last(&["network", "net"]).and_then(|text| text.strip_prefix("container:"));
    let beside = beside.and_then(|other| context.containers.get(&name_from(other)).cloned());
    let pod = match (last(&["pod"]), last(&["pod-id-file"]), &beside) {
        (Some(pod), _, _) => Some(name_from(pod.strip_prefix("new:").unwrap_or(pod))),
        (None, Some(file), _) => context.id_files.get(file).cloned(),
        (None, None, beside) => beside.clone(),
    };
    let pod = pod.unwrap_or_else(|| name.clone());
    let mut member = Member {
        name: name.clone(),
        ..Member::default()
    };
    let is_rootfs = given
        .iter()
        .any(|option| option.name == "rootfs" && option.value != "false");
    member
        .keys
        .add(if is_rootfs { "Rootfs" } else { "Image" }, image.as_str());
    let Imported { files, notes } = imported;
    // It is to be there before it is spoken of.
    files.pod(&pod);
    for option in &given {
        match option.becomes {
            Becomes::Nothing => {}
            Becomes::Lost(_) if option.value == "false" => {}
            Becomes::Lost(why) => lost(option, why, notes),
            Becomes::Key(key) if OF_THE_POD.contains(&key) => {
                files.pod(&pod).keys.add_once(key, option.value.as_str())
            }
            Becomes::Key("Environment") => value::environment(&mut member, &option.value, notes),
            Becomes::Key(key) => member.keys.add(key, option.value.as_str()),
            Becomes::More => {
                let is_beside = beside.is_some() && ["net", "network"].contains(&option.name);
                let result = if is_beside {
                    Ok(())
                } else {
                    more(option, &mut member, &pod, files, base)
                };
                if let Err(why) = result {
                    lost(option, why, notes);
                }
            }
        }
    }
    if !arguments.is_empty() {
        member.keys.command("Exec", arguments.iter().cloned());
    }
    context.containers.insert(name, pod.clone());
    files.pod(&pod).add(member);
    Ok(())
}

/// An option of a container that no key takes as it is.
fn more(option: &Given, member: &mut Member, pod: &str, files: &mut Files, base: &Path) -> value::Lost {
    let text = option.value.as_str();
    match option.name {
        "name" | "pod" | "pod-id-file" | "rootfs" => {}
        "entrypoint" => member.keys.set("Entrypoint", text),
        "user" => member.keys.set("User", text),
        "env-file" => member.keys.add("EnvironmentFile", value::host_path(text, base)),
        "volume" => value::volume(member, files, text, base),
        "mount" => value::long_mount(member, files, text, base),
        "security-opt" => return value::security(member, text),
        "ulimit" => return value::ulimit(&mut member.service, text),
        "no-healthcheck" => member.keys.set("HealthCmd", "none"),
        "timeout" => {
            let seconds: u32 = text.parse().map_err(|_| "this is no number of seconds")?;
            member.service.set("RuntimeMaxSec", seconds.to_string());
        }
        "init-ctr" => member.keys.set("Init", "true"),
        "requires" => {
            for other in text.split(',').map(name_from) {
                member.keys.add_once("Requires", other.as_str());
                member.keys.add_once("After", other);
            }
        }
        "restart" => {
            let at_boot = value::restart(&mut member.service, text)?;
            files.pod(pod).at_boot |= at_boot;
        }
        "sdnotify" => match text {
            "container" => member.keys.set("Notify", "true"),
            "healthy" => member.keys.set("Notify", "healthy"),
            _ => {}
        },
        "platform" => {
            let mut parts = text.split('/');
            for (key, part) in ["OS", "Arch", "Variant"].into_iter().zip(&mut parts) {
                member.keys.set(key, part);
            }
        }
        "cpu-quota" | "cpu-period" => {
            return Err("write CPUQuota= in [Service]: the quota as a share of the period, such as 150%");
        }
        "memory" | "memory-reservation" | "memory-swap" | "cpus" | "cpu-shares" | "cpuset-cpus"
        | "cpuset-mems" | "pids-limit" | "oom-score-adj" => {
            return value::limit(&mut member.service, option.name, text);
        }
        _ => return of_pod(option, pod, files),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::write;

    fn imported(text: &str) -> (String, Vec<String>) {
        let mut imported = import(text, Path::new("/srv")).unwrap();
        let texts = write::write(&imported.files, false, &mut imported.notes);
        let text = texts
            .iter()
            .map(|text| format!("# {}\n{}", text.file, text.text))
            .collect();
        let note = |note: &Note| format!("{}: {}: {}", note.line.unwrap(), note.what, note.why);
        (text, imported.notes.iter().map(note).collect())
    }

    #[test]
    fn a_container_is_a_pod_of_one() {
        let (text, notes) = imported(
            "docker run -d --name web -p 8080:80 -v ./site:/usr/share/nginx/html:ro -v data:/data -e 'A=b c' \\\n  \
             --restart unless-stopped -m 256m nginx:1.29 nginx -g 'daemon off;'",
        );
        assert_eq!(
            text,
            "# web.pod\n[Pod]\nPublishPort=8080:80\n\n[Install]\nWantedBy=multi-user.target\n\n[Container web]\nImage=nginx:1.29\n\
             Volume=/srv/site:/usr/share/nginx/html:ro\nVolume=data.volume:/data\nEnvironment=\"A=b c\"\n\
             Exec=nginx -g \"daemon off;\"\n\n[Service web]\nRestart=always\nMemoryMax=256M\n# data.volume\n[Volume]\n"
        );
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn a_pod_and_what_joins_it() {
        let (text, notes) = imported(
            "podman pod create --name shop -p 80:80 --share +pid\n\
             podman run --pod shop --name db --privileged postgres:17\n\
             podman run --name web --network container:db -t nginx:1.29\npodman ps\n",
        );
        assert_eq!(
            text,
            "# shop.pod\n[Pod]\nPublishPort=80:80\nShare=+pid\n\n[Container db]\nImage=postgres:17\n\n\
             [Container web]\nImage=nginx:1.29\n"
        );
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(
            notes[0].starts_with("2: --privileged: ") && notes[1].starts_with("3: --tty: "),
            "{notes:?}"
        );
    }

    #[test]
    fn what_makes_no_container_is_an_error() {
        for text in [
            "",
            "ls",
            "podman ps",
            "podman run",
            "podman run --nmae x y",
            "podman run --name",
        ] {
            assert!(import(text, Path::new("/")).is_err(), "{text}");
        }
    }
}
