//! `podunit network`: what the unit of a network that pods share runs.

use super::settings;
use crate::model::{Paths, ResourceName};
use crate::network;
use std::process::ExitCode;

/// Steps of a network's unit.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes the network one that pods can be connected to (ExecStart=).
    Start {
        /// Name of the network.
        network: ResourceName,
    },
    /// Takes that back (ExecStop=).
    Stop {
        /// Name of the network.
        network: ResourceName,
    },
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<ExitCode> {
    match command {
        Command::Start { network } => network::start(paths, network, &settings::read(paths)?)?,
        Command::Stop { network } => network::stop(paths, network)?,
    }
    Ok(ExitCode::SUCCESS)
}
