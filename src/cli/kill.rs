//! `podunit kill POD[/MEMBER]`: a signal to members, and what became of it.

use super::output::{self, Format};
use super::target::{Target, explain, on_bus};
use super::{FAILURE, USAGE};
use crate::model::{Paths, Signal};
use crate::systemd::pod::{self, Delivery};
use std::collections::HashMap;
use std::process::ExitCode;
use zbus::Variant;

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
/// Prints for each member what was sent or why nothing was, and a warning where its main process has no handler for the
/// signal or ignores it; --dry-run prints that and sends nothing. See podunit.signals(7).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit kill my-shared-pod -s HUP\n  podunit kill my-shared-pod/nginx-server -s WINCH\n  \
    podunit kill my-shared-pod/busybox-client -s KILL --whom all\n  podunit kill my-shared-pod -s TERM --dry-run\n\n\
    Exit status: 0 if a process was sent a signal (or would be) and none failed, 1 if\nnone was, one failed or the pod does \
    not run, 2 if the command line makes no\nsense."
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
    /// A number to send with a real-time signal (systemd 254 and later)
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    value: Option<i32>,
    /// Send nothing, and print what would be sent
    #[arg(long)]
    dry_run: bool,
    /// How to print what became of it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let signal = arguments.signal;
    if arguments.value.is_some() && !signal.is_real_time() {
        output::error(&anyhow::anyhow!(
            "{signal} carries no value: --value is for real-time signals, RTMIN+0 to RTMIN+30"
        ));
        return Ok(ExitCode::from(USAGE));
    }
    let target = Target::find(&arguments.target, paths)?;
    let name = &target.pod.name;
    let member = target.member.as_ref().map_or("", |member| member.as_str());
    let whom = match arguments.whom {
        Whom::Main => "main",
        Whom::All => "all",
    };
    let mut options = HashMap::new();
    if let Some(value) = arguments.value {
        options.insert("value", Variant::from(value));
    }
    if arguments.dry_run {
        options.insert("dry-run", Variant::from(true));
    }
    let report = on_bus(async |bus| {
        let supervisor = pod::supervisor(&bus, name).await?;
        let sent = supervisor.signal(member, whom, signal.number(), options).await;
        sent.map_err(|error| explain(name, error))
    })?;
    print(&report, arguments.format)?;
    let any = |results: &[&str]| {
        report
            .iter()
            .any(|delivery| results.contains(&delivery.result.as_str()))
    };
    Ok(if any(&["sent", "would-send"]) && !any(&["failed"]) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILURE)
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
    let rows: Vec<Vec<String>> = report.iter().map(row).collect();
    output::table(&["MEMBER", "PID", "SIGNAL", "RESULT", "REASON"], &rows);
    Ok(())
}

fn row(delivery: &Delivery) -> Vec<String> {
    let Delivery {
        member,
        pid,
        asked,
        signal,
        result,
        detail,
        warning,
        ..
    } = delivery;
    let pid = match pid {
        0 => "-".to_owned(),
        pid => pid.to_string(),
    };
    let signal = match signal.as_str() {
        "" => "-".to_owned(),
        signal if asked.is_empty() || asked == signal => signal.to_owned(),
        signal => format!("{signal} for {asked}"),
    };
    let warning = match warning.as_str() {
        "" => String::new(),
        warning => format!("warning: {warning}"),
    };
    let reasons: Vec<&str> = [detail.as_str(), &warning]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    vec![member.clone(), pid, signal, result.clone(), reasons.join("; ")]
}
