//! The resolved, validated pod: plain data that can be written as JSON and read again. No I/O.
//!
//! What [`crate::definition`] makes, [`crate::generate`] turns into units and stores beside them as the
//! *compiled pod* (`pod-X.json`); everything of a running pod reads that file, never the definition.

pub mod container;
pub mod digest;
pub mod duration;
pub mod fate;
pub mod image;
pub mod linux;
pub mod name;
pub mod network;
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

pub use container::{
    AutoUpdate, Bind, Container, ContainerKind, Devpts, EnvironmentFile, Escalation, ImageSource, Ready,
    Tmpfs,
};
pub use digest::{Digest, DigestError};
pub use fate::Fate;
pub use image::{ImageConfig, UnpackedImage};
pub use linux::{Device, LinuxSettings};
pub use name::{MemberName, PodName};
pub use network::{HostAddress, HostEntry, Network, Resolver};
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

/// Whether a value says nothing, and need not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
