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
    /// The name begins with a dot or a dash, so that paths or options could be confused with it.
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
    if matches!(first, '.' | '-') {
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
    // A slice name holds `\x2d` for each dash.
    if "pods-.slice".len() + name.len() + 3 * name.matches('-').count() > UNIT_NAME_MAX {
        return Err(NameError::TooLong);
    }
    Ok(())
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

impl PodName {
    /// The supervisor's unit, `pod-X.service`: what a user starts and stops.
    pub fn unit(&self) -> String {
        ["pod-", &self.0, ".service"].concat()
    }

    /// The unit that owns the pod's namespaces, `pod-X-infra.service`.
    pub fn infra_unit(&self) -> String {
        ["pod-", &self.0, "-infra.service"].concat()
    }

    /// The unit of a member, `pod-X-a.service`.
    pub fn member_unit(&self, member: &MemberName) -> String {
        ["pod-", &self.0, "-", &member.0, ".service"].concat()
    }

    /// The service in which a check of a member's probe runs, if it needs a process. No member can have its name.
    pub fn probe_unit(&self, member: &MemberName, probe: super::ProbeKind) -> String {
        format!("pod-{self}-{member}@{}.service", probe.word())
    }

    /// The slice of infra and members, `pods-X.slice`: dashes are escaped, since a dash in the name of a
    /// slice makes a level of its own (systemd.slice(5)).
    pub fn slice(&self) -> String {
        ["pods-", &self.0.replace('-', "\\x2d"), ".slice"].concat()
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

    /// The file name of the pod's drop-in for a unit that fetches an image which the pod asks for, `pod-X.conf`.
    pub fn drop_in_file(&self) -> String {
        format!("pod-{self}.conf")
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
