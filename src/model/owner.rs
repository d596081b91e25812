//! Whose units they are.

use super::{PodName, ResourceName};
use std::fmt;

/// A definition that has units: a pod, or one of the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// `X.pod`, or `X.container` of its own: `pod-X.service` and others.
    Pod(PodName),
    /// `x.volume`: `x-volume.service`.
    Volume(ResourceName),
    /// `x.network`: `x-network.service`.
    Network(ResourceName),
    /// `x.image`: `x-image.service`.
    Image(ResourceName),
    /// `x.build`: `x-build.service`.
    Build(ResourceName),
    /// `x.artifact`: `x-artifact.service`.
    Artifact(ResourceName),
    /// `x.kube`: `x.service`.
    Kube(ResourceName),
}

impl Owner {
    /// The unit that a user starts. All but a pod's have the names that Quadlet gives them.
    pub fn unit(&self) -> String {
        match self {
            Self::Pod(name) => name.unit(),
            Self::Kube(name) => format!("{name}.service"),
            _ => match self.name().split_once('@') {
                // At the end, where systemd looks for the instance.
                Some((name, instance)) => format!("{name}-{}@{instance}.service", self.kind()),
                None => format!("{}-{}.service", self.name(), self.kind()),
            },
        }
    }

    /// The file name of what the definition says, which stands beside the units.
    pub fn compiled_file(&self) -> String {
        format!("{}-{}.json", self.kind(), self.name())
    }

    /// The file name of its drop-in for a unit that fetches an image which it asks for.
    pub fn drop_in_file(&self) -> String {
        format!("{}-{}.conf", self.kind(), self.name())
    }

    /// What kind of definition it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pod(_) => "pod",
            Self::Volume(_) => "volume",
            Self::Network(_) => "network",
            Self::Image(_) => "image",
            Self::Build(_) => "build",
            Self::Artifact(_) => "artifact",
            Self::Kube(_) => "kube",
        }
    }

    /// The name of the definition.
    pub fn name(&self) -> &str {
        match self {
            Self::Pod(name) => name.as_str(),
            Self::Volume(name)
            | Self::Network(name)
            | Self::Image(name)
            | Self::Build(name)
            | Self::Artifact(name)
            | Self::Kube(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_the_names_of_quadlet() {
        let name = || ResourceName::new("x").unwrap();
        let pod = Owner::Pod(PodName::new("x").unwrap());
        assert_eq!(
            (pod.unit(), pod.compiled_file(), pod.to_string()),
            ("pod-x.service".into(), "pod-x.json".into(), "pod x".into())
        );
        let volume = Owner::Volume(name());
        assert_eq!(
            (volume.unit(), volume.compiled_file()),
            ("x-volume.service".into(), "volume-x.json".into())
        );
        assert_eq!(Owner::Kube(name()).unit(), "x.service");
        let instance = Owner::Volume(ResourceName::new("x@a").unwrap());
        assert_eq!(
            (instance.unit(), instance.compiled_file()),
            ("x-volume@a.service".into(), "volume-x@a.json".into())
        );
    }
}
