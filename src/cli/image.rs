//! `podunit image`.

use crate::model::Paths;
use std::process::ExitCode;

/// (written by its owner)
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// .
    Start,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(_command: &Command, _paths: &Paths) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not here yet")
}
