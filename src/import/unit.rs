//! Units that `podman generate systemd` has written → pods, by the commands in them.

use super::{ImportError, Imported, Note, run};
use crate::unitfile::{File, parse, specifier, words};
use std::path::Path;

/// Imports units, each with its name, in any order: those of pods are read first.
///
/// # Errors
/// A text that is no such unit.
pub fn import(units: &[(String, String)], base: &Path) -> Result<Imported, ImportError> {
    let mut pods = Vec::new();
    let mut containers = Vec::new();
    let mut notes = Vec::new();
    let mut at_boot = false;
    for (name, text) in units {
        let (file, errors) = parse::parse(text);
        if let Some(error) = errors.first() {
            return Err(ImportError::text(format!("{name}: {}", error.message)));
        }
        at_boot |= values(&file, "Install", &["WantedBy"]).next().is_some();
        let mut found = false;
        for line in values(&file, "Service", &["ExecStart", "ExecStartPre"]) {
            let Some(command) = command(name, line)? else {
                continue;
            };
            found = true;
            let is_pod = command.first().is_some_and(|word| word == "pod");
            let line = std::iter::once("podman".to_owned()).chain(command);
            if is_pod { &mut pods } else { &mut containers }.push(line.collect::<Vec<String>>());
        }
        if !found {
            let why = "it makes no container: write it with `podman generate systemd --new`, or import `podman inspect`";
            notes.push(Note::new(name.as_str(), why));
        }
    }
    let mut imported = run::import_all(pods.into_iter().chain(containers).collect(), base)?;
    for pod in &mut imported.files.pods {
        pod.at_boot |= at_boot;
    }
    imported.notes.splice(0..0, notes);
    Ok(imported)
}

fn values<'f>(file: &'f File, section: &'f str, keys: &'f [&str]) -> impl Iterator<Item = &'f str> {
    let sections = file.sections.iter().filter(move |found| found.name == section);
    let all = sections.flat_map(|section| &section.assignments);
    let of_keys = all.filter(move |assignment| keys.contains(&assignment.key.as_str()));
    of_keys.map(|assignment| assignment.value.as_str())
}

/// The words behind `podman` of a line that makes a container or a pod.
fn command(unit: &str, line: &str) -> Result<Option<Vec<String>>, ImportError> {
    let line = line.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let wrong = |error: &dyn std::fmt::Display| ImportError::text(format!("{unit}: {error}"));
    let split = words::split(line).map_err(|error| wrong(&error))?;
    let base = unit.rsplit_once('.').map_or(unit, |(base, _)| base);
    // As they are for root's units.
    let expand = |c| match c {
        't' => Some("/run".to_owned()),
        'h' => Some("/root".to_owned()),
        'n' => Some(unit.to_owned()),
        'N' | 'p' => Some(base.to_owned()),
        'i' => Some(String::new()),
        _ => None,
    };
    let expanded: Result<Vec<String>, _> = split
        .iter()
        .map(|word| specifier::expand(&word.text, &expand))
        .collect();
    let expanded = expanded.map_err(|error| wrong(&error))?;
    let mut rest = words::expand_variables(&expanded, &|name| Some(format!("${{{name}}}"))).into_iter();
    let is_podman = rest
        .next()
        .is_some_and(|program| program.rsplit('/').next() == Some("podman"));
    let rest: Vec<String> = rest.collect();
    let makes = |words: &[String]| {
        let first: Vec<&str> = words.iter().take(2).map(String::as_str).collect();
        matches!(
            first[..],
            ["run" | "create", ..] | ["container", "run" | "create"] | ["pod", "create"]
        )
    };
    Ok((is_podman && makes(&rest)).then_some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::write;

    #[test]
    fn a_pod_and_its_container() {
        let pod = "[Service]\nType=forking\nExecStartPre=/usr/bin/podman pod create --infra-conmon-pidfile %t/pod-web.pid \
                   --pod-id-file %t/pod-web.pod-id --exit-policy=stop -p 80:80 --replace --name web\n\
                   ExecStart=/usr/bin/podman pod start --pod-id-file %t/pod-web.pod-id\n[Install]\nWantedBy=default.target\n";
        let container = "[Service]\nExecStart=/usr/bin/podman run \\\n\t--cidfile=%t/%n.ctr-id \\\n\t--pod-id-file \
                         %t/pod-web.pod-id --sdnotify=conmon -d --replace --name nginx nginx:1.29 sh -c \"echo $$HOME 5%%\"\n";
        let unit = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let units = [
            unit("container-nginx.service", container),
            unit("pod-web.service", pod),
        ];
        let mut imported = import(&units, Path::new("/")).unwrap();
        let texts = write::write(&imported.files, false, &mut imported.notes);
        assert_eq!(
            texts[0].text,
            "[Pod]\nPublishPort=80:80\n\n[Install]\nWantedBy=multi-user.target\n\n[Container nginx]\nImage=nginx:1.29\n\
             Exec=sh -c \"echo $$HOME 5%%\"\n"
        );
        assert_eq!(texts.len(), 1);
        assert!(import(&units[..0], Path::new("/")).is_err());
    }
}
