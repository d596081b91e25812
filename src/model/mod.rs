//! The resolved, validated pod: plain data that can be written as JSON and read again. No I/O.
//!
//! What [`crate::definition`] makes, [`crate::generate`] turns into units and stores beside them as the
//! *compiled pod* (`pod-X.json`); everything of a running pod reads that file, never the definition.

pub mod container;
pub mod digest;
pub mod duration;
pub mod fate;
pub mod image;
pub mod image_definition;
pub mod linux;
pub mod name;
pub mod network;
pub mod owner;
pub mod paths;
pub mod platform;
pub mod pod;
pub mod port;
pub mod probe;
pub mod process;
pub mod reference;
pub mod request;
pub mod settings;
pub mod signal;
pub mod subnet;
pub mod volume;

pub use container::{
    AutoUpdate, Bind, Container, ContainerKind, Devpts, EnvironmentFile, Escalation, ImageSource, Ready,
    Tmpfs,
};
pub use digest::{Digest, DigestError};
pub use fate::Fate;
pub use image::{ImageConfig, UnpackedImage};
pub use image_definition::ImageDefinition;
pub use linux::{Device, LinuxSettings};
pub use name::{MemberName, PodName, ResourceName};
pub use network::{
    Attachment, Driver, HostAddress, HostEntry, Mac, MacError, NETWORK_SCHEMA_VERSION, Network, Pool,
    Resolver, Route, SharedNetwork,
};
pub use owner::Owner;
pub use paths::Paths;
pub use platform::Platform;
pub use pod::{Directive, ExitPolicy, FailurePolicy, OLDEST_SCHEMA, Passthrough, Pod, SCHEMA_VERSION, Share};
pub use port::{PortMapping, Protocol};
pub use probe::{Check, OnFailure, Probe, ProbeKind, Probes};
pub use process::{ProcessSettings, Ulimit};
pub use reference::{Reference, ReferenceError, reference_key};
pub use request::{PullPolicy, Request};
pub use settings::Settings;
pub use signal::{Signal, SignalMap};
pub use subnet::{Subnet, SubnetError};
pub use volume::{Volume, VolumeMount, VolumeSource};

/// Whether a value says nothing, and need not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
