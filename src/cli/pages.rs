//! `podunit pages`: manual pages and completions, made from the tables that the program itself works by. Packages call
//! it when they are built.

use super::Arguments as Podunit;
use crate::definition;
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The page of definitions, with places for the tables of keys.
const POD_PAGE: &str = include_str!("../../packaging/man/podunit.pod.5");

/// Pages that are as they were written.
const PAGES: [(&str, &str); 3] = [
    (
        "podunit.conf.5",
        include_str!("../../packaging/man/podunit.conf.5"),
    ),
    (
        "podunit.signals.7",
        include_str!("../../packaging/man/podunit.signals.7"),
    ),
    (
        "org.podunit.Pod1.5",
        include_str!("../../packaging/man/org.podunit.Pod1.5"),
    ),
];

/// Write manual pages (man/), completions (completions/) and the table of Quadlet's keys (docs/) into a folder.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder; made if it is not there.
    dir: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (man, completions) = (arguments.dir.join("man"), arguments.dir.join("completions"));
    for dir in [&man, &completions] {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    clap_mangen::generate_to(Podunit::command().disable_help_subcommand(true), &man)
        .with_context(|| format!("cannot write manual pages to {}", man.display()))?;
    write(&man.join("podunit.pod.5"), &pod_page())?;
    for (name, page) in PAGES {
        write(&man.join(name), page)?;
    }
    let docs = arguments.dir.join("docs");
    fs::create_dir_all(&docs).with_context(|| format!("cannot make {}", docs.display()))?;
    write(&docs.join("compatibility.md"), &compatibility())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Podunit::command(), "podunit", &completions)
            .with_context(|| format!("cannot write completions to {}", completions.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// podunit.pod(5): every key of the tables.
fn pod_page() -> String {
    ["Pod", "Container", "Volume", "Network", "Image"]
        .into_iter()
        .fold(POD_PAGE.to_owned(), |page, section| {
            page.replace(&format!("@KEYS {section}@"), &keys(section))
                .replace(&format!("@EXTENSIONS {section}@"), &extensions(section))
        })
}

/// The keys of a section as a list of roff paragraphs: first those that do something, then the others of Quadlet.
fn keys(section: &str) -> String {
    let mut honoured = String::new();
    let mut others = String::new();
    for key in definition::documented_keys(section) {
        match key.instead {
            // Writing to a string cannot fail.
            None => drop(write!(honoured, ".TP\n.B {}=\n{}.\n", key.name, roff(key.doc))),
            Some(instead) => drop(write!(
                others,
                ".TP\n.B {}=\n{}: {}.\n",
                key.name,
                key.verdict,
                roff(instead)
            )),
        }
    }
    format!("{honoured}.PP\nThe other keys of Quadlet:\n{others}")
        .trim_end()
        .to_owned()
}

/// The keys of a section that Quadlet does not know, in one sentence.
fn extensions(section: &str) -> String {
    let keys = definition::documented_keys(section).filter(|key| key.is_extension);
    let names: Vec<String> = keys.map(|key| format!("\\fB{}=\\fR", key.name)).collect();
    names.join(",\n")
}

/// docs/compatibility.md: what each key of Quadlet is here.
fn compatibility() -> String {
    let mut text = COMPATIBILITY.to_owned();
    for section in definition::DOCUMENTED {
        text += &format!("\n## [{section}]\n\n| key | answer | note |\n| --- | --- | --- |\n");
        for key in definition::documented_keys(section) {
            let note = key.instead.unwrap_or(key.doc).replace('|', "\\|");
            text += &format!("| `{}=` | {} | {note} |\n", key.name, key.verdict);
        }
    }
    text
}

/// What stands before its tables.
const COMPATIBILITY: &str = "\
# Quadlet's keys, one by one

Made from the table that the program itself reads definitions by (`src/definition/keys.rs`): `podunit pages` writes this
page, and a test holds the two together. A key is *honoured*; *accepted, without effect*, with a warning that says why;
or *refused*, with what to write instead. Keys that Quadlet does not have are in the tables too. What they mean in
detail is in podunit.pod(5).
";

/// Text as roff reads it: backslashes and leading dots are its own.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_on_the_page() {
        let page = pod_page();
        for section in ["Pod", "Container", "Volume", "Network", "Image"] {
            for key in definition::documented_keys(section) {
                assert!(page.contains(&format!(".B {}=", key.name)), "{}", key.name);
            }
        }
        assert!(!page.contains("@KEYS") && !page.contains("@EXTENSIONS"));
        assert!(page.contains("\\fBShare=\\fR") && page.contains("\\fBSignalMap=\\fR"));
    }

    #[test]
    fn the_table_of_keys_in_the_repository_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, compatibility()).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == compatibility(), "UPDATE=1 writes {} anew", path.display());
    }
}
