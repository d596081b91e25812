//! `[Install]` → the links that `systemctl enable` would make. Generated units cannot be enabled (they are gone at
//! the next reload), so the generator makes the links itself.

use super::Link;
use crate::model::{Directive, Pod};
use crate::unitfile::write::unit_name_is_valid;
use std::collections::BTreeSet;

/// A word of `[Install]` that cannot become a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Not the name of a unit (systemd.unit(5)).
    #[error("[Install] {key}={value}: this is not the name of a unit, such as multi-user.target")]
    Name {
        /// The key.
        key: String,
        /// The word.
        value: String,
    },
    /// An alias must be of the same type as the unit.
    #[error("[Install] Alias={0}: the alias of a service must end in .service")]
    AliasType(String),
}

/// All links of a pod, sorted.
///
/// # Errors
/// The first word that is not the name of a unit.
pub fn of_pod(pod: &Pod) -> Result<Vec<Link>, InstallError> {
    let mut all: BTreeSet<Link> = links(&pod.name.unit(), &pod.units.install)?.into_iter().collect();
    for member in &pod.members {
        all.extend(links(&pod.name.member_unit(&member.name), &member.units.install)?);
    }
    let names = pod.quadlet_names().into_iter();
    let names = names.filter(|(alias, _)| unit_name_is_valid(alias));
    all.extend(names.map(|(alias, unit)| Link {
        path: alias,
        target: unit,
    }));
    Ok(all.into_iter().collect())
}

/// Other names of a pod's units, and the unit that each stands for.
pub(super) fn aliases(pod: &Pod) -> impl Iterator<Item = (String, String)> {
    let links = of_pod(pod).unwrap_or_default().into_iter();
    links
        .filter(|link| !link.path.contains('/'))
        .map(|link| (link.path, link.target))
}

/// Links for the unit `unit`, sorted. `Also=` asks for nothing here. A template is started by nobody, but for its
/// `DefaultInstance=`.
///
/// # Errors
/// The first word that is not the name of a unit.
pub fn links(unit: &str, install: &[Directive]) -> Result<Vec<Link>, InstallError> {
    let mut links = BTreeSet::new();
    let template = unit.strip_suffix("@.service");
    let of_unit = unit
        .split_once('@')
        .filter(|_| template.is_none())
        .map(|(_, of)| of);
    let instance = names("DefaultInstance", install).pop();
    let started = match (template, instance) {
        (Some(template), Some(instance)) => Some(format!("{template}@{instance}.service")),
        (Some(_), None) => None,
        (None, _) => Some(unit.to_owned()),
    };
    for key in ["WantedBy", "RequiredBy", "UpheldBy", "Alias"] {
        for name in names(key, install) {
            if !unit_name_is_valid(name) {
                return Err(InstallError::Name {
                    key: key.to_owned(),
                    value: name.to_owned(),
                });
            }
            let directory = match key {
                "WantedBy" => "wants",
                "RequiredBy" => "requires",
                "UpheldBy" => "upholds",
                _ if !name.ends_with(".service") => return Err(InstallError::AliasType(name.to_owned())),
                _ => {
                    // An alias that its template gives is one of this instance.
                    let name = match (name.strip_suffix("@.service"), of_unit) {
                        (Some(name), Some(instance)) => format!("{name}@{instance}"),
                        _ => name.to_owned(),
                    };
                    if name != unit {
                        links.insert(Link {
                            path: name,
                            target: unit.to_owned(),
                        });
                    }
                    continue;
                }
            };
            links.extend(started.iter().map(|started| Link {
                path: format!("{name}.{directory}/{started}"),
                target: format!("../{unit}"),
            }));
        }
    }
    Ok(links.into_iter().collect())
}

/// The words of all assignments of `key`; an empty assignment forgets the earlier ones.
fn names<'a>(key: &str, install: &'a [Directive]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for directive in install.iter().filter(|directive| directive.key == key) {
        if directive.value.trim().is_empty() {
            names.clear();
        }
        names.extend(directive.value.split_ascii_whitespace());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(lines: &[(&str, &str)]) -> Vec<Directive> {
        let directive = |(key, value): &(&str, &str)| Directive {
            key: (*key).into(),
            value: (*value).into(),
        };
        lines.iter().map(directive).collect()
    }

    fn paths(lines: &[(&str, &str)]) -> Vec<String> {
        links("pod-x.service", &install(lines))
            .unwrap()
            .into_iter()
            .map(|link| link.path)
            .collect()
    }

    #[test]
    fn every_kind_of_link() {
        let links = links(
            "pod-x.service",
            &install(&[
                ("WantedBy", "multi-user.target other.service"),
                ("RequiredBy", "a.target"),
                ("UpheldBy", "b.target"),
                ("Alias", "x.service pod-x.service"),
                ("Also", "whatever.socket"),
            ]),
        )
        .unwrap();
        let shown: Vec<String> = links
            .iter()
            .map(|link| format!("{} -> {}", link.path, link.target))
            .collect();
        assert_eq!(
            shown,
            [
                "a.target.requires/pod-x.service -> ../pod-x.service",
                "b.target.upholds/pod-x.service -> ../pod-x.service",
                "multi-user.target.wants/pod-x.service -> ../pod-x.service",
                "other.service.wants/pod-x.service -> ../pod-x.service",
                "x.service -> pod-x.service",
            ]
        );
    }

    #[test]
    fn a_template_is_started_as_its_default_instance() {
        let shown = |lines: &[(&str, &str)]| -> Vec<String> {
            let links = links("pod-x@.service", &install(lines)).unwrap();
            links
                .iter()
                .map(|link| format!("{} -> {}", link.path, link.target))
                .collect()
        };
        let wanted = ("WantedBy", "a.target");
        assert!(shown(&[wanted]).is_empty());
        assert_eq!(
            shown(&[wanted, ("DefaultInstance", "one"), ("Alias", "x@.service")]),
            [
                "a.target.wants/pod-x@one.service -> ../pod-x@.service",
                "x@.service -> pod-x@.service"
            ]
        );
        let of_instance = links("pod-x@one.service", &install(&[wanted, ("Alias", "x@.service")])).unwrap();
        let paths: Vec<&str> = of_instance.iter().map(|link| link.path.as_str()).collect();
        assert_eq!(paths, ["a.target.wants/pod-x@one.service", "x@one.service"]);
    }

    #[test]
    fn an_empty_assignment_forgets() {
        assert_eq!(
            paths(&[
                ("WantedBy", "a.target"),
                ("WantedBy", ""),
                ("WantedBy", "b.target")
            ]),
            ["b.target.wants/pod-x.service"]
        );
    }

    #[test]
    fn what_is_no_unit_name_is_refused() {
        for bad in [
            "multi-user",
            "../../etc/x.target",
            "a/b.target",
            "%i.target",
            "a.conf",
            "ä.target",
        ] {
            assert!(
                links("pod-x.service", &install(&[("WantedBy", bad)])).is_err(),
                "{bad}"
            );
        }
        assert!(links("pod-x.service", &install(&[("Alias", "x.target")])).is_err());
    }
}
