//! `podunit check`.

use super::output::{self, Format};
use crate::definition::{self, Definitions};
use crate::diagnostic::{self, Record, Severity};
use crate::model::Paths;
use anyhow::{Context, bail};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Without FILE, all definitions of the host are checked: those in /etc/podunit,
/run/podunit/definitions, /usr/local/share/podunit and /usr/share/podunit.
A FILE elsewhere is checked with the definitions beside it, so that a
container finds its pod.

Examples:
  podunit check                          everything on this host
  podunit check /etc/podunit/web.pod     one pod and all that belongs to it
  podunit check --format json pods/*.pod for an editor or a pipeline
  podunit check --root /mnt/image        the definitions in a file tree

Exit status: 0 without errors (warnings are shown), 1 with errors, 2 if the
command line makes no sense.";

/// Check definitions of pods, and say what is wrong and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Definitions to check, `NAME.pod` or `NAME.container`.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File tree whose definitions are checked.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// `text` on standard error, or `json` on standard output.
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    format: Format,
}

/// What a program reads.
#[derive(Debug, Serialize)]
struct Report {
    pods: Vec<String>,
    broken: Vec<String>,
    errors: usize,
    warnings: usize,
    problems: Vec<Record>,
}

/// Runs the command.
///
/// # Errors
/// A file or root that does not exist, or a file that is no definition.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let definitions = read(arguments)?;
    let Definitions {
        pods,
        broken,
        problems,
        sources,
    } = &definitions;
    let count = |severity| {
        problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match arguments.format {
        Format::Json => output::json(&Report {
            pods: pods.iter().map(|pod| pod.name.to_string()).collect(),
            broken: broken.iter().map(|pod| pod.name.to_string()).collect(),
            errors,
            warnings,
            problems: problems
                .iter()
                .map(|problem| Record::new(problem, sources))
                .collect(),
        })?,
        Format::Text => {
            let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let mut text = diagnostic::render(problems, sources, color);
            if !text.is_empty() {
                text.push('\n');
            }
            for pod in broken {
                text.push_str(&format!(
                    "The pod {} cannot be made until its errors are repaired.\n",
                    pod.name
                ));
            }
            text.push_str(&summary(pods.len(), broken.len(), errors, warnings));
            // A closed standard error leaves nobody to tell.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
    Ok(if errors > 0 {
        ExitCode::from(super::FAILURE)
    } else {
        ExitCode::SUCCESS
    })
}

fn summary(whole: usize, broken: usize, errors: usize, warnings: usize) -> String {
    let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let problems = match (errors, warnings) {
        (0, 0) => "no problem".to_owned(),
        (0, warnings) => many(warnings, "warning"),
        (errors, 0) => many(errors, "error"),
        (errors, warnings) => format!("{}, {}", many(errors, "error"), many(warnings, "warning")),
    };
    let pods = match broken {
        0 => many(whole, "pod"),
        broken => format!("{}, {broken} of them broken", many(whole + broken, "pod")),
    };
    format!("podunit check: {pods}; {problems}\n")
}

fn read(arguments: &Arguments) -> anyhow::Result<Definitions> {
    if !arguments.root.is_dir() {
        bail!(
            "{} is not a directory: --root takes a file tree",
            arguments.root.display()
        );
    }
    let paths = Paths::new(&arguments.root);
    if arguments.files.is_empty() {
        return Ok(definition::read(&paths));
    }
    arguments.files.iter().try_for_each(|file| check_name(file))?;
    Ok(definition::read_files(&paths, &arguments.files))
}

fn check_name(file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    file.symlink_metadata()
        .with_context(|| format!("{shown} cannot be checked"))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".conf") {
        bail!("{shown} is a drop-in: name the definition that it belongs to, NAME.pod or NAME.container");
    }
    if !definition::is_definition(&name) {
        bail!("{shown} is not a definition: their names end in .pod or .container, and begin with no dot");
    }
    Ok(())
}
