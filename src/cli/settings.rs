//! The host's settings.

use crate::model::{Paths, Settings};
use anyhow::Context;
use std::io;

/// Reads `podunit.conf`; the defaults if there is none.
///
/// # Errors
/// It cannot be read, or says what cannot be.
pub(super) fn read(paths: &Paths) -> anyhow::Result<Settings> {
    for file in paths.settings_files() {
        match std::fs::read_to_string(&file) {
            Ok(text) => return Settings::parse(&text).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{}: cannot read it", file.display())),
        }
    }
    Ok(Settings::default())
}
