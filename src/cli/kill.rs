//! `podunit kill POD[/MEMBER]`: a signal to members, and what became of it.

use super::output::{self, Format};
use super::target::{Target, explain, on_bus};
use crate::model::{Paths, Signal};
use crate::systemd::pod::{self, Delivery};
use std::process::ExitCode;

/// Which processes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Whom {
    /// The container's own process
    Main,
    /// Every process of the member's unit
    All,
}

/// Sends a signal to the members of a pod.
///
/// To a whole pod, HUP, USR1, USR2, WINCH and real-time signals are sent as each member's SignalMap= says, and only
/// to processes that survive them: those that handle or ignore the signal. Any other signal, and every signal to a
/// member that is named, is sent exactly as it is.
///
/// Prints for each member what was sent or why nothing was. The exit status is 1 if nobody was sent anything.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit kill my-shared-pod -s HUP\n  podunit kill my-shared-pod/nginx-server -s WINCH\n  \
    podunit kill my-shared-pod/busybox-client -s KILL --whom all\n\n\
    Exit status: 0 if a process was sent a signal, 1 if none was or the pod does not\nrun, 2 if the command line makes no sense."
)]
pub struct Arguments {
    /// The pod, or one member of it
    #[arg(value_name = "POD[/MEMBER]")]
    target: String,
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "TERM")]
    signal: Signal,
    /// Which processes
    #[arg(long, value_enum, default_value = "main")]
    whom: Whom,
    /// How to print what became of it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let target = Target::find(&arguments.target, paths)?;
    let name = &target.pod.name;
    let member = target.member.as_ref().map_or("", |member| member.as_str());
    let whom = match arguments.whom {
        Whom::Main => "main",
        Whom::All => "all",
    };
    let report = on_bus(async |bus| {
        let sent = pod::kill(&bus, name, member, whom, arguments.signal.number()).await;
        sent.map_err(|error| explain(name, error))
    })?;
    print(&report, arguments.format)?;
    let sent = report.iter().any(|delivery| delivery.result == "sent");
    Ok(if sent {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::FAILURE)
    })
}

/// Prints what became of a signal or a reload for each member.
///
/// # Errors
/// A report that cannot be written as JSON.
pub fn print(report: &[Delivery], format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&report);
    }
    let dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    let rows = report.iter().map(|delivery| {
        let pid = if delivery.pid == 0 {
            "-".to_owned()
        } else {
            delivery.pid.to_string()
        };
        let Delivery {
            member,
            signal,
            result,
            detail,
            ..
        } = delivery;
        vec![member.clone(), pid, dash(signal), result.clone(), detail.clone()]
    });
    output::table(
        &["MEMBER", "PID", "SIGNAL", "RESULT", "REASON"],
        &rows.collect::<Vec<_>>(),
    );
    Ok(())
}
