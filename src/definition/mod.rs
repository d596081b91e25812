//! Definitions (`*.pod`, `*.container` and their drop-ins) → [`Pod`]s.
//!
//! [`read`] is the one way in. A definition with any error gives no pod but a [`Broken`], and never harms another.

use crate::diagnostic::{Problem, Source};
use crate::model::{Directive, Paths, Pod, PodName};
use std::path::PathBuf;

/// Everything that the definitions of a host say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Definitions {
    /// Pods that are whole and valid, sorted by name. No two of them have a unit of the same name.
    pub pods: Vec<Pod>,
    /// Pods that cannot be made, sorted by name.
    pub broken: Vec<Broken>,
    /// All problems, warnings too, in order of file and place.
    pub problems: Vec<Problem>,
    /// The texts that problems point into.
    pub sources: Vec<Source>,
}

/// A pod whose definition has an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Name of the pod, from the file name.
    pub name: PodName,
    /// The definition, under the root of the running system.
    pub source: PathBuf,
    /// Its `[Install]` section as far as it could be read: what would start the pod.
    pub install: Vec<Directive>,
}

/// Reads all definitions under the root of `paths`.
pub fn read(_paths: &Paths) -> Definitions {
    Definitions::default()
}
