//! `podunit freeze POD` and `podunit thaw POD`: every process of a pod held still, and let go on.

use super::target::{Target, explain, on_bus};
use crate::model::Paths;
use crate::systemd::pod;
use std::process::ExitCode;

/// Holds every process of a pod still.
///
/// Returns when all of them are. They keep their memory and their connections, and use no processor time until podunit
/// thaw lets them go on. A stop of the pod thaws it first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit freeze my-shared-pod\n  podunit thaw my-shared-pod\n\n\
    Exit status: 0 if the pod is frozen, 1 if it is not, 2 if the command line makes no sense."
)]
pub struct Freeze {
    /// The pod
    #[arg(value_name = "POD")]
    pod: String,
}

/// Lets the processes of a frozen pod go on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  podunit thaw my-shared-pod\n\n\
    Exit status: 0 if the pod is not frozen any more, 1 if it is, 2 if the command line makes no sense.")]
pub struct Thaw {
    /// The pod
    #[arg(value_name = "POD")]
    pod: String,
}

/// Runs `podunit freeze`.
///
/// # Errors
/// What kept it from being done.
pub fn freeze(arguments: &Freeze, paths: &Paths) -> anyhow::Result<ExitCode> {
    hold(&arguments.pod, true, paths)
}

/// Runs `podunit thaw`.
///
/// # Errors
/// What kept it from being done.
pub fn thaw(arguments: &Thaw, paths: &Paths) -> anyhow::Result<ExitCode> {
    hold(&arguments.pod, false, paths)
}

fn hold(pod: &str, still: bool, paths: &Paths) -> anyhow::Result<ExitCode> {
    let name = Target::find(pod, paths)?.pod.name;
    on_bus(async |bus| {
        let supervisor = pod::supervisor(&bus, &name).await?;
        let done = match still {
            true => supervisor.freeze().await,
            false => supervisor.thaw().await,
        };
        done.map_err(|error| explain(&name, error))
    })?;
    Ok(ExitCode::SUCCESS)
}
