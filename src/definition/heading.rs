//! Headers of sections: which can stand in which file, and which member they are about.

use super::document::{Definition, Header, Kind};
use super::section::short;
use crate::diagnostic::Problem;
use crate::diagnostic::nearest;

/// What a section is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heading<'a> {
    /// `[Pod]`
    Pod,
    /// `[Container]` in a file of its own; `[Container NAME]` in that of the pod.
    Container(Option<&'a str>),
    /// `[Unit]`, `[Unit NAME]`
    Unit(Option<&'a str>),
    /// `[Service]`, `[Service NAME]`
    Service(Option<&'a str>),
    /// `[Install]`
    Install,
    /// `[Quadlet]`
    Quadlet,
    /// `[X-Podunit]`: keys of the file's own section that Quadlet does not know.
    Extensions,
    /// What another kind of file is about: `[Volume]` in `NAME.volume`.
    Own,
}

/// The section for what Quadlet does not know, which it leaves alone as every `X-`.
const EXTENSIONS: &str = "X-Podunit";

/// Sections of systemd that are for other units.
const OTHERS: [&str; 5] = ["Automount", "Mount", "Path", "Socket", "Timer"];

/// The sections of a definition with what they are about; those that have no place in it are problems.
pub(super) fn read<'a>(
    definition: &'a Definition,
    problems: &mut Vec<Problem>,
) -> Vec<(Heading<'a>, Header<'a>)> {
    let mut headings = Vec::new();
    for header in definition.sections() {
        // A note to oneself, as in systemd.
        if header.name().starts_with("X-") && header.name().split([' ', '\t']).next() != Some(EXTENSIONS) {
            continue;
        }
        match heading(header.name(), definition.kind) {
            Ok(heading) => headings.push((heading, header)),
            Err((message, help)) => problems.push(Problem::error(header.place(), message).help(help)),
        }
    }
    headings
}

fn heading(name: &str, kind: Kind) -> Result<Heading<'_>, (String, String)> {
    let (word, member) = match name.split_once([' ', '\t']) {
        Some((word, member)) => (word, Some(member.trim_matches([' ', '\t']))),
        None => (name, None),
    };
    let wrong = |message: String, help: String| Err((message, help));
    if let (true, Some(member)) = (kind != Kind::Pod, member)
        && ["Container", "Unit", "Service"].contains(&word)
    {
        let name = short(name);
        let message = match kind {
            Kind::Container => format!("[{name}] names a member, but this file is one"),
            _ => format!("[{name}] names a member, but this file has none"),
        };
        return wrong(
            message,
            format!("write [{word}], or move the section to the file of the pod that has `{member}`"),
        );
    }
    // The pod's file may hold what others have in files of their own, and only its members.
    if let Some(other) = Kind::ALL.into_iter().find(|other| other.section() == word)
        && ![kind, Kind::Pod, Kind::Container].contains(&other)
    {
        return wrong(
            format!("[{}] cannot stand in a file {}", short(name), kind.suffix()),
            format!("move it to a file NAME{}", other.suffix()),
        );
    }
    match (word, member) {
        ("Pod", None) if kind == Kind::Pod => Ok(Heading::Pod),
        ("Pod", None) => wrong(
            format!("[Pod] cannot stand in a file {}", kind.suffix()),
            "move it to the file of the pod, NAME.pod".to_owned(),
        ),
        ("Container", None) if ![Kind::Pod, Kind::Container].contains(&kind) => wrong(
            format!("[Container] cannot stand in a file {}", kind.suffix()),
            "move it to a file NAME.container".to_owned(),
        ),
        (word, None) if word == kind.section() && kind != Kind::Container => Ok(Heading::Own),
        ("Container", None) if kind == Kind::Pod => wrong(
            "this container has no name".to_owned(),
            "write [Container NAME], or move it to a file NAME.container with Pod=".to_owned(),
        ),
        ("Container", member) if [Kind::Pod, Kind::Container].contains(&kind) => {
            Ok(Heading::Container(member))
        }
        ("Unit", member) => Ok(Heading::Unit(member)),
        ("Service", member) => Ok(Heading::Service(member)),
        ("Install", None) => Ok(Heading::Install),
        ("Install", Some(_)) => wrong(
            format!("[{}]: members are started with their pod", short(name)),
            "write [Install] without a name".to_owned(),
        ),
        ("Quadlet", None) => Ok(Heading::Quadlet),
        (EXTENSIONS, None) if [Kind::Pod, Kind::Container].contains(&kind) => Ok(Heading::Extensions),
        (EXTENSIONS, Some(member)) if kind == Kind::Pod => wrong(
            format!("[{}] is not a section", short(name)),
            format!("write these keys into [Container {member}], or into [X-Podunit] of {member}.container"),
        ),
        (EXTENSIONS, _) => wrong(
            format!("[{}] is not a section of a file {}", short(name), kind.suffix()),
            "remove it: only pods and containers have keys that Quadlet does not know".to_owned(),
        ),
        (word, Some(_)) if ["Pod", "Quadlet"].contains(&word) || word == kind.section() => wrong(
            format!("[{}] is not a section", short(name)),
            format!("write [{word}]"),
        ),
        (word, _) if OTHERS.contains(&word) => wrong(
            format!("sections of the kind [{word}] are not supported by this version of podunit"),
            "remove it, or begin its name with X- to keep it as a note".to_owned(),
        ),
        (word, _) => {
            let own = match kind {
                Kind::Pod | Kind::Container => ["Pod", "Container"].as_slice(),
                kind => &[kind.section()],
            };
            let common = ["Unit", "Service", "Install", "Quadlet"];
            let near = nearest::nearest(word, own.iter().copied().chain(common));
            let name_too = if kind == Kind::Pod && near == Some("Container") {
                " NAME"
            } else {
                ""
            };
            let help = near.map_or_else(
                || "remove it, or begin its name with X- to keep it as a note".to_owned(),
                |near| format!("did you mean [{near}{name_too}]?"),
            );
            wrong(
                format!("[{}] is not a section of a definition", short(name)),
                help,
            )
        }
    }
}
