//! `podunit analyze [POD]`: how long the start of a pod took, and why.

use super::output::{self, Format};
use super::target::{Target, on_bus};
use crate::analyze::record::{self, Times};
use crate::analyze::start::Start;
use crate::analyze::{svg, words};
use crate::compiled::{self, pods};
use crate::model::{Paths, Pod};
use crate::systemd::manager;
use crate::systemd::unit::{Active, Properties, Unit};
use anyhow::{Context, bail};
use futures_util::future::join_all;
use std::path::PathBuf;
use std::process::ExitCode;
use zbus::{Connection, Variant};

/// Shows how long the start of a pod took, and why.
///
/// Without POD, all pods that have become ready, the slowest first.
///
/// With POD, in words: the total; the critical path, which is what would have had to be faster for the pod to be ready
/// sooner; and the longest steps of its units, of which some went on beside others. A unit is not at work while it is
/// "queued" (systemd has not yet taken up its start, or an image is fetched for it) or "waiting for …". "spawn" and "exec" are systemd's: until it has
/// made the unit's process, and until the program runs in it. "settle" is the moment in which members may fail before
/// the pod is called ready.
///
/// Of a pod that came back after its infra had ended, it is the return that is shown. Units that were started again
/// since are named, and left out: of each unit only the last start is known. Nothing is measured for this; systemd and
/// podunit write these times down anyway.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit analyze\n  podunit analyze my-shared-pod\n  \
    podunit analyze my-shared-pod --svg start.svg\n\n\
    Exit status: 0 if it was shown, 1 if there is no such pod, it does not run or is not\nready yet, 2 if the command line makes no sense."
)]
pub struct Arguments {
    /// The pod
    #[arg(value_name = "POD")]
    pod: Option<String>,
    /// Draw it into FILE instead: a row for each unit, a bar for each step
    #[arg(long, value_name = "FILE", requires = "pod", conflicts_with = "format")]
    svg: Option<PathBuf>,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let Some(pod) = &arguments.pod else {
        return list(arguments.format, paths);
    };
    let pod = Target::find(pod, paths)?.pod;
    let name = &pod.name;
    let start = on_bus(async |bus| match look(&bus, paths, &pod).await? {
        Look::Down => bail!(
            "the pod {name} does not run, so there is no start to look at; `systemctl start {}` starts it",
            name.unit()
        ),
        Look::Starting => bail!(
            "the pod {name} is not ready; its start can be looked at when it is, and `podunit status {name}` says what \
             it waits for"
        ),
        Look::Ready(start) => Ok(start),
    })?;
    match (&arguments.svg, arguments.format) {
        (Some(file), _) => std::fs::write(file, svg::draw(&start))
            .with_context(|| format!("cannot write {}", file.display()))?,
        (None, Format::Json) => output::json(&start)?,
        (None, Format::Text) => output::line(words::all(&start)),
    }
    Ok(ExitCode::SUCCESS)
}

/// All pods that run, in short.
fn list(format: Format, paths: &Paths) -> anyhow::Result<ExitCode> {
    let names = pods(paths);
    let mut exit = ExitCode::SUCCESS;
    let looked = match names.is_empty() {
        true => Vec::new(),
        false => on_bus(async |bus| {
            let mut looked = Vec::with_capacity(names.len());
            for name in &names {
                looked.push(match compiled::running(paths, name) {
                    Ok(pod) => look(&bus, paths, &pod).await,
                    Err(error) => Err(error.into()),
                });
            }
            Ok(looked)
        })?,
    };
    let mut starts = Vec::with_capacity(looked.len());
    for look in looked {
        match look {
            Ok(Look::Ready(start)) => starts.push(start),
            Ok(Look::Starting | Look::Down) => {}
            // One pod that cannot be read hides no other.
            Err(error) => {
                output::error(&error);
                exit = ExitCode::from(super::FAILURE);
            }
        }
    }
    starts.sort_by_key(|start| std::cmp::Reverse(start.total));
    match format {
        Format::Json => output::json(&starts)?,
        Format::Text => starts.iter().for_each(|start| output::line(words::total(start))),
    }
    Ok(exit)
}

/// What there is to say of a pod's start.
enum Look {
    Down,
    Starting,
    Ready(Start),
}

async fn look(bus: &Connection, paths: &Paths, pod: &Pod) -> anyhow::Result<Look> {
    let units = record::units(pod);
    let read = join_all(units.iter().map(|unit| read(bus, unit))).await;
    let read = read.into_iter().collect::<zbus::Result<Vec<(Unit, Times)>>>()?;
    if read[0].0.is_down() {
        return Ok(Look::Down);
    }
    let times: Vec<Times> = read.iter().map(|(_, times)| *times).collect();
    let start = Start::new(&pod.name, &record::read(paths, pod, &times));
    Ok(match start.filter(|_| read[0].0.active == Active::Active) {
        Some(start) => Look::Ready(start),
        None => Look::Starting,
    })
}

async fn read(bus: &Connection, unit: &str) -> zbus::Result<(Unit, Times)> {
    let mut spawned = 0;
    let unit = manager::read_unit(bus, unit, |properties| {
        if let Some(moment) = process_started(properties) {
            spawned = moment;
        }
    })
    .await?;
    let times = Times {
        taken_up: unit.condition.at,
        spawned,
        ready: unit.active_enter,
        left: unit.active_exit,
        down: unit.inactive_enter,
        restarts: unit.restarts,
    };
    Ok((unit, times))
}

/// The monotonic start time in `ExecStart`, which is an array of (program, arguments, whether failure matters, start
/// and end in both clocks, PID, code, status); see org.freedesktop.systemd1(5).
fn process_started(properties: &Properties<'_>) -> Option<u64> {
    let Variant::Array(commands) = properties.get("ExecStart")? else {
        return None;
    };
    let Variant::Structure(command) = commands.inner().first()? else {
        return None;
    };
    match command.fields().get(4)? {
        Variant::U64(moment) => Some(*moment),
        _ => None,
    }
}
