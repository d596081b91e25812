//! `podunit reload POD[/MEMBER]`: reloads members and waits; also what `systemctl reload pod-X` runs.

use super::kill::print;
use super::output::Format;
use super::target::{Target, explain, on_bus};
use crate::model::Paths;
use crate::systemd::pod;
use anyhow::bail;
use std::process::ExitCode;

/// Reloads the members of a pod that have a ReloadSignal= or a ReloadCmd=, in the order of their start, and waits.
///
/// If one of them cannot be reloaded now (it does not run, is starting, has no handler for its signal), none is; if the
/// reload of one fails, those behind it are not reloaded. Prints what became of each member.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit reload my-shared-pod\n  podunit reload my-shared-pod/nginx-server\n  \
    systemctl reload pod-my-shared-pod\n\n\
    Exit status: 0 if every member that has a reload was reloaded, 1 if one was not,\nif none has one or the pod does not \
    run, 2 if the command line makes no sense."
)]
pub struct Arguments {
    /// The pod, or one member of it
    #[arg(value_name = "POD[/MEMBER]")]
    target: String,
    /// How to print what became of it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let Target { pod, member } = Target::find(&arguments.target, paths)?;
    let (name, member) = (pod.name, member.as_ref().map_or("", |member| member.as_str()));
    let report = on_bus(async |bus| {
        let supervisor = pod::supervisor(&bus, &name).await?;
        let reloaded = supervisor.reload(member).await;
        reloaded.map_err(|error| explain(&name, error))
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
            "no member of {name} was reloaded: each needs a ReloadSignal= or a ReloadCmd= in its definition"
        );
    }
    Ok(ExitCode::SUCCESS)
}
