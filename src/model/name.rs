//! Names of pods and members, and the names of units derived from them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a derived unit, in bytes; systemd's own limit is 255 (`UNIT_NAME_MAX`).
pub const UNIT_NAME_MAX: usize = 200;

/// Names that podunit uses itself under `/run/podunit`.
const RESERVED_POD_NAMES: [&str; 1] = ["definitions"];

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a name cannot be empty")]
    Empty,
    /// The name holds a character that systemd does not allow in a unit name (systemd.unit(5)).
    #[error("`{0}` is not allowed in a name: use letters, digits and `:` `-` `_` `.` `@`")]
    Character(char),
    /// The name begins with a dot or a dash, so that paths or options could be confused with it, or with an `@`, before
    /// which a template has its name.
    #[error("a name cannot begin with `{0}`")]
    First(char),
    /// The units derived from the name would have names that are too long.
    #[error("the name is too long: its units would have names of more than {UNIT_NAME_MAX} bytes")]
    TooLong,
    /// The name is used by podunit itself.
    #[error("the name `{0}` is reserved")]
    Reserved(String),
}

fn check(name: &str, reserved: &[&str]) -> Result<(), NameError> {
    let first = name.chars().next().ok_or(NameError::Empty)?;
    if matches!(first, '.' | '-' | '@') {
        return Err(NameError::First(first));
    }
    if let Some(bad) = name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !":-_.@".contains(*c))
    {
        return Err(NameError::Character(bad));
    }
    if reserved.contains(&name) {
        return Err(NameError::Reserved(name.to_owned()));
    }
    // A slice name holds `\x2d` for each dash, and more for an instance.
    if "pods--.slice".len() + name.len() + 3 * name.matches(['-', '@']).count() > UNIT_NAME_MAX {
        return Err(NameError::TooLong);
    }
    Ok(())
}

/// A name as one level of a slice's.
fn in_slice(name: &str) -> String {
    name.replace('-', "\\x2d").replace('@', "\\x40")
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `name` and wraps it.
            ///
            /// # Errors
            /// Says why the name cannot be used.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                check(&name, &$reserved)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name_type!(
    /// The name of a pod, such as `my-shared-pod`.
    PodName,
    RESERVED_POD_NAMES
);
name_type!(
    /// The name of a member container within its pod, such as `nginx-server`.
    MemberName,
    ["infra"]
);
name_type!(
    /// The name of a definition that is neither pod nor container, such as `data` for `data.volume`.
    ResourceName,
    []
);

impl ResourceName {
    /// The name of the default bridge for netavark, part of the names of firewall chains. No definition of a network
    /// can have it.
    pub fn of_default_network() -> Self {
        Self("podunit".to_owned())
    }

    /// The template of an instance.
    pub fn template(&self) -> Option<Self> {
        let (name, instance) = self.0.split_once('@')?;
        (!instance.is_empty()).then(|| Self(format!("{name}@")))
    }

    /// How its unit names it: where a template's does, systemd fills in the instance.
    pub fn in_units(&self) -> String {
        match self.0.ends_with('@') {
            true => format!("{self}%i"),
            false => self.0.clone(),
        }
    }
}

impl PodName {
    /// The name up to an `@`, and what follows it: the instance, empty for a template.
    pub(super) fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (&self.0, None),
        }
    }

    /// Whether it is a template, `foo@`, from which instances are made, `foo@x`.
    pub fn is_template(&self) -> bool {
        self.parts().1 == Some("")
    }

    /// The instance, of a pod that is one.
    pub fn instance(&self) -> Option<&str> {
        self.parts().1.filter(|instance| !instance.is_empty())
    }

    /// The template of an instance.
    pub fn template(&self) -> Option<Self> {
        self.instance()?;
        Some(Self(format!("{}@", self.parts().0)))
    }

    /// How units of the pod name it: where a template's do, systemd fills in the instance.
    pub fn in_units(&self) -> String {
        match self.is_template() {
            true => format!("{self}%i"),
            false => self.0.clone(),
        }
    }

    /// `pod-X` and what follows, with the instance at the end, where systemd looks for it.
    fn service(&self, dash: &str, part: &str) -> String {
        match self.parts() {
            (name, None) => ["pod-", name, dash, part, ".service"].concat(),
            (name, Some(instance)) => ["pod-", name, dash, part, "@", instance, ".service"].concat(),
        }
    }

    /// The supervisor's unit, `pod-X.service`: what a user starts and stops.
    pub fn unit(&self) -> String {
        self.service("", "")
    }

    /// The unit that owns the pod's namespaces, `pod-X-infra.service`.
    pub fn infra_unit(&self) -> String {
        self.service("-", "infra")
    }

    /// The unit of a member, `pod-X-a.service`.
    pub fn member_unit(&self, member: &MemberName) -> String {
        self.service("-", &member.0)
    }

    /// What stands in the place of a member's name in the name of a unit of the pod; `None` for a unit of another.
    pub fn part_of<'u>(&self, unit: &'u str) -> Option<&'u str> {
        let (name, instance) = self.parts();
        let rest = unit.strip_suffix(".service")?.strip_prefix("pod-")?;
        let rest = rest.strip_prefix(name)?.strip_prefix('-')?;
        match instance {
            None => Some(rest).filter(|rest| !rest.contains('@')),
            Some(instance) => rest
                .split_once('@')
                .filter(|(_, of)| *of == instance)
                .map(|(part, _)| part),
        }
    }

    /// The service in which a check of a member's probe runs, if it needs a process. The escaped `@` is in no name, so
    /// that neither a member nor an instance of one is called so.
    pub fn probe_unit(&self, member: &MemberName, probe: super::ProbeKind) -> String {
        self.service("-", &[&member.0, "\\x40", probe.word()].concat())
    }

    /// The slice of infra and members, `pods-X.slice`: dashes are escaped, since a dash in the name of a
    /// slice makes a level of its own (systemd.slice(5)). The slices of all instances are in that of their template.
    pub fn slice(&self) -> String {
        let (name, instance) = self.parts();
        match instance {
            None => ["pods-", &name.replace('-', "\\x2d"), ".slice"].concat(),
            Some("") => format!("pods-{}\\x40.slice", in_slice(name)),
            Some(instance) => format!("pods-{}\\x40-{}.slice", in_slice(name), in_slice(instance)),
        }
    }

    /// How units of the pod name their slice: where a template's do, systemd fills in the instance.
    pub fn slice_in_units(&self) -> String {
        match self.is_template() {
            true => format!("pods-{}\\x40-%i.slice", in_slice(self.parts().0)),
            false => self.slice(),
        }
    }

    /// The slice that the slices of all instances of a template are in.
    pub fn slice_of_all(&self) -> Option<String> {
        let (name, instance) = self.parts();
        instance.map(|_| format!("pods-{}\\x40.slice", in_slice(name)))
    }

    /// The folder of drop-ins that hold what the pod's slice is to be: for a template, that of all slices whose names
    /// begin as those of its instances do.
    pub fn slice_drop_ins(&self) -> String {
        match self.is_template() {
            true => format!("pods-{}\\x40-.slice.d", in_slice(self.parts().0)),
            false => format!("{}.d", self.slice()),
        }
    }

    /// The cgroup of its slice, from the root.
    pub fn slice_cgroup(&self) -> String {
        match self.slice_of_all() {
            Some(all) => format!("pods.slice/{all}/{}", self.slice()),
            None => format!("pods.slice/{}", self.slice()),
        }
    }

    /// Whether systemd, which fills the instance in as it is, gives it the slice that it is to have. Slices know no
    /// `@`, and a dash would put it into the slice of another instance.
    pub fn needs_own_units(&self) -> bool {
        self.instance()
            .is_some_and(|instance| instance.contains(['-', '@']))
    }

    /// The container of a member, for the OCI runtime: in the characters that runtimes allow. `+` is in no name, so that
    /// two members never have one container.
    pub fn container_id(&self, member: &MemberName) -> String {
        let escaped = member.as_str().replace(':', "+3a").replace('@', "+40");
        format!("{}{escaped}", self.container_prefix())
    }

    /// What the IDs of all containers of the pod begin with, and no other pod's.
    pub fn container_prefix(&self) -> String {
        format!("{}++", self.0.replace(':', "+3a").replace('@', "+40"))
    }

    /// The file name of the compiled pod, `pod-X.json`, which stands beside the units.
    pub fn compiled_file(&self) -> String {
        format!("pod-{self}.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_units() {
        let pod = PodName::new("my-shared-pod").unwrap();
        let member = MemberName::new("nginx-server").unwrap();
        assert_eq!(pod.unit(), "pod-my-shared-pod.service");
        assert_eq!(pod.member_unit(&member), "pod-my-shared-pod-nginx-server.service");
        assert_eq!(pod.slice(), "pods-my\\x2dshared\\x2dpod.slice");
    }

    #[test]
    fn units_of_a_template_and_of_its_instances() {
        let name = |name: &str| PodName::new(name).unwrap();
        let (template, instance, member) =
            (name("my-pod@"), name("my-pod@a-b"), MemberName::new("a").unwrap());
        assert!(template.is_template() && template.instance().is_none() && !instance.is_template());
        assert_eq!(instance.template(), Some(template.clone()));
        assert_eq!(instance.instance(), Some("a-b"));
        assert_eq!(template.unit(), "pod-my-pod@.service");
        assert_eq!(instance.unit(), "pod-my-pod@a-b.service");
        assert_eq!(instance.infra_unit(), "pod-my-pod-infra@a-b.service");
        assert_eq!(template.member_unit(&member), "pod-my-pod-a@.service");
        assert_eq!(instance.part_of("pod-my-pod-a@a-b.service"), Some("a"));
        for other in [
            "pod-my-pod-a@b.service",
            "pod-my-pod-a.service",
            "pod-my-pod@a-b.service",
        ] {
            assert_eq!(instance.part_of(other), None);
        }
        assert_eq!(name("my-pod").part_of("pod-my-pod-a-b.service"), Some("a-b"));
        assert_eq!(name("my-pod").part_of("pod-my-pod-a@b.service"), None);
        assert_eq!(
            (template.in_units(), instance.in_units()),
            ("my-pod@%i".to_owned(), "my-pod@a-b".to_owned())
        );
        assert_eq!(template.slice_in_units(), "pods-my\\x2dpod\\x40-%i.slice");
        assert_eq!(template.slice_drop_ins(), "pods-my\\x2dpod\\x40-.slice.d");
        assert_eq!(name("my-pod@a").slice(), "pods-my\\x2dpod\\x40-a.slice");
        assert_eq!(instance.slice_in_units(), "pods-my\\x2dpod\\x40-a\\x2db.slice");
        assert_eq!(
            instance.slice_cgroup(),
            "pods.slice/pods-my\\x2dpod\\x40.slice/pods-my\\x2dpod\\x40-a\\x2db.slice"
        );
        assert!(instance.needs_own_units() && name("x@a@b").needs_own_units());
        assert!(!name("my-pod@a").needs_own_units() && !name("my-pod").needs_own_units());
    }

    #[test]
    fn names_of_templates_that_are_no_pods() {
        let name = |name: &str| ResourceName::new(name).unwrap();
        assert_eq!(name("data@x").template(), Some(name("data@")));
        assert_eq!((name("data@").template(), name("data").template()), (None, None));
        assert_eq!(
            [name("data@").in_units(), name("data@x").in_units()],
            ["data@%i", "data@x"]
        );
    }

    #[test]
    fn every_member_has_a_container_of_its_own() {
        let id = |pod: &str, member: &str| {
            let member = MemberName::new(member).unwrap();
            PodName::new(pod).unwrap().container_id(&member)
        };
        assert_eq!(id("my-pod", "a_b.c-d"), "my-pod++a_b.c-d");
        assert_eq!(id("a@1", "b:2"), "a+401++b+3a2");
        assert_ne!(id("a", "3ab:x"), id("a:b", "3ax"));
    }

    #[test]
    fn names_that_could_be_paths_or_options_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "-x",
            "@x",
            "a/b",
            "a b",
            "a%b",
            "a\n",
            "ä",
            "a\\x2d",
            "definitions",
        ] {
            assert!(PodName::new(bad).is_err(), "{bad:?}");
        }
        assert!(MemberName::new("infra").is_err());
        assert!(PodName::new("x".repeat(400)).is_err());
    }
}
