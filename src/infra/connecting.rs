//! What makes members wait for the pod's network: a lock that infra holds until the pod is connected.

use super::InfraError;
use super::folder::make;
use crate::model::{Paths, PodName};
use crate::sys::file::lock;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Members wait, until this says that the pod is connected or is gone: with the process, however that ends.
#[derive(Debug)]
pub struct Connecting {
    path: PathBuf,
    file: File,
}

/// Makes members wait from now on.
///
/// # Errors
/// The file cannot be made.
pub fn begin_connecting(paths: &Paths, name: &PodName) -> Result<Connecting, InfraError> {
    let path = paths.pod(name).connected();
    let locked = lock(&path).and_then(|file| file.set_len(0).map(|()| file));
    let file = make("the lock that members wait for", &path, locked)?;
    Ok(Connecting { path, file })
}

impl Connecting {
    /// The pod is connected: lets the members go.
    ///
    /// # Errors
    /// The file cannot be written, or not be unlocked; members take that for a failure.
    pub fn done(&mut self) -> Result<(), InfraError> {
        let told = self.file.write_all(b"1\n").and_then(|()| self.file.unlock());
        make("the word that members wait for", &self.path, told)
    }
}
