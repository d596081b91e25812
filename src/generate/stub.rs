//! A broken definition → a unit that says so. Without it, `systemctl start pod-X` would answer "Unit not found" and
//! hide why.

use super::{GenerateError, PODUNIT, UnitFile, UnitSet, begin, install};
use crate::model::{Directive, Owner};
use std::path::Path;

/// The one unit of a definition at `source` that has an error: it prints what is wrong to the journal and fails.
/// `wanted_by` is the definition's `[Install]`, as far as it could be read; links that cannot be made are left out, since
/// the error is shown anyway.
///
/// # Errors
/// The path of the definition cannot be in a unit file.
pub fn of(owner: Owner, source: &Path, wanted_by: &[Directive]) -> Result<UnitSet, GenerateError> {
    // As every unit of its kind is called.
    let kind = owner.kind();
    let title = format!("{}{}", kind[..1].to_ascii_uppercase(), &kind[1..]);
    let mut unit = begin(
        &format!("{title} {} (its definition has errors)", owner.name()),
        source,
    );
    unit.section("Service").token("Type", "oneshot");
    unit.exec("ExecStart", &[PODUNIT, "check", &source.to_string_lossy()]);
    // The definition may have been repaired since: without a reload there still is nothing to start.
    unit.exec("ExecStart", &["/usr/bin/false"]);
    let name = owner.unit();
    Ok(UnitSet {
        owner,
        source: source.to_owned(),
        images: Vec::new(),
        links: install::links(&name, wanted_by).unwrap_or_default(),
        files: vec![UnitFile {
            name,
            text: unit.finish()?,
        }],
        compiled: None,
    })
}
