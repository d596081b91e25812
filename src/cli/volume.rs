//! `podunit volume`: the named volumes of this machine, and the steps of the units of `.volume` files.

use super::output::{self, Format};
use crate::compiled::{self, CompiledError};
use crate::model::{Owner, Paths, Pod, ResourceName, Volume, VolumeSource};
use crate::systemd::specifiers::Specifiers;
use crate::unitfile::specifier;
use crate::volume::{Volumes, mount};
use anyhow::Context;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

/// List and remove the named volumes of this machine.
///
/// A volume is made by the first container that names it, or by the unit of its file NAME.volume, and stays until it is
/// removed here: nothing else removes one.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  podunit volume ls
  podunit volume inspect systemd-data
  podunit volume rm systemd-data
  podunit volume prune --dry-run

Exit status: 0 if what was asked was done, 1 if it could not be done, 2 if the
command line makes no sense.")]
pub enum Command {
    /// List volumes.
    #[command(after_help = "Examples:
  podunit volume ls
  podunit volume ls --format json

Exit status: 0 if they were listed, 1 if not, 2 if the command line makes no
sense.")]
    Ls {
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print all that is known of volumes, as JSON.
    #[command(after_help = "Examples:
  podunit volume inspect systemd-data

Exit status: 0 if all were printed, 1 if there is none of a name, 2 if the
command line makes no sense.")]
    Inspect {
        /// Volumes.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Remove volumes with all that is in them.
    ///
    /// One that a running pod uses, or that is mounted, stays.
    #[command(after_help = "Examples:
  podunit volume rm systemd-data

Exit status: 0 if all were removed, 1 if one was not, 2 if the command line
makes no sense.")]
    Rm {
        /// Volumes.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Remove the volumes that no definition names and no running pod uses.
    #[command(after_help = "Examples:
  podunit volume prune --dry-run
  podunit volume prune

Exit status: 0 if they were removed, 1 if one was not, 2 if the command line
makes no sense.")]
    Prune {
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Makes the volume of a definition, and mounts it (ExecStart=).
    #[command(hide = true)]
    Start {
        /// Name of the definition.
        name: ResourceName,
    },
    /// Unmounts the volume of a definition (ExecStop=).
    #[command(hide = true)]
    Stop {
        /// Name of the definition.
        name: ResourceName,
    },
}

/// A volume as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    path: PathBuf,
    mounted: bool,
    /// Pods that run and use it.
    used_by: Vec<String>,
    /// Pods and files that name it.
    named_by: Vec<String>,
    labels: BTreeMap<String, String>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<ExitCode> {
    let volumes = Volumes::new(paths);
    match command {
        Command::Ls { format } => list(&volumes, paths, *format)?,
        Command::Inspect { names } => {
            let uses = Uses::read(paths);
            let shown: Vec<Shown> = names
                .iter()
                .map(|name| show(&volumes, name, &uses))
                .collect::<anyhow::Result<_>>()?;
            output::json(&shown)?;
        }
        Command::Rm { names } => {
            for name in names {
                volumes.remove(name, &|| Uses::read(paths).running_of(name))?;
                output::line(name);
            }
        }
        Command::Prune { dry_run } => prune(&volumes, paths, *dry_run)?,
        Command::Start { name } => mount::start(&volumes, &defined(paths, name)?)?,
        Command::Stop { name } => mount::stop(&volumes, &defined(paths, name)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(volumes: &Volumes, paths: &Paths, format: Format) -> anyhow::Result<()> {
    let uses = Uses::read(paths);
    let mut all = Vec::new();
    for name in volumes.names()? {
        all.push(show(volumes, &name, &uses)?);
    }
    if format == Format::Json {
        return output::json(&all);
    }
    let or_none = |names: &[String]| match names {
        [] => "-".to_owned(),
        names => names.join(", "),
    };
    let rows: Vec<Vec<String>> = (all.iter())
        .map(|volume| {
            let path = volume.path.display().to_string();
            let (named, used) = (or_none(&volume.named_by), or_none(&volume.used_by));
            vec![volume.name.clone(), used, named, path]
        })
        .collect();
    output::table(&["NAME", "USED BY", "NAMED BY", "PATH"], &rows);
    Ok(())
}

fn show(volumes: &Volumes, name: &str, uses: &Uses) -> anyhow::Result<Shown> {
    let held = volumes.hold(name)?;
    let held = held.with_context(|| format!("there is no volume `{name}`"))?;
    let labels = held.compiled()?.map(|volume| volume.labels);
    Ok(Shown {
        name: name.to_owned(),
        path: held.data_path(),
        mounted: held.is_mounted()?,
        used_by: uses.running_of(name),
        named_by: uses.named_of(name),
        labels: labels.unwrap_or_default(),
    })
}

fn prune(volumes: &Volumes, paths: &Paths, dry_run: bool) -> anyhow::Result<()> {
    let uses = Uses::read(paths);
    for name in volumes.names()? {
        if !uses.running_of(&name).is_empty() || !uses.named_of(&name).is_empty() {
            continue;
        }
        if !dry_run {
            volumes.remove(&name, &|| Uses::read(paths).running_of(&name))?;
        }
        output::line(&name);
    }
    Ok(())
}

/// Which volumes are wanted, and by whom.
#[derive(Debug, Default)]
struct Uses {
    running: BTreeMap<String, BTreeSet<String>>,
    /// Names in which [`ANY`] stands for an instance, whichever there will be.
    named: BTreeMap<String, BTreeSet<String>>,
}

/// In no name.
const ANY: &str = "/";

impl Uses {
    /// By all pods, and files of volumes, that systemd knows.
    fn read(paths: &Paths) -> Self {
        let mut uses = Self::default();
        for name in compiled::pods_and_templates(paths) {
            let owner = Owner::Pod(name.clone()).to_string();
            // One that cannot be read may use any; who says so is `podunit check`.
            if let Ok((pod, _)) = compiled::find(paths, &name) {
                for volume in of_pod(&pod, paths) {
                    uses.named.entry(volume).or_default().insert(owner.clone());
                }
            }
            if paths.pod(&name).compiled().exists()
                && let Ok(pod) = compiled::running(paths, &name)
            {
                for volume in of_pod(&pod, paths) {
                    uses.running.entry(volume).or_default().insert(owner.clone());
                }
            }
        }
        for name in compiled::resources(paths, "volume") {
            let Ok(volume) = compiled_volume(paths, &name) else {
                continue;
            };
            let specifiers = Specifiers::new(volume.unit(), paths);
            let is_template = name.as_str().ends_with('@');
            let owner = Owner::Volume(name).to_string();
            if let Some(name) = volume_name(&volume.volume, &specifiers, is_template) {
                uses.named.entry(name).or_default().insert(owner);
            }
        }
        uses
    }

    fn running_of(&self, volume: &str) -> Vec<String> {
        self.running.get(volume).into_iter().flatten().cloned().collect()
    }

    fn named_of(&self, volume: &str) -> Vec<String> {
        let named = self.named.iter().filter(|(name, _)| is_one_of(volume, name));
        let owners: BTreeSet<&String> = named.flat_map(|(_, owners)| owners).collect();
        owners.into_iter().cloned().collect()
    }
}

/// Whether a volume has this name, with any instance where the name has one.
fn is_one_of(volume: &str, name: &str) -> bool {
    match (name.split_once(ANY), name.rsplit_once(ANY)) {
        (Some((first, _)), Some((_, last))) => {
            volume.len() > first.len() + last.len() && volume.starts_with(first) && volume.ends_with(last)
        }
        _ => volume == name,
    }
}

/// A name with its specifiers expanded; those that stand for what is not known of a template by [`ANY`].
fn volume_name(name: &str, specifiers: &Specifiers, is_template: bool) -> Option<String> {
    let value = |c| match is_template && "iIfnN".contains(c) {
        true => Some(ANY.to_owned()),
        false => specifiers.value(c),
    };
    specifier::expand(name, &value).ok()
}

/// Names of the volumes of a pod's members.
fn of_pod<'a>(pod: &'a Pod, paths: &'a Paths) -> impl Iterator<Item = String> + 'a {
    pod.members.iter().flat_map(move |member| {
        let specifiers = Specifiers::new(pod.name.member_unit(&member.name), paths);
        let names = member
            .volumes
            .iter()
            .filter_map(|volume| volume.volume.as_deref());
        names
            .filter_map(|name| volume_name(name, &specifiers, pod.name.is_template()))
            .collect::<Vec<String>>()
    })
}

/// What a `.volume` says. An instance is what its template says.
fn compiled_volume(paths: &Paths, name: &ResourceName) -> Result<Volume, CompiledError> {
    let own = compiled::definition(paths, Owner::Volume(name.clone()));
    match (own, name.template()) {
        (Err(CompiledError::NoDefinition { .. }), Some(template)) => Ok(Volume {
            name: name.clone(),
            ..compiled::definition(paths, Owner::Volume(template))?
        }),
        (own, _) => own,
    }
}

/// The same, its specifiers expanded.
fn defined(paths: &Paths, name: &ResourceName) -> anyhow::Result<Volume> {
    let volume = compiled_volume(paths, name)?;
    let specifiers = Specifiers::new(volume.unit(), paths);
    let expand = |key: &str, text: &str| {
        specifier::expand(text, &|c| specifiers.value(c)).with_context(|| format!("{key}={text}"))
    };
    let maybe = |key: &str, text: &Option<String>| text.as_ref().map(|text| expand(key, text)).transpose();
    let mount = match &volume.mount {
        Some(source) => Some(VolumeSource {
            kind: expand("Type", &source.kind)?,
            device: expand("Device", &source.device)?,
            options: maybe("Options", &source.options)?,
        }),
        None => None,
    };
    Ok(Volume {
        volume: expand("VolumeName", &volume.volume)?,
        user: maybe("User", &volume.user)?,
        group: maybe("Group", &volume.group)?,
        mount,
        ..volume
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_the_volumes_of_all_its_instances() {
        let specifiers = Specifiers::new("pod-web-app@.service", &Paths::default());
        let name = |name: &str| volume_name(name, &specifiers, true).unwrap();
        for (written, volume, is_named) in [
            ("systemd-data-%i", "systemd-data-a", true),
            ("systemd-data-%i", "systemd-data-", false),
            ("systemd-data-%i", "systemd-date-a", false),
            ("%i-data", "a-data", true),
            ("data", "data", true),
            ("data", "data-a", false),
            ("%i-%i", "a-a", true),
        ] {
            assert_eq!(is_one_of(volume, &name(written)), is_named, "{written} {volume}");
        }
    }
}
