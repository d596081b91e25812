//! What holds for any text, however hostile: the bodies of the fuzz targets (`fuzz/`), run by the tests too.

use podunit::import::write::write;
use podunit::import::{ImportError, Imported, compose, inspect, kube, run, unit as units};
use podunit::unitfile::parse::parse;
use podunit::unitfile::value::TimeSpan;
use podunit::unitfile::words::{quote, split, split_plain};
use podunit::unitfile::write::UnitWriter;
use std::path::Path;
use std::time::Duration;

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// All that is read of a file, and every mistake in it, has its place within the text.
pub(crate) fn syntax(data: &[u8]) {
    let text = text(data);
    let (file, errors) = parse(&text);
    for error in &errors {
        assert!(text.get(error.span.start..error.span.end).is_some() && !error.message.is_empty());
    }
    for section in &file.sections {
        assert!(text.get(section.span.start..section.span.end).is_some());
        for assignment in &section.assignments {
            assert!(
                text.get(assignment.key_span.start..assignment.key_span.end)
                    .is_some()
            );
            assert!(!assignment.value.contains('\n'));
            let whole = assignment.span_of(0, assignment.value.len());
            assert!(text.get(whole.start..whole.end).is_some());
        }
    }
}

/// What is quoted reads back, and words have their places.
pub(crate) fn words(data: &[u8]) {
    let text = text(data);
    for words in [split(&text), split_plain(&text)].into_iter().flatten() {
        assert!(words.iter().all(|word| text.get(word.start..word.end).is_some()));
    }
    if !text.contains('\0') {
        let read = split(&quote(&text)).unwrap();
        assert_eq!(
            read.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(),
            [text.as_str()]
        );
    }
}

/// A unit that is written has the directives that were asked for and no other. The first byte of a line is its kind.
pub(crate) fn unit(data: &[u8]) {
    let mut writer = UnitWriter::new("header");
    writer.section("Service");
    let mut count = 0;
    for line in data.split(|byte| *byte == 0xff).take(20) {
        let Some((kind, rest)) = line.split_first() else {
            continue;
        };
        let value = text(rest);
        match kind % 7 {
            0 => writer.token("Key", &value),
            1 => writer.text("Key", &value),
            2 => writer.path("Key", Path::new(&value)),
            3 => writer.exec("Key", &["/bin/true", &value]),
            4 => writer.passthrough("Key", &value),
            5 => writer.units("Key", &[&value]),
            _ => writer.time("Key", TimeSpan::Finite(Duration::from_micros(rest.len() as u64))),
        };
        count += 1;
    }
    let Ok(text) = writer.finish() else { return };
    let (file, errors) = parse(&text);
    assert!(errors.is_empty(), "{text}");
    assert_eq!(file.sections.len(), 1, "{text}");
    assert_eq!(file.sections[0].assignments.len(), count, "{text}");
    assert!(
        file.sections[0]
            .assignments
            .iter()
            .all(|assignment| assignment.key == "Key"),
        "{text}"
    );
}

/// What is imported has the sections and keys that were meant, whatever the values; or it is refused.
fn imported(result: Result<Imported, ImportError>) {
    let Ok(Imported { files, mut notes }) = result else {
        return;
    };
    let known = notes.len();
    for is_split in [false, true] {
        let mut wanted: Vec<&str> = Vec::new();
        for pod in &files.pods {
            let of_pod = [&pod.keys, &pod.unit, &pod.service];
            let of_members = pod
                .members
                .iter()
                .flat_map(|member| [&member.keys, &member.unit, &member.service]);
            wanted.extend(
                of_pod
                    .into_iter()
                    .chain(of_members)
                    .flat_map(|keys| keys.iter().map(|(key, _)| key)),
            );
            wanted.extend(pod.at_boot.then_some("WantedBy"));
            wanted.extend(pod.members.iter().filter(|_| is_split).map(|_| "Pod"));
        }
        wanted.extend(
            files
                .others
                .iter()
                .flat_map(|other| other.keys.iter().map(|(key, _)| key)),
        );
        notes.truncate(known);
        let mut found = Vec::new();
        for text in write(&files, is_split, &mut notes) {
            assert!(
                !text.file.contains('/') && !text.file.starts_with('.'),
                "{}",
                text.file
            );
            let (file, errors) = parse(&text.text);
            assert!(errors.is_empty(), "{}", text.text);
            let all = file.sections.iter().flat_map(|section| &section.assignments);
            found.extend(all.map(|assignment| assignment.key.clone()));
        }
        // Those that cannot be written are told of.
        assert_eq!(
            found.len() + notes.len() - known,
            wanted.len(),
            "{found:?} {wanted:?}"
        );
        assert!(
            found.iter().all(|key| wanted.contains(&key.as_str())),
            "{found:?}"
        );
    }
}

/// `podman run` and its like.
pub(crate) fn commands(data: &[u8]) {
    imported(run::import(&text(data), Path::new("/srv")));
}

/// Compose files.
pub(crate) fn compose(data: &[u8]) {
    let options = compose::Options {
        base: "/srv/shop".into(),
        profiles: vec!["*".to_owned()],
        variables: compose::variables("A=1\nB='x y'\n"),
        name: None,
    };
    let text = text(data);
    compose::variables(&text);
    imported(compose::import(&text, &options));
}

/// Kubernetes YAML.
pub(crate) fn kube(data: &[u8]) {
    imported(kube::import(&text(data)));
}

/// `podman inspect` and `docker inspect`.
pub(crate) fn inspect(data: &[u8]) {
    imported(inspect::import(&text(data)));
}

/// Units of `podman generate systemd`.
pub(crate) fn generated(data: &[u8]) {
    imported(units::import(
        &[("container-web.service".to_owned(), text(data))],
        Path::new("/srv"),
    ));
}
