//! Keys of sections of Quadlet's that are refused as a whole, for the manual: their files are an error each.

use super::keys::{Key, Rule, Status};

const BUILD_WHY: &str = "podunit builds no images; build it elsewhere, and write Image= with its name";
const ARTIFACT_WHY: &str = "podunit fetches images only; put the files into one, or on the host";
const KUBE_WHY: &str = "podunit reads no Kubernetes files; write the pod as NAME.pod";

const fn refused(name: &'static str, doc: &'static str, why: &'static str) -> Key {
    Key {
        name,
        rule: Rule::Single,
        doc,
        status: Status::Unsupported(why),
    }
}

/// Makes the table of a section from its keys.
macro_rules! table {
    ($why:expr, $($name:literal: $doc:literal,)+) => { &[$(refused($name, $doc, $why)),+] };
}

/// Keys of `[Artifact]`.
#[rustfmt::skip]
pub(super) const ARTIFACT: &[Key] = table!(ARTIFACT_WHY,
    "Artifact": "The artifact", "AuthFile": "Credentials", "CertDir": "Certificates",
    "ContainersConfModule": "Modules of containers.conf", "Creds": "Credentials", "DecryptionKey": "Key",
    "GlobalArgs": "Arguments to podman", "PodmanArgs": "Arguments to podman", "Quiet": "Less output",
    "Retry": "Attempts", "RetryDelay": "Pause", "ServiceName": "Name of the unit", "TLSVerify": "Certificates",
);

/// Keys of `[Build]`.
#[rustfmt::skip]
pub(super) const BUILD: &[Key] = table!(BUILD_WHY,
    "Annotation": "Annotations", "Arch": "Processor", "AuthFile": "Credentials", "BuildArg": "Arguments",
    "ContainersConfModule": "Modules of containers.conf", "DNS": "Name servers", "DNSOption": "Resolver",
    "DNSSearch": "Search domains", "Environment": "Environment", "File": "Containerfile", "ForceRM": "Cleaning up",
    "GlobalArgs": "Arguments to podman", "GroupAdd": "Groups", "IgnoreFile": "What is left out",
    "ImageTag": "Name of the image", "Label": "Labels", "Network": "Network", "PodmanArgs": "Arguments to podman",
    "Pull": "When images are pulled", "Retry": "Attempts", "RetryDelay": "Pause", "Secret": "Secrets",
    "ServiceName": "Name of the unit", "SetWorkingDirectory": "Context", "TLSVerify": "Certificates",
    "Target": "Stage", "Variant": "Variant of the processor", "Volume": "Mounts",
);

/// Keys of `[Kube]`.
#[rustfmt::skip]
pub(super) const KUBE: &[Key] = table!(KUBE_WHY,
    "AutoUpdate": "Updates", "ConfigMap": "ConfigMaps", "ContainersConfModule": "Modules of containers.conf",
    "ExitCodePropagation": "Exit status of the unit", "GlobalArgs": "Arguments to podman",
    "KubeDownForce": "Removal of volumes", "LogDriver": "Where output goes", "LogOpt": "Where output goes",
    "Network": "Network", "PodmanArgs": "Arguments to podman", "PublishPort": "Ports", "RemapGid": "Map of group IDs",
    "RemapUid": "Map of user IDs", "RemapUidSize": "Size of the user namespace", "RemapUsers": "User namespace",
    "ServiceName": "Name of the unit", "SetWorkingDirectory": "Working directory", "UserNS": "User namespace",
    "Yaml": "Kubernetes files",
);
