//! A broken definition → a unit that says so. Without it, `systemctl start pod-X` would answer "Unit not found" and
//! hide why.

use super::{GenerateError, PODUNIT, UnitFile, UnitSet, begin, install};
use crate::model::{Directive, PodName};
use std::path::Path;

/// The one unit of a pod whose definition at `source` has an error: it prints what is wrong to the journal and
/// fails. `wanted_by` is the definition's `[Install]`, as far as it could be read; links that cannot be made are
/// left out, since the error is shown anyway.
///
/// # Errors
/// The path of the definition cannot be in a unit file.
pub fn of(name: &PodName, source: &Path, wanted_by: &[Directive]) -> Result<UnitSet, GenerateError> {
    let mut unit = begin(&format!("Pod {name} (its definition has errors)"), source);
    unit.section("Service").token("Type", "oneshot");
    unit.exec("ExecStart", &[PODUNIT, "check", &source.to_string_lossy()]);
    // The definition may have been repaired since: without a reload there still is no pod.
    unit.exec("ExecStart", &["/usr/bin/false"]);
    Ok(UnitSet {
        pod: name.clone(),
        source: source.to_owned(),
        images: Vec::new(),
        files: vec![UnitFile {
            name: name.unit(),
            text: unit.finish()?,
        }],
        links: install::links(&name.unit(), wanted_by).unwrap_or_default(),
        compiled: None,
    })
}
