//! `podunit import`: definitions from what people have elsewhere.

mod settle;
mod source;

use super::output;
use crate::diagnostic::printable;
use crate::import::compose;
use crate::import::write::Text;
use crate::import::{self, Imported, Note, inspect, kube, run, unit};
use crate::model::PodName;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
The definitions are written to standard output, or into the folder that
--output names. What could not be carried over is listed on standard error,
each with the reason. What is written has been read back: it is valid.

Examples:
  podunit import run -- docker run -d --name web -p 80:80 nginx:1.29
  podunit import run 'podman run --name web nginx:1.29'
  podunit import run < commands.sh
  podunit import compose --output /etc/podunit
  podunit import compose --profile debug shop/compose.yaml
  podunit import unit /etc/systemd/system/container-*.service
  podman inspect web | podunit import inspect
  podunit import kube deployment.yaml

Exit status: 0 if definitions were written, 1 if none were, 2 if the command
line makes no sense.";

/// Make definitions of what people have elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

/// What it is.
#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// Command lines: `podman run`, `podman create`, `podman pod create`, `docker run`.
    Run(Run),
    /// A compose file.
    Compose(Compose),
    /// Units of `podman generate systemd --new`.
    Unit(Files),
    /// What `podman inspect`, `podman pod inspect` or `docker inspect` prints.
    Inspect(Files),
    /// Kubernetes YAML: Pod, Deployment, DaemonSet, Job and what they refer to.
    Kube(Files),
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    result: Destination,
    /// The command, as words behind `--` or as one text; without it, commands are read from standard input.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Compose {
    #[command(flatten)]
    result: Destination,
    /// Take in services of this profile; `*` for all.
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
    /// File of variables, in the place of .env beside the compose file; variables of the environment come first.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// The file, its folder, or `-` for standard input; compose.yaml here if absent.
    #[arg(value_name = "FILE", default_value = ".")]
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Files {
    #[command(flatten)]
    result: Destination,
    /// The files; standard input if there is none.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Where the result goes, and in which form.
#[derive(Debug, clap::Args)]
struct Destination {
    /// Name of the pod, if there is one.
    #[arg(long, value_name = "POD")]
    name: Option<String>,
    /// Write each container into a file of its own, as Quadlet has them.
    #[arg(long)]
    split: bool,
    /// Folder to write the files to, made if it is not there.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
///
/// # Errors
/// A text from which nothing can be made, or a file that cannot be read or written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir().context("the current folder cannot be found")?;
    let (result, name, imported) = match &arguments.kind {
        Kind::Run(run) => (&run.result, "command", of_commands(run, &here)?),
        Kind::Compose(compose) => (&compose.result, "compose file", of_compose(compose, &here)?),
        Kind::Unit(files) => {
            let texts = source::all(&files.files)?;
            (&files.result, "unit", unit::import(&texts, &here)?)
        }
        Kind::Inspect(files) => (&files.result, "input", each(files, inspect::import)?),
        Kind::Kube(files) => (&files.result, "file", each(files, kube::import)?),
    };
    write(result, name, imported)
}

fn of_commands(run: &Run, here: &Path) -> anyhow::Result<Imported> {
    let command: &[String] = &run.command;
    if command.is_empty() || command == ["-"] {
        return Ok(run::import(&source::input()?, here)?);
    }
    Ok(run::import_words(command, here)?)
}

fn of_compose(arguments: &Compose, here: &Path) -> anyhow::Result<Imported> {
    let (file, text) = source::compose(&arguments.file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let base = here.join(folder.unwrap_or(Path::new("")));
    let base = base.canonicalize().unwrap_or(base);
    let mut variables = match &arguments.env_file {
        Some(file) => compose::variables(&source::read(file)?),
        None => source::read(&base.join(".env"))
            .map_or_else(|_| BTreeMap::new(), |text| compose::variables(&text)),
    };
    let own = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.extend(own);
    let options = compose::Options {
        name: arguments.result.name.clone(),
        base,
        profiles: arguments.profile.clone(),
        variables,
    };
    let imported = compose::import(&text, &options);
    imported.with_context(|| printable(&file.to_string_lossy()).into_owned())
}

/// Each file by itself, the results in one.
fn each(
    arguments: &Files,
    import: impl Fn(&str) -> Result<Imported, import::ImportError>,
) -> anyhow::Result<Imported> {
    let mut all = Imported::default();
    for (name, text) in source::all(&arguments.files)? {
        let Imported { files, notes } = import(&text).with_context(|| printable(&name).into_owned())?;
        all.files.pods.extend(files.pods);
        all.files.others.extend(files.others);
        all.notes.extend(notes);
    }
    Ok(all)
}

fn write(arguments: &Destination, what: &str, mut imported: Imported) -> anyhow::Result<ExitCode> {
    if let Some(name) = &arguments.name {
        let name = PodName::new(name).with_context(|| format!("`{name}` cannot be the name of a pod"))?;
        match imported.files.pods.as_mut_slice() {
            [pod] => pod.name = name.to_string(),
            pods => bail!(
                "--name names one pod, and there are {} in this {what}",
                pods.len()
            ),
        }
    }
    let settled = settle::settle(&imported.files, arguments.split, imported.notes);
    let settle::Settled { texts, notes } =
        settled.with_context(|| format!("this {what} cannot become definitions"))?;
    match &arguments.output {
        Some(folder) => into(folder, &texts, arguments.force)?,
        None => print(&texts),
    }
    tell(&notes);
    Ok(ExitCode::SUCCESS)
}

fn print(texts: &[Text]) {
    if let [text] = texts {
        output::line(text.text.trim_end());
        return;
    }
    for (at, text) in texts.iter().enumerate() {
        let gap = if at == 0 { "" } else { "\n" };
        output::line(format!("{gap}# {}\n{}", text.file, text.text.trim_end()));
    }
}

/// All files or none.
fn into(folder: &Path, texts: &[Text], force: bool) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let taken = texts
        .iter()
        .map(|text| folder.join(&text.file))
        .find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = taken.filter(|_| !force) {
        bail!(
            "{} is there already: --force writes over it, --name gives the pod another name",
            path.display()
        );
    }
    for text in texts {
        let path = folder.join(&text.file);
        crate::sys::file::replace(&path, text.text.as_bytes(), 0o644)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let _ = writeln!(io::stderr(), "podunit import: {} is written", path.display());
    }
    Ok(())
}

/// What could not be carried over.
fn tell(notes: &[Note]) {
    let mut text = match notes.len() {
        0 => return,
        1 => "podunit import: one thing could not be carried over:\n".to_owned(),
        many => format!("podunit import: {many} things could not be carried over:\n"),
    };
    for note in notes {
        let line = note.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        text.push_str(&format!(
            "  {line}{}: {}\n",
            printable(&note.what),
            printable(&note.why)
        ));
    }
    // A closed standard error leaves nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}
