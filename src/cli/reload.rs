//! `podunit reload POD`: reloads members and waits; also what `systemctl reload pod-X` runs.

use super::kill::print;
use super::output::Format;
use super::target::{Target, explain, on_bus};
use crate::model::Paths;
use crate::systemd::pod;
use anyhow::bail;
use std::process::ExitCode;

/// Reloads the members of a pod that have a ReloadSignal=, and waits until they have.
///
/// Prints what became of each member. Fails if any of them failed, or if none can be reloaded.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  podunit reload my-shared-pod\n  systemctl reload pod-my-shared-pod")]
pub struct Arguments {
    /// The pod
    #[arg(value_name = "POD")]
    pod: String,
    /// How to print what became of it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let name = Target::find(&arguments.pod, paths)?.pod.name;
    let report = on_bus(async |bus| {
        pod::reload(&bus, &name)
            .await
            .map_err(|error| explain(&name, error))
    })?;
    print(&report, arguments.format)?;
    let failed = report.iter().filter(|delivery| delivery.result == "failed");
    let failed: Vec<String> = failed
        .map(|failed| format!("{}: {}", failed.member, failed.detail))
        .collect();
    if !failed.is_empty() {
        bail!("the reload of {name} failed: {}", failed.join("; "));
    }
    if report.iter().all(|delivery| delivery.result != "reloaded") {
        bail!(
            "no member of {name} was reloaded: each needs a ReloadSignal= in its definition, and has to run"
        );
    }
    Ok(ExitCode::SUCCESS)
}
