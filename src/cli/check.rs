//! `podunit check`.

use super::output;
use crate::definition::{self, Definitions, LINTS, Lint, Lints, PROBLEMS, Refused};
use crate::diagnostic::{self, Problem, Record, Severity, nearest};
use crate::model::{Owner, Paths};
use anyhow::{Context, bail};
use serde::Serialize;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Without FILE, all definitions of the host are checked: those in /etc/podunit,
/run/podunit/definitions, /usr/local/share/podunit and /usr/share/podunit.
A FILE elsewhere is checked with the definitions beside it, so that a
container finds its pod; of a folder, all definitions in it and in the
folders in it are checked, together.

Examples:
  podunit check                          everything on this host
  podunit check /etc/podunit/web.pod     one pod and all that belongs to it
  podunit check --strict pods/           a folder, in a pipeline
  podunit check --format sarif pods/     for a service that reviews code
  podunit check --name web.pod - <web    what an editor holds
  podunit check --root /mnt/image        the definitions in a file tree

Exit status: 0 without errors, 1 with errors (with --strict: or warnings),
2 if the command line makes no sense or names what cannot be read.";

/// Longest text that is read from standard input: one byte more than a definition may have is enough.
const LONGEST: u64 = (1 << 20) + 1;

/// Check definitions of pods, and say what is wrong and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub struct Arguments {
    /// Definitions to check, `NAME.pod`, `NAME.container` and others, folders of them, or `-` for one on standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File tree whose definitions are checked.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// What standard input is checked as: a file of this name, with those beside it.
    #[arg(long, value_name = "FILE", default_value = "stdin.pod")]
    name: PathBuf,
    /// `text` on standard error, `json` or `sarif` (2.1.0) on standard output.
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    format: Format,
    /// Warnings count as errors do.
    #[arg(long)]
    strict: bool,
    /// Leave out warnings of this kind; `lints` for all that only this command looks for.
    #[arg(long, value_name = "CODE", value_parser = code)]
    allow: Vec<String>,
}

/// How the problems are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One JSON document of that standard.
    Sarif,
}

/// All kinds of problems, in the manual and in the help.
fn long_help() -> String {
    let list = |kinds: &[Lint]| -> String {
        let one = |kind: &Lint| format!("  {}\n      {}\n", kind.code, kind.doc);
        kinds.iter().map(one).collect()
    };
    format!(
        "{EXAMPLES}\n\nCodes of warnings that only this command looks for:\n{}\nOther codes:\n{}",
        list(LINTS),
        list(PROBLEMS).trim_end()
    )
}

/// A code that `--allow` takes.
fn code(text: &str) -> Result<String, String> {
    let codes = || {
        LINTS
            .iter()
            .chain(PROBLEMS)
            .map(|kind| kind.code)
            .chain(["lints"])
    };
    if codes().any(|code| code == text && code != diagnostic::INVALID) {
        return Ok(text.to_owned());
    }
    Err(match nearest::nearest(text, codes()) {
        _ if text == diagnostic::INVALID => "errors cannot be left out".to_owned(),
        Some(near) => format!("there is no such kind of warning; did you mean {near}?"),
        None => "there is no such kind of warning; podunit check --help lists them".to_owned(),
    })
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
/// None but those of the output: a file or root that does not exist, or a file that is no definition, is told of here.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut definitions = match read(arguments) {
        Ok(definitions) => definitions,
        Err(error) => {
            output::error(&error);
            return Ok(ExitCode::from(super::USAGE));
        }
    };
    definitions
        .problems
        .retain(|problem| !is_allowed(problem, &arguments.allow));
    let Definitions {
        pods,
        broken,
        refused,
        problems,
        sources,
        ..
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
        Format::Sarif => {
            let kinds = LINTS.iter().chain(PROBLEMS);
            let rules: Vec<(&str, &str)> = kinds.map(|kind| (kind.code, kind.doc)).collect();
            output::json(&diagnostic::sarif(problems, sources, &rules))?;
        }
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
            let of_use = |refused: &&Refused| {
                matches!(
                    refused.owner,
                    Owner::Volume(_) | Owner::Network(_) | Owner::Image(_)
                )
            };
            for Refused { owner, .. } in refused.iter().filter(of_use) {
                text.push_str(&format!(
                    "The {owner} cannot be made until its errors are repaired.\n"
                ));
            }
            text.push_str(&summary(pods.len(), broken.len(), errors, warnings));
            // A closed standard error leaves nobody to tell.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
    Ok(if errors > 0 || arguments.strict && warnings > 0 {
        ExitCode::from(super::FAILURE)
    } else {
        ExitCode::SUCCESS
    })
}

fn is_allowed(problem: &Problem, allowed: &[String]) -> bool {
    let is_lint = LINTS.iter().any(|lint| lint.code == problem.code);
    let is_one = |code: &String| code == problem.code || code == "lints" && is_lint;
    problem.severity == Severity::Warning && allowed.iter().any(is_one)
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
    let Arguments {
        root, files, name, ..
    } = arguments;
    if !root.is_dir() {
        bail!("{} is not a directory: --root takes a file tree", root.display());
    }
    let paths = Paths::new(root);
    let is_host = root.canonicalize().is_ok_and(|root| root == Path::new("/"));
    let lints = Lints {
        of_this_host: is_host,
    };
    let input = Path::new("-");
    if files.iter().any(|file| file == input) {
        if files.len() > 1 {
            bail!("`-` stands alone: standard input is one definition, called as --name says");
        }
        check_kind(name)?;
        let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            bail!("{} is not a directory: --name is a file in one", folder.display());
        }
        let mut text = Vec::new();
        let read = io::stdin().take(LONGEST).read_to_end(&mut text);
        read.context("standard input cannot be read")?;
        return Ok(definition::check_text(&paths, name.clone(), text, lints));
    }
    if files.is_empty() {
        return Ok(definition::check(&paths, lints));
    }
    for file in files {
        can_be_checked(file)?;
    }
    Ok(definition::check_files(&paths, files, lints))
}

/// Whether it is a definition, or a folder with some.
fn can_be_checked(file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    let status = file.metadata().or_else(|_| file.symlink_metadata());
    if !status
        .with_context(|| format!("{shown} cannot be checked"))?
        .is_dir()
    {
        return check_kind(file);
    }
    file.read_dir()
        .with_context(|| format!("{shown} cannot be checked"))?;
    if definition::definitions_below(file).is_empty() {
        bail!("there is no definition in {shown}: their names end in .pod or .container");
    }
    Ok(())
}

fn check_kind(file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".conf") {
        bail!("{shown} is a drop-in: name the definition that it belongs to, such as NAME.pod");
    }
    if !definition::is_definition(&name) {
        bail!(
            "{shown} is not a definition: their names end in .pod, .container, .volume or .image, and begin with no \
             dot"
        );
    }
    Ok(())
}
