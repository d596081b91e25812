//! `podunit ps`: all pods and their members.

use super::output::{self, Format};
use super::target::on_bus;
use super::view::{self, PodView};
use crate::compiled::pods;
use crate::model::Paths;
use std::process::ExitCode;

/// Lists pods and their members.
///
/// Each pod has a line of its own, with its state in the pod's own terms (starting, ready, degraded, recovering,
/// stopping, failed, frozen, inactive), and so have its members (starting, ready, stopping, restarting, frozen, ended,
/// skipped, stopped, failed). Where no supervisor answers, these are systemd's words for their units.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  podunit ps\n  podunit ps --format json\n\n\
    Exit status: 0 if all pods could be looked at (running or not), 1 if one could not,\n2 if the command line makes no sense.")]
pub struct Arguments {
    /// How to list them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let names = pods(paths);
    let looked = match names.is_empty() {
        true => Vec::new(),
        false => on_bus(async |bus| {
            let mut looked = Vec::with_capacity(names.len());
            for name in &names {
                looked.push(view::look(&bus, paths, name).await);
            }
            Ok(looked)
        })?,
    };
    let mut exit = ExitCode::SUCCESS;
    let mut views = Vec::with_capacity(looked.len());
    for look in looked {
        match look {
            Ok(view) => views.push(view),
            // One pod that cannot be read hides no other.
            Err(error) => {
                output::error(&error);
                exit = ExitCode::from(super::FAILURE);
            }
        }
    }
    match arguments.format {
        Format::Json => output::json(&views)?,
        Format::Text => {
            let rows: Vec<Vec<String>> = views.iter().flat_map(rows).collect();
            output::table(
                &[
                    "POD", "MEMBER", "STATE", "PID", "SINCE", "IMAGE", "PORTS", "STATUS",
                ],
                &rows,
            );
        }
    }
    Ok(exit)
}

fn rows(pod: &PodView) -> Vec<Vec<String>> {
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let pid = |pid: u32| if pid == 0 { "-".to_owned() } else { pid.to_string() };
    let mut rows = vec![vec![
        pod.pod.to_string(),
        "-".to_owned(),
        pod.state.clone(),
        pid(pod.infra.pid),
        dash(view::ago(pod.since)),
        "-".to_owned(),
        dash(pod.ports.join(",")),
        pod.status.clone(),
    ]];
    rows.extend(pod.members.iter().map(|member| {
        vec![
            pod.pod.to_string(),
            member.member.clone(),
            member.unit.state.clone(),
            pid(member.unit.pid),
            dash(view::ago(member.unit.since)),
            member.image.clone(),
            "-".to_owned(),
            member.detail.clone(),
        ]
    }));
    rows
}
