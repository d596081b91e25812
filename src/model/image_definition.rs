//! An image that is pulled for whoever refers to it.

use super::{Owner, Passthrough, Request, ResourceName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `x.image` defines: the compiled form, `image-x.json`. Strings hold `%` specifiers unexpanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageDefinition {
    /// [`super::SCHEMA_VERSION`].
    pub version: u32,
    /// Name of the definition.
    pub name: ResourceName,
    /// The definition, under the root of the running system.
    pub source: PathBuf,
    /// What is pulled, and how.
    pub request: Request,
    /// `[Unit]`, `[Service]` and `[Install]`.
    pub units: Passthrough,
}

impl ImageDefinition {
    /// Whose units they are.
    pub fn owner(&self) -> Owner {
        Owner::Image(self.name.clone())
    }
}
