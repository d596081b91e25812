//! Requests for images, as they are meant on this machine.

use crate::model::{Paths, Request};
use crate::systemd::specifiers::Specifiers;
use crate::unitfile::specifier;
use anyhow::Context;
use std::path::PathBuf;

/// The request with its `%` specifiers expanded, those of `unit`.
///
/// # Errors
/// A specifier that stands for nothing here; a path that is none then.
pub(super) fn expand(request: &Request, unit: &str, paths: &Paths) -> anyhow::Result<Request> {
    let specifiers = Specifiers::new(unit, paths);
    let expand = |key: &str, text: &str| {
        specifier::expand(text, &|c| specifiers.value(c)).with_context(|| format!("{key}={text}"))
    };
    let path = |key: &str, path: &Option<PathBuf>| -> anyhow::Result<Option<PathBuf>> {
        let Some(path) = path else { return Ok(None) };
        let expanded = expand(key, &path.to_string_lossy())?;
        anyhow::ensure!(
            expanded.starts_with('/') && !expanded.split('/').any(|part| part == ".."),
            "{key}={}: `{expanded}` is not an absolute path without `..`",
            path.display()
        );
        Ok(Some(PathBuf::from(expanded)))
    };
    Ok(Request {
        reference: expand("Image", &request.reference)?,
        auth_file: path("AuthFile", &request.auth_file)?,
        cert_dir: path("CertDir", &request.cert_dir)?,
        ..request.clone()
    })
}
