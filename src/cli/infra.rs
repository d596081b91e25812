//! `podunit infra`: what `pod-X-infra.service` runs.

use super::{FAILURE, output, settings, target};
use crate::compiled::CompiledError;
use crate::infra::{self, Connecting, InfraError};
use crate::model::{Network, Paths, Pod, PodName, Settings};
use crate::network::{self, Reservation};
use crate::systemd::{manager, notify};
use crate::timeline::{Phase, Timeline};
use anyhow::Context;
use std::process::ExitCode;

/// Exit status of a start that no other try will make better, `EX_CONFIG` of sysexits.h(3head): the units of a template
/// have it in `RestartPreventExitStatus=`.
const NEVER: u8 = 78;

/// Steps of a pod's infra unit.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes the pod's namespaces and network (ExecStart=).
    Start {
        /// Name of the pod.
        pod: PodName,
    },
    /// Takes away what `start` made (ExecStopPost=). All of it after an intended stop: $SERVICE_RESULT is `success`, or
    /// infra has failed while systemd stops it; else only what belonged to the namespaces, so that the pod comes back as
    /// it was.
    Clean {
        /// Name of the pod.
        pod: PodName,
    },
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<ExitCode> {
    match command {
        Command::Start { pod } => return start(paths, pod),
        Command::Clean { pod } => {
            let is_clean = std::env::var_os("SERVICE_RESULT").is_some_and(|result| result == "success");
            let intended = is_clean || is_being_stopped(pod);
            clean(paths, pod, if intended { infra::remove } else { infra::release })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// If systemd cannot be asked, the pod comes back as it was.
fn is_being_stopped(pod: &PodName) -> bool {
    let unit = pod.infra_unit();
    let ask = async |bus| Ok(manager::is_being_stopped(&bus, &unit).await?);
    target::on_bus(ask).unwrap_or(false)
}

fn start(paths: &Paths, name: &PodName) -> anyhow::Result<ExitCode> {
    let settings = settings::read(paths)?;
    let mut timeline = Timeline::default();
    timeline.begin(Phase::Prepare);
    // What an earlier life left when not even its ExecStopPost= could run.
    if let Err(left) = clean(paths, name, infra::release) {
        output::error(&left.context("of an earlier life of the pod"));
    }
    let mut connecting = None;
    let started = infra::prepare(paths, name)
        .map_err(anyhow::Error::from)
        .and_then(|pod| {
            let connecting = connecting.insert(infra::begin_connecting(paths, name)?);
            bring_up(paths, &pod, &settings, connecting, &mut timeline)
        });
    let Err(error) = started else {
        timeline.begin(Phase::Done);
        timeline.write(&paths.pod(name).timeline());
        return Ok(ExitCode::SUCCESS);
    };
    output::error(&error);
    let is_never = matches!(
        error.downcast_ref(),
        Some(InfraError::Compiled(
            CompiledError::Instance { .. } | CompiledError::Port { .. }
        ))
    );
    // Nothing of a pod that cannot be is kept for another try.
    let undo = if is_never { infra::remove } else { infra::release };
    if let Err(left) = clean(paths, name, undo) {
        output::error(&left);
    }
    // With this process, the unit's main process still, systemd ends the pod's PID 1 and with it every member. Those
    // that wait for the network learn of it only now, so that nobody takes their failure for the reason.
    drop(connecting);
    Ok(ExitCode::from(if is_never { NEVER } else { FAILURE }))
}

/// The unit is active as soon as members can be made in the namespaces; netavark, which takes longest, works beside
/// that. Until the pod is connected this process is the unit's main process: should it be killed, infra has failed,
/// and systemd ends PID 1 too.
fn bring_up(
    paths: &Paths,
    pod: &Pod,
    settings: &Settings,
    connecting: &mut Connecting,
    timeline: &mut Timeline,
) -> anyhow::Result<()> {
    timeline.begin(Phase::Namespaces);
    let hostname = infra::hostname(pod)?;
    let pause = infra::make(paths, pod, &hostname)?;
    timeline.begin(Phase::Network);
    let reservation = network::reserve(paths, pod, settings)?;
    let around = match (&pod.network, &reservation) {
        (Network::Pod(other), _) => network::surroundings_of(paths, other)?,
        (_, reservation) => reservation
            .as_ref()
            .map(Reservation::surroundings)
            .unwrap_or_default(),
    };
    network::write_files(paths, pod, &hostname, &around)?;
    let tell_systemd = "cannot tell systemd how the start of the pod's infra goes";
    notify::send(&["READY=1"]).context(tell_systemd)?;
    if let Some(reservation) = reservation {
        reservation.connect(paths)?;
    }
    connecting.done()?;
    timeline.begin(Phase::Handover);
    match pause {
        // The last thing: systemd must know it before this process ends.
        Some(pause) => notify::send(&[&format!("MAINPID={}", pause.pid)])
            .and_then(|()| notify::barrier())
            .context(tell_systemd),
        None => Ok(()),
    }
}

/// Each part is for itself: goes on after an error, and tells of all.
fn clean(
    paths: &Paths,
    name: &PodName,
    folder: impl FnOnce(&Paths, &PodName) -> Result<(), InfraError>,
) -> anyhow::Result<()> {
    // First, while the namespace is there.
    let network = network::disconnect(paths, name).err().map(anyhow::Error::from);
    let folder = if paths.pod(name).network().exists() {
        // What is left of the network can be taken down only by what stands in the folder.
        infra::release(paths, name)
    } else {
        folder(paths, name)
    };
    let folder = folder.err().map(anyhow::Error::from);
    let problems: Vec<String> = [network, folder]
        .iter()
        .flatten()
        .map(|error| format!("{error:#}"))
        .collect();
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
    Ok(())
}
