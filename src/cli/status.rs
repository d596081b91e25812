//! `podunit status POD`: one pod in detail.

use super::output::{self, Format};
use super::target::{Target, on_bus};
use super::view::{self, PodView};
use crate::model::Paths;
use std::process::ExitCode;

/// Exit status for a pod that does not run, as `systemctl status` has it.
const NOT_RUNNING: u8 = 3;

/// Shows how a pod is.
///
/// The exit status is 0 if the pod runs and 3 if it does not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit status my-shared-pod\n  podunit status pod-my-shared-pod.service --format json\n\n\
    Exit status: 0 if the pod runs, 3 if it does not, 1 if there is no such pod or it\ncannot be looked at, 2 if the command line makes no sense."
)]
pub struct Arguments {
    /// The pod
    #[arg(value_name = "POD")]
    pod: String,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let name = Target::find(&arguments.pod, paths)?.pod.name;
    let pod = on_bus(async |bus| view::look(&bus, paths, &name).await)?;
    match arguments.format {
        Format::Json => output::json(&pod)?,
        Format::Text => show(&pod),
    }
    let runs = !matches!(pod.state.as_str(), "inactive" | "failed");
    Ok(if runs {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_RUNNING)
    })
}

fn show(pod: &PodView) {
    let line = |title: &str, text: String| {
        if !text.is_empty() {
            output::line(format!("{title:>10}: {text}"));
        }
    };
    output::line(&pod.pod);
    let since = if pod.since == 0 {
        String::new()
    } else {
        format!(", since {}", view::ago(pod.since))
    };
    line("State", format!("{}{since}", pod.state));
    line("Status", pod.status.clone());
    line("Defined in", pod.source.display().to_string());
    if let Some(why) = pod.differs {
        line("Note", format!("runs as it was started: {why}"));
    }
    line("Unit", pod.unit.clone());
    let pid = if pod.infra.pid == 0 {
        String::new()
    } else {
        format!(", PID {}", pod.infra.pid)
    };
    line("Infra", format!("{} ({}{pid})", pod.infra.unit, pod.infra.state));
    line("Address", pod.addresses.join(", "));
    line("Ports", pod.ports.join(", "));
    output::line("");
    let rows = pod.members.iter().map(|member| {
        vec![
            member.member.clone(),
            member.unit.state.clone(),
            if member.unit.pid == 0 {
                "-".to_owned()
            } else {
                member.unit.pid.to_string()
            },
            view::ago(member.unit.since),
            member.image.clone(),
            member.detail.clone(),
        ]
    });
    output::table(
        &["MEMBER", "STATE", "PID", "SINCE", "IMAGE", "STATUS"],
        &rows.collect::<Vec<_>>(),
    );
}
