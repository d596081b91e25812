//! `podunit inspect POD[/MEMBER]`: the compiled pod.

use super::output;
use super::target::Target;
use crate::model::Paths;
use std::process::ExitCode;

/// Prints the compiled form of a pod or of one member, as JSON.
///
/// A pod that runs is shown as it was started, whatever its definition says now.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit inspect my-shared-pod\n  podunit inspect my-shared-pod/nginx-server\n\n\
    Exit status: 0 if it was printed, 1 if there is no such pod or member, 2 if the\ncommand line makes no sense."
)]
pub struct Arguments {
    /// The pod, or one member of it
    #[arg(value_name = "POD[/MEMBER]")]
    target: String,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let Target { pod, member } = Target::find(&arguments.target, paths)?;
    match member.and_then(|name| pod.member(name.as_str())) {
        Some(member) => output::json(member)?,
        None => output::json(&pod)?,
    }
    Ok(ExitCode::SUCCESS)
}
