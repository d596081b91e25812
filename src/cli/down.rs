//! `podunit down`: what `podunit up` has brought is stopped and taken away.

use super::output;
use super::target::{Target, on_bus};
use super::up::record;
use crate::model::{Paths, PodName};
use crate::systemd::{job, manager};
use anyhow::{Context, bail};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  podunit up web.pod
  podunit down web

Exit status: 0 if the pod is stopped and its definition gone, 1 if not, 2 if
the command line makes no sense. A pod that is defined elsewhere, such as in
/etc/podunit, is left alone: systemctl stop pod-NAME stops it.";

/// Stop a pod that `podunit up` has started, and take its definition away.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The pod.
    #[arg(value_name = "POD")]
    pod: String,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let text = &arguments.pod;
    let name = PodName::new(text).with_context(|| format!("`{text}` is not the name of a pod"))?;
    let lock = record::lock(paths)?;
    if record::read(paths, &name).is_none() {
        let source = Target::find(text, paths)?.pod.source;
        bail!(
            "the pod {name} comes from {}, not from podunit up: systemctl stop {} stops it",
            source.display(),
            name.unit()
        );
    }
    let unit = name.unit();
    on_bus(async |bus| {
        job::subscribe(&bus).await?;
        let result = job::run(&bus, &unit, job::Kind::Stop).await;
        match result.as_deref() {
            Ok("done") => {}
            // It was never made, or has been forgotten.
            Err(error) if manager::error_name(error).ends_with("NoSuchUnit") => {}
            Ok(word) => bail!("{unit} was not stopped, systemd says `{word}`: nothing was taken away"),
            Err(error) => bail!("{unit} was not stopped: {error}"),
        }
        let files = record::take(paths, &name)?.unwrap_or_default();
        remove(paths, files)?;
        manager::reload(&bus)
            .await
            .context("systemd cannot read its units again")?;
        // A unit that has failed stays in systemd's memory otherwise; one that has not is unknown by now.
        let _ = manager::reset_failed(&bus, &unit).await;
        Ok(())
    })?;
    drop(lock);
    output::line(format!("{name}: stopped, its definition is gone"));
    Ok(ExitCode::SUCCESS)
}

fn remove(paths: &Paths, files: Vec<PathBuf>) -> anyhow::Result<()> {
    let folder = paths.passing_definitions();
    for below in files {
        let path = folder.join(&below);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
        // The folder of drop-ins goes with the last of them.
        if below.components().count() > 1 {
            let _ = path.parent().map(fs::remove_dir);
        }
    }
    // With the last of all it goes as well.
    let _ = fs::remove_dir(folder);
    Ok(())
}
