//! `podunit ps`.

use crate::model::Paths;
use std::process::ExitCode;

/// (written by its owner)
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(_arguments: &Arguments, _paths: &Paths) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not here yet")
}
