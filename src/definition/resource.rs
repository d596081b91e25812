//! What all definitions that are neither pod nor container have: a name, a section of their own, and systemd's.

use super::directive::{self, Context, Known};
use super::document::{Definition, Entry, Kind};
use super::heading::{self, Heading};
use super::member;
use super::refused::Owner as Refuser;
use super::section::short;
use crate::diagnostic::Problem;
use crate::model::{Directive, Owner, Passthrough, ResourceName};

/// Sections of such a file.
#[derive(Debug, Default)]
pub(super) struct Sections<'a> {
    /// The name of the file without its ending.
    base: &'a str,
    /// That of its own, such as `[Volume]`.
    pub(super) own: Vec<Entry<'a>>,
    /// Whether it is to wait until the network is online.
    waits: bool,
    unit: Vec<Entry<'a>>,
    service: Vec<Entry<'a>>,
    install: Vec<Entry<'a>>,
}

/// Sorts the sections of a file.
pub(super) fn sections<'a>(file: &'a Definition, problems: &mut Vec<Problem>) -> Sections<'a> {
    let mut sections = Sections {
        base: &file.base,
        ..Sections::default()
    };
    let mut quadlet = Vec::new();
    let mut has_own = false;
    for (heading, header) in heading::read(file, problems) {
        match heading {
            Heading::Own => {
                has_own = true;
                sections.own.extend(header.entries());
            }
            Heading::Unit(_) => sections.unit.extend(header.entries()),
            Heading::Service(_) => sections.service.extend(header.entries()),
            Heading::Install => sections.install.extend(header.entries()),
            Heading::Quadlet => quadlet.extend(header.entries()),
            // Problems of their headers.
            Heading::Pod | Heading::Container(_) | Heading::Extensions => {}
        }
    }
    sections.waits = member::waits_for_network(quadlet, problems);
    if !has_own && !file.documents.is_empty() {
        let section = file.kind.section();
        let message = format!("the file has no section [{section}]");
        problems.push(Problem::error(file.place(), message).help(format!("write [{section}], be it empty")));
    }
    sections
}

/// `[Unit]`, `[Service]` and `[Install]` of a file.
pub(super) fn units(sections: &Sections, known: &Known, problems: &mut Vec<Problem>) -> Passthrough {
    let context = Context {
        pod: None,
        member: None,
        members: &[],
        has_instance: sections.base.contains('@'),
        known,
    };
    let (mut unit, _) = directive::unit(&sections.unit, context, problems);
    if sections.waits {
        unit.extend(directive::after_network());
    }
    Passthrough {
        unit,
        service: directive::service(&sections.service, Refuser::Member, problems),
        install: install(sections, problems),
    }
}

/// `[Install]` alone.
pub(super) fn install(sections: &Sections, problems: &mut Vec<Problem>) -> Vec<Directive> {
    directive::install(&sections.install, sections.base, false, problems)
}

/// Whose units the file is about; nothing if it cannot have any.
pub(super) fn owner(file: &Definition, problems: &mut Vec<Problem>) -> Option<Owner> {
    if file.base.contains('@') && file.kind != Kind::Volume {
        let message = format!(
            "templates {} are not supported by this version of podunit",
            file.kind.suffix()
        );
        problems.push(
            Problem::error(file.place(), message).help("write a file for each, with a name without `@`"),
        );
        return None;
    }
    match ResourceName::new(&file.base) {
        Ok(name) => owner_of(file.kind, name),
        Err(error) => {
            let message = format!("`{}` cannot be a name: {error}", short(&file.base));
            problems.push(Problem::error(file.place(), message).help("rename the file"));
            None
        }
    }
}

/// Whose units a definition of this kind and name is about; nothing for pods and containers.
pub(super) fn owner_of(kind: Kind, name: ResourceName) -> Option<Owner> {
    match kind {
        Kind::Pod | Kind::Container => None,
        Kind::Volume => Some(Owner::Volume(name)),
        Kind::Network => Some(Owner::Network(name)),
        Kind::Image => Some(Owner::Image(name)),
        Kind::Kube => Some(Owner::Kube(name)),
        Kind::Build => Some(Owner::Build(name)),
        Kind::Artifact => Some(Owner::Artifact(name)),
    }
}
