//! `podunit infra`: what `pod-X-infra.service` runs.

use super::{FAILURE, output};
use crate::infra::{self, InfraError};
use crate::model::{Paths, Pod, PodName, Settings};
use crate::network;
use crate::sys::process::Orphan;
use crate::systemd::notify;
use anyhow::Context;
use std::io;
use std::process::ExitCode;

/// Steps of a pod's infra unit.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes the pod's namespaces and network (ExecStart=).
    Start {
        /// Name of the pod.
        pod: PodName,
    },
    /// Takes away what `start` made (ExecStopPost=). All of it if $SERVICE_RESULT is `success`, which systemd sets
    /// after an intended stop; else only what belonged to the namespaces, so that the pod comes back as it was.
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
            let intended = std::env::var_os("SERVICE_RESULT").is_some_and(|result| result == "success");
            clean(paths, pod, if intended { infra::remove } else { infra::release })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn start(paths: &Paths, name: &PodName) -> anyhow::Result<ExitCode> {
    let settings = settings(paths)?;
    // What an earlier life left when not even its ExecStopPost= could run.
    if let Err(left) = clean(paths, name, infra::release) {
        output::error(&left.context("of an earlier life of the pod"));
    }
    let mut pause = None;
    let started = infra::prepare(paths, name)
        .map_err(anyhow::Error::from)
        .and_then(|pod| bring_up(paths, &pod, &settings, &mut pause));
    let Err(error) = started else {
        return Ok(ExitCode::SUCCESS);
    };
    // Told first: systemd has been told that pause is the main process, and with its end systemd kills this one.
    output::error(&error);
    if let Err(left) = clean(paths, name, infra::release) {
        output::error(&left);
    }
    if let Some(pause) = pause {
        pause.kill();
    }
    Ok(ExitCode::from(FAILURE))
}

fn bring_up(paths: &Paths, pod: &Pod, settings: &Settings, pause: &mut Option<Orphan>) -> anyhow::Result<()> {
    let hostname = infra::hostname(pod)?;
    *pause = infra::make(paths, pod, &hostname)?;
    let tell_systemd = "cannot tell systemd how the start of the pod's infra goes";
    if let Some(pause) = pause {
        // At once: should this process be killed, systemd knows what there is to stop.
        notify::send(&[&format!("MAINPID={}", pause.pid)]).context(tell_systemd)?;
    }
    let address = network::connect(paths, pod, settings)?;
    network::write_files(paths, pod, &hostname, address, settings)?;
    notify::send(&["READY=1"])
        .and_then(|()| notify::barrier())
        .context(tell_systemd)
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

/// The host's settings, `podunit.conf`; the defaults if there is none.
///
/// # Errors
/// It cannot be read, or says what cannot be.
pub(super) fn settings(paths: &Paths) -> anyhow::Result<Settings> {
    for file in paths.settings_files() {
        match std::fs::read_to_string(&file) {
            Ok(text) => return Settings::parse(&text).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{}: cannot read it", file.display())),
        }
    }
    Ok(Settings::default())
}
