//! Keys of `[Unit]` that name units: a definition's name stands for its unit, as in Quadlet.

use super::directive::{Context, Order, Why, words_of};
use super::document::{Entry, Kind};
use super::section::short;
use super::{instance, resource};
use crate::diagnostic::{Problem, nearest};
use crate::model::{Directive, MemberName, PodName, ResourceName};
use crate::unitfile::write::unit_name_is_valid;

/// Keys of `[Unit]` whose values are names of units, which may be written as names of definitions.
const RELATIONS: [&str; 15] = [
    "After",
    "Before",
    "BindsTo",
    "Conflicts",
    "OnFailure",
    "OnSuccess",
    "PartOf",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "ReloadPropagatedFrom",
    "Requires",
    "Requisite",
    "StopPropagatedFrom",
    "Upholds",
    "Wants",
];

/// Whether the values of a key of `[Unit]` are names of units.
pub(super) fn is_relation(key: &str) -> bool {
    RELATIONS.contains(&key)
}

/// Turns names of definitions into names of units.
pub(super) fn read(
    entry: Entry,
    context: Context,
    orders: &mut Vec<Order>,
    problems: &mut Vec<Problem>,
) -> Directive {
    let mut units = Vec::new();
    for (word, place) in words_of(entry, problems) {
        match context.unit_of(&word) {
            Ok(unit) => {
                // A pod begins with its namespaces, which do not wait for its supervisor.
                let infra = context.infra_of(&word).filter(|_| entry.key() == "Before");
                match context.order(entry.key(), &unit) {
                    Ok(order) => orders.extend(order.map(|(first, then)| Order {
                        first,
                        then,
                        place,
                        why: Why::Written,
                    })),
                    Err((message, help)) => problems.push(Problem::error(place, message).help(help)),
                }
                units.push(unit);
                units.extend(infra);
            }
            Err((message, help)) => {
                let message = format!("{}={}: {message}", entry.key(), short(&word));
                problems.push(Problem {
                    help,
                    ..Problem::error(place, message)
                });
            }
        }
    }
    Directive::new(entry.key(), units.join(" "))
}

impl<'c> Context<'c> {
    /// The member of this name.
    fn own(self, name: &str) -> Option<&'c MemberName> {
        let at = self
            .members
            .binary_search_by(|member| member.as_str().cmp(name))
            .ok()?;
        self.members.get(at)
    }

    /// The unit of a container by the name of its file, of this pod or another. Of a template the name may be followed by
    /// an instance.
    fn unit_of_container(self, base: &str) -> Option<String> {
        let (name, instance) = match base.split_once('@') {
            Some((name, instance)) => (name, Some(instance)),
            None => (base, None),
        };
        let own_instance = self.pod.and_then(PodName::instance).unwrap_or_default();
        if let Some(member) = self.own(name)
            && instance.is_none_or(|instance| instance.is_empty() || instance == own_instance)
        {
            return Some(self.pod?.member_unit(member));
        }
        let pods = &self.known.containers;
        let pod = match (pods.get(base), instance::template(base)) {
            (Some(pod), _) => PodName::new(pod),
            // A member of every instance of its pod.
            (None, Some(template)) => PodName::new(format!("{}{}", pods.get(&template)?, instance?)),
            (None, None) => return None,
        };
        Some(pod.ok()?.member_unit(&MemberName::new(name).ok()?))
    }

    /// The name of a template's unit can stand where systemd knows which instance is meant: that of the unit itself.
    fn with_instance(self, word: &str, unit: String) -> Result<String, (String, Option<String>)> {
        if unit.ends_with("@.service") && !self.has_instance {
            let (name, kind) = word.rsplit_once('.').unwrap_or((word, ""));
            let help = format!(
                "name an instance of it: {}@INSTANCE.{kind}",
                instance::plain(name)
            );
            return Err(("this is a template".to_owned(), Some(help)));
        }
        Ok(unit)
    }

    /// The pod that a container without one is. Of a template the name may be followed by an instance.
    fn lone(self, base: &str) -> Option<PodName> {
        let is_lone = instance::is_in(base, |base| self.known.lone.contains(base));
        PodName::new(base)
            .ok()
            .filter(|_| is_lone && self.own(base).is_none())
    }

    /// The unit that owns the namespaces of the pod that a word names.
    fn infra_of(self, word: &str) -> Option<String> {
        let (kind, base) = Kind::of(word)?;
        let base = instance::named(base);
        let pod = match kind {
            Kind::Pod => PodName::new(base).ok(),
            Kind::Container => self.lone(&base),
            _ => None,
        };
        pod.map(|pod| pod.infra_unit())
    }

    /// The unit that a word names, or what is wrong with it and what to do.
    fn unit_of(self, word: &str) -> Result<String, (String, Option<String>)> {
        if let (Some(pod), Some(member)) = (self.pod, self.own(word)) {
            return Ok(pod.member_unit(member));
        }
        let meant = |near: Option<&str>, suffix| near.map(|near| format!("did you mean {near}{suffix}?"));
        let members = || self.members.iter().map(MemberName::as_str);
        if let Some(base) = word.strip_suffix(".container") {
            let base = instance::named(base);
            if let Some(pod) = self.lone(&base) {
                return self.with_instance(word, pod.unit());
            }
            if let Some(unit) = self.unit_of_container(&base) {
                return self.with_instance(word, unit);
            }
            let known = self.known.containers.keys().chain(&self.known.lone);
            let known = known.map(String::as_str);
            let near = nearest::nearest(&base, members().chain(known));
            let help = meant(near, ".container").unwrap_or_else(|| {
                "a member of another pod is named by its unit, pod-POD-NAME.service".to_owned()
            });
            return Err(("there is no such container".to_owned(), Some(help)));
        }
        if let Some(base) = word.strip_suffix(".pod") {
            let base = instance::named(base);
            let is_known = instance::is_in(&base, |base| self.known.pods.contains(base));
            let pod = PodName::new(&*base).ok().filter(|_| is_known);
            let near = || nearest::nearest(&base, self.known.pods.iter().map(String::as_str));
            return match pod {
                Some(pod) => self.with_instance(word, pod.unit()),
                None => Err(("there is no such pod".to_owned(), meant(near(), ".pod"))),
            };
        }
        if let Some((kind, base)) = Kind::of(word) {
            return self.with_instance(word, self.resource_unit(kind, &instance::named(base))?);
        }
        // systemd expands specifiers in names itself.
        if unit_name_is_valid(word) || word.contains('%') && unit_name_is_valid(&word.replace('%', "")) {
            return Ok(word.to_owned());
        }
        let help = meant(nearest::nearest(word, members()), "").unwrap_or_else(|| {
            "write a member of this pod, or a unit such as network-online.target".to_owned()
        });
        Err((
            "this is neither a member of this pod nor the name of a unit".to_owned(),
            Some(help),
        ))
    }

    /// The unit of a definition that is neither pod nor container.
    fn resource_unit(self, kind: Kind, base: &str) -> Result<String, (String, Option<String>)> {
        let names: Vec<&str> = match kind {
            Kind::Volume => self.known.volumes.keys().map(String::as_str).collect(),
            Kind::Image => self.known.images.keys().map(String::as_str).collect(),
            Kind::Network => self.known.networks.keys().map(String::as_str).collect(),
            _ => {
                let message = format!("podunit makes no units of files {}", kind.suffix());
                let help = "remove it, or name the unit that does the same here".to_owned();
                return Err((message, Some(help)));
            }
        };
        let owner = ResourceName::new(base)
            .ok()
            .filter(|_| instance::is_in(base, |base| names.contains(&base)))
            .and_then(|name| resource::owner_of(kind, name));
        owner.map(|owner| owner.unit()).ok_or_else(|| {
            let suffix = kind.suffix();
            let help = match nearest::nearest(base, names) {
                Some(near) => format!("did you mean {near}{suffix}?"),
                None => format!(
                    "write a file {}{suffix} with a section [{}]",
                    short(base),
                    kind.section()
                ),
            };
            ("there is no such file".to_owned(), Some(help))
        })
    }

    /// What `After=` and `Before=` mean within the pod: `(first, then)` of two members, or an order that would wait
    /// for itself.
    fn order(self, key: &str, unit: &str) -> Result<Option<(String, String)>, (String, &'static str)> {
        if !["After", "Before"].contains(&key) {
            return Ok(None);
        }
        let Some(pod) = self.pod else { return Ok(None) };
        let other = pod.part_of(unit).and_then(|part| self.own(part));
        let is_pod = unit == pod.unit();
        let is_infra = unit == pod.infra_unit();
        match (self.member, other) {
            (None, Some(_)) => Err((
                format!(
                    "{key}={unit}: the pod would wait for its own member; it is ready when all members are"
                ),
                "remove it; write After= in [Unit NAME] for an order among members",
            )),
            (None, None) if is_pod || is_infra => Err((
                format!("{key}={unit}: the pod would wait for itself"),
                "remove it",
            )),
            (Some(_), None) if is_pod => Err((
                format!("{key}={unit}: the member would wait for its own pod, which waits for its members"),
                "remove it; members start after the namespaces of the pod anyway",
            )),
            (Some(_), None) if is_infra && key == "Before" => Err((
                format!("{key}={unit}: members start after the namespaces of the pod"),
                "remove it",
            )),
            (Some(own), Some(other)) => {
                let (own, other) = (own.to_string(), other.to_string());
                Ok(Some(if key == "After" {
                    (other, own)
                } else {
                    (own, other)
                }))
            }
            _ => Ok(None),
        }
    }
}
