//! `podunit logs POD[/MEMBER]`: the journal of a pod, shown by journalctl(1).

use super::target::Target;
use crate::model::Paths;
use anyhow::Context;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Shows the journal of a pod or of one member.
///
/// This is journalctl(1) with the pod's units; what it does with its options, its pager and its exit status is its
/// own.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit logs my-shared-pod -f\n  podunit logs my-shared-pod/nginx-server -n 20\n  \
    podunit logs my-shared-pod --since -10min -o json\n\n\
    Exit status: journalctl's own; 1 if there is no such pod or member, 2 if the\ncommand line makes no sense."
)]
pub struct Arguments {
    /// The pod, or one member of it
    #[arg(value_name = "POD[/MEMBER]")]
    target: String,
    /// Show new lines as they come
    #[arg(short, long)]
    follow: bool,
    /// Show only this many lines, the newest
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<u64>,
    /// Show what is not older than this (systemd.time(7))
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Show what is not newer than this
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// journalctl's output format, such as cat, short-precise or json
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let target = Target::find(&arguments.target, paths)?;
    let error = Command::new("journalctl")
        .args(journalctl(arguments, &target))
        .exec();
    Err(error).context("cannot run journalctl")
}

/// `--unit=` finds what the unit's processes wrote, what systemd says of the unit, and what the supervisor read from
/// processes that had ended (`OBJECT_SYSTEMD_UNIT=`).
fn journalctl(arguments: &Arguments, target: &Target) -> Vec<String> {
    let name = &target.pod.name;
    let units = match &target.member {
        Some(member) => vec![name.member_unit(member)],
        None => target.pod.service_units(),
    };
    let mut words: Vec<String> = units.into_iter().map(|unit| format!("--unit={unit}")).collect();
    words.extend(arguments.follow.then(|| "--follow".to_owned()));
    words.extend(arguments.lines.map(|lines| format!("--lines={lines}")));
    words.extend(arguments.since.as_ref().map(|time| format!("--since={time}")));
    words.extend(arguments.until.as_ref().map(|time| format!("--until={time}")));
    words.extend(
        arguments
            .output
            .as_ref()
            .map(|format| format!("--output={format}")),
    );
    words
}
