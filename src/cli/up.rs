//! `podunit up`: a pod without a file in /etc, gone at reboot.

mod copy;
mod progress;
pub(super) mod record;

use super::target::on_bus;
use crate::definition::{self, Definitions};
use crate::diagnostic::{self, Severity};
use crate::model::{Paths, Pod, PodName};
use crate::systemd::{job, manager};
use anyhow::{Context, bail};
use copy::Copy;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
The definitions are checked, copied to /run/podunit/definitions, and their pods
started; relative paths in them stay what they are. A pod that this has started
before is restarted if its definition has changed. What is defined elsewhere on
the host, such as in /etc/podunit, is left alone: such a pod is refused.

Examples:
  podunit up web.pod
  podunit up shop/          all definitions of a folder and those in it
  podunit down web          stops it and takes its definition away

Exit status: 0 if every pod is ready, 1 if one is not, 2 if the command line
makes no sense. If a definition has an error, nothing is changed.";

/// Start a pod from a definition anywhere, until the next boot.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A definition, with which those beside it go that belong to the pod, or a folder of definitions.
    #[arg(value_name = "FILE|DIR")]
    from: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let from = &arguments.from;
    can_be_read(from)?;
    let files = std::slice::from_ref(from);
    // As the user has called them, so that problems are told of where they can be repaired.
    let first = definition::read_files(paths, files);
    let is_whole = tell(&first);
    if !is_whole {
        bail!("nothing was changed: repair the errors first");
    }
    let lock = record::lock(paths)?;
    let mut copy = Copy::of(paths, &definition::parts(paths, files))?;
    let known: Vec<PodName> = first.pods.iter().map(|pod| pod.name.clone()).collect();
    copy.leave_out(record::stale(paths, &known, &copy.names()));
    let before = definition::read(paths);
    let made = copy.make(paths)?;
    // Again with all that the host has: names and units may be taken.
    let brought = match brought(&before, &made, paths) {
        Ok(brought) => brought,
        Err(error) => {
            made.undo();
            return Err(error.context("nothing was changed"));
        }
    };
    let has_changed = |(pod, files): (&PodName, &BTreeSet<PathBuf>)| {
        let known = record::read(paths, pod).unwrap_or_default();
        let has = files.union(&known).any(|file| made.changed.contains(file));
        (pod.clone(), has)
    };
    let pods: Vec<(PodName, bool)> = brought.iter().map(has_changed).collect();
    if let Err(error) = record::write(paths, &brought) {
        made.undo();
        return Err(error);
    }
    let started = on_bus(async |bus| {
        manager::reload(&bus)
            .await
            .context("systemd cannot read its units again")?;
        // Others may come now: what is started is recorded.
        drop(lock);
        job::subscribe(&bus).await?;
        let mut failed = Vec::new();
        for (pod, has_changed) in &pods {
            let kind = match has_changed {
                true => job::Kind::Restart,
                false => job::Kind::Start,
            };
            if let Err(why) = progress::start(&bus, pod, kind).await? {
                failed.push((pod, why));
            }
        }
        Ok(failed)
    })?;
    for (pod, why) in &started {
        let why = diagnostic::printable(why).into_owned();
        super::output::error(&anyhow::anyhow!(
            "the pod {pod} is not ready: {why}; `podunit status {pod}` and `podunit logs {pod}` say more, \
             `podunit down {pod}` takes it away"
        ));
    }
    Ok(if started.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::FAILURE)
    })
}

/// Whether a definition is named, or a folder with some.
fn can_be_read(from: &Path) -> anyhow::Result<()> {
    let shown = from.display();
    if !from
        .metadata()
        .with_context(|| format!("{shown} cannot be read"))?
        .is_dir()
    {
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        if !definition::is_definition(&name) {
            bail!(
                "{shown} is not a definition: `podunit import` makes one of a compose file or a command line"
            );
        }
        return Ok(());
    }
    from.read_dir()
        .with_context(|| format!("{shown} cannot be read"))?;
    if definition::definitions_below(from).is_empty() {
        bail!("there is no definition in {shown}");
    }
    Ok(())
}

/// Shows what is wrong; whether nothing is.
fn tell(definitions: &Definitions) -> bool {
    let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = diagnostic::render(&definitions.problems, &definitions.sources, color);
    // A closed standard error leaves nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
    let is_error = |problem: &diagnostic::Problem| problem.severity == Severity::Error;
    !definitions.problems.iter().any(is_error)
}

/// The pods that came of what was copied, each with the files that are its own or shared, if they are whole, nobody
/// else's, and break no other pod. A template comes along with its instances.
fn brought(
    before: &Definitions,
    made: &copy::Made,
    paths: &Paths,
) -> anyhow::Result<BTreeMap<PodName, BTreeSet<PathBuf>>> {
    let after = definition::read(paths);
    let is_new = |problem: &&diagnostic::Problem| {
        problem.severity == Severity::Error && !before.problems.contains(problem)
    };
    let errors: Vec<_> = after.problems.iter().filter(is_new).cloned().collect();
    if !errors.is_empty() {
        let text = diagnostic::render(&errors, &after.sources, false);
        bail!("{}", text.trim_end());
    }
    let copied = |source: &Path| made.definitions.contains(&paths.under(source));
    let mut pods = Vec::new();
    for pod in &after.pods {
        if copied(&pod.source) {
            pods.push(pod);
        } else if pod.members.iter().any(|member| copied(&member.source)) {
            let (name, source) = (&pod.name, pod.source.display());
            bail!("the pod {name} is defined in {source}: put the container beside it, or name another pod");
        }
    }
    let started: Vec<&&Pod> = pods.iter().filter(|pod| !pod.name.is_template()).collect();
    let brought: BTreeMap<PodName, BTreeSet<PathBuf>> = started
        .iter()
        .map(|pod| {
            let others = started.iter().filter(|other| other.name != pod.name);
            let others: Vec<&Path> = others.flat_map(|other| files_of(other)).collect();
            let is_others = |file: &&PathBuf| others.iter().any(|other| is_part_of(file, other));
            let own: Vec<&Path> = files_of(pod).collect();
            let is_own = |file: &PathBuf| own.iter().any(|own| is_part_of(file, own));
            let files = made.names.iter().filter(|file| is_own(file) || !is_others(file));
            (pod.name.clone(), files.cloned().collect())
        })
        .collect();
    match pods.first() {
        None => bail!("no pod comes of these files"),
        Some(template) if brought.is_empty() => bail!(
            "{} is a template, which is not started itself: put it into /etc/podunit and start an instance of it, or \
             bring a link to it along, such as {}x.pod",
            template.source.display(),
            template.name
        ),
        Some(_) => Ok(brought),
    }
}

/// The definitions of a pod and its members.
fn files_of(pod: &Pod) -> impl Iterator<Item = &Path> {
    let members = pod.members.iter().map(|member| member.source.as_path());
    std::iter::once(pod.source.as_path()).chain(members)
}

/// Whether a file below the folder of definitions is this definition, or a drop-in of it.
fn is_part_of(file: &Path, definition: &Path) -> bool {
    let Some(name) = definition.file_name() else {
        return false;
    };
    let mut drop_ins = name.to_os_string();
    drop_ins.push(".d");
    file == Path::new(name) || file.starts_with(drop_ins)
}
