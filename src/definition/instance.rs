//! What an `@` in a name means: `foo@` is a template, `foo@x` its instance `x`.

use super::document::Definition;
use super::section::Settings;
use crate::diagnostic::Problem;
use crate::unitfile::write::unit_name_is_valid;

/// A name without its instance.
pub(super) fn plain(base: &str) -> &str {
    base.split_once('@').map_or(base, |(name, _)| name)
}

/// The template of an instance.
pub(super) fn template(base: &str) -> Option<String> {
    let (name, instance) = base.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{name}@"))
}

/// The name that a file has for another: `foo@%i`, which is of its own instance, is that of the template.
pub(super) fn named(base: &str) -> String {
    base.replace("@%i", "@")
}

/// Whether one of this name is known, or the template of which it is an instance.
pub(super) fn is_in(base: &str, is_known: impl Fn(&str) -> bool) -> bool {
    is_known(base) || template(base).is_some_and(|template| is_known(&template))
}

/// The pod that a container's file means by `Pod=NAMED.pod`: a template's container by the name of the pod's template,
/// an instance's by that of its instance. Or why it cannot be, and what to write.
pub(super) fn pod_of(file: &Definition, named: &str) -> Result<String, (&'static str, String)> {
    let own = file.base.split_once('@').map(|(_, instance)| instance);
    let Some((pod, instance)) = named.split_once('@') else {
        return match own {
            None => Ok(named.to_owned()),
            Some(_) => Err((
                "this container is a template or an instance, and that pod is neither",
                format!("call the pod {named}@.pod and write so here, or name this file without `@`"),
            )),
        };
    };
    match (own, instance) {
        (None | Some(""), "" | "%i") => Ok(format!("{pod}@")),
        (Some(own), "" | "%i") => Ok(format!("{pod}@{own}")),
        (None, _) => Ok(named.to_owned()),
        (Some(own), instance) if own == instance => Ok(named.to_owned()),
        (Some(_), _) => Err((
            "the pod is of another instance than this container",
            format!("write Pod={pod}@.pod, which is the pod of the same instance"),
        )),
    }
}

/// `ServiceName=`: another name for the unit. Of a template it may have the `@` that the alias gets anyway.
pub(super) fn service_name(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.value("ServiceName", problems)?;
    let name = value.text.strip_suffix('@').unwrap_or(&value.text);
    if name.ends_with(".service") || name.contains('@') || !unit_name_is_valid(&format!("{name}.service")) {
        let problem = value.error("this is not the name of a unit without its `.service`");
        problems.push(problem.help("write letters, digits, `:`, `-`, `_` and `.`, such as ServiceName=web"));
    }
    Some(value.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::document::Kind;

    fn named(base: &str, pod: &str) -> Option<String> {
        let file = Definition {
            kind: Kind::Container,
            base: base.to_owned(),
            path: "/a".into(),
            files: Vec::new(),
            documents: Vec::new(),
            problems: Vec::new(),
        };
        pod_of(&file, pod).ok()
    }

    #[test]
    fn a_container_is_in_the_pod_of_its_instance() {
        for (container, pod, meant) in [
            ("app", "web", Some("web")),
            ("app@", "web@", Some("web@")),
            ("app@", "web@%i", Some("web@")),
            ("app@x", "web@", Some("web@x")),
            ("app@x", "web@%i", Some("web@x")),
            ("app@x", "web@x", Some("web@x")),
            ("app", "web@", Some("web@")),
            ("app", "web@x", Some("web@x")),
            ("app@x", "web@y", None),
            ("app@", "web@y", None),
            ("app@", "web", None),
        ] {
            assert_eq!(named(container, pod).as_deref(), meant, "{container} {pod}");
        }
        assert_eq!(
            (plain("a-b@c"), template("a-b@c")),
            ("a-b", Some("a-b@".to_owned()))
        );
        assert_eq!((plain("a"), template("a"), template("a@")), ("a", None, None));
    }
}
