//! What was imported, read back by the reader of definitions: lines that it refuses are taken out, each with its reason,
//! until the rest is valid.

use crate::definition::{self, Definitions};
use crate::diagnostic::{self, Place, Problem, Severity};
use crate::import::Note;
use crate::import::file::Files;
use crate::import::write::{self, Text};
use crate::model::Paths;
use anyhow::{Context, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Most rounds: what is taken out can make another line wrong, and no chain of that is long.
const MOST_ROUNDS: usize = 20;
/// Where definitions are, below the root.
const FOLDER: &str = "etc/podunit";

/// Valid definitions, and what is not in them.
pub(super) struct Settled {
    /// The files.
    pub(super) texts: Vec<Text>,
    /// What could not be carried over.
    pub(super) notes: Vec<Note>,
}

/// Writes the definitions so that they are valid.
///
/// # Errors
/// What is wrong is more than lines.
pub(super) fn settle(files: &Files, split: bool, mut notes: Vec<Note>) -> anyhow::Result<Settled> {
    let mut texts = write::write(files, split, &mut notes);
    let mut names: Vec<&str> = texts.iter().map(|text| text.file.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|two| two[0] == two[1]) {
        bail!(
            "two files would be called {}: import one at a time, with --name, or without --split",
            twice[0]
        );
    }
    let root = Root::make()?;
    for _ in 0..MOST_ROUNDS {
        let definitions = root.read_back(&texts)?;
        let errors = definitions
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error);
        let errors: Vec<&Problem> = errors.collect();
        if errors.is_empty() {
            warnings(&definitions, &mut notes);
            return Ok(Settled { texts, notes });
        }
        if !take_out(&errors, &mut texts, &mut notes) {
            let text = diagnostic::render(&definitions.problems, &definitions.sources, false);
            bail!("what was made of it is not valid:\n{}", text.trim_end());
        }
    }
    bail!("what was made of it is not valid, and became no better by taking lines out");
}

/// Takes out the lines, or files, that problems are about; whether there were any.
fn take_out(errors: &[&Problem], texts: &mut Vec<Text>, notes: &mut Vec<Note>) -> bool {
    let mut lines: Vec<(PathBuf, usize, &Problem)> = Vec::new();
    let mut found = false;
    for error in errors {
        let file = error
            .place
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(at) = texts.iter().position(|text| text.file == file) else {
            continue;
        };
        let text = &texts[at].text;
        let line = |place: &Place| {
            let start = text.get(..place.bytes?.0)?.rfind('\n').map_or(0, |at| at + 1);
            let line = text[start..].lines().next()?;
            (!line.starts_with('[') && line.contains('=') && !is_needed(line)).then_some(start)
        };
        // What is wrong with a section as a whole is so by a line of it that is pointed at too.
        let other = error.other.as_ref().map(|(place, _)| place);
        let other = other.filter(|other| other.path == error.place.path);
        let line = line(&error.place).or_else(|| line(other?));
        match line {
            Some(start) => lines.push((PathBuf::from(&file), start, error)),
            // A volume or network that this version has no word for; what refers to it goes too.
            None if !file.ends_with(".pod") && !file.ends_with(".container") => {
                notes.push(Note::new(file, reason(error, "")));
                texts.remove(at);
                found = true;
            }
            None => {}
        }
    }
    // From the end, so that the places before stay what they are; a line once, however much is wrong with it.
    lines.sort_by(|a, b| (&b.0, b.1).cmp(&(&a.0, a.1)));
    lines.dedup_by(|a, b| (&a.0, a.1) == (&b.0, b.1));
    let mut taken = Vec::new();
    for (file, start, error) in lines {
        let text = texts.iter_mut().find(|text| Path::new(&text.file) == file);
        let Some(text) = text.map(|text| &mut text.text) else {
            continue;
        };
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at + 1);
        let line = text[start..end].trim_end().to_owned();
        text.replace_range(start..end, "");
        taken.push(Note::new(line.clone(), reason(error, &line)));
        found = true;
    }
    notes.extend(taken.into_iter().rev());
    found
}

/// Lines without which there is nothing.
fn is_needed(line: &str) -> bool {
    ["Image=", "Rootfs=", "Pod="]
        .iter()
        .any(|key| line.starts_with(key))
}

/// Why, and what to do, without what was written once more.
fn reason(problem: &Problem, line: &str) -> String {
    let message = problem
        .message
        .strip_prefix(line)
        .and_then(|rest| rest.strip_prefix(": "));
    let message = message.unwrap_or(&problem.message);
    match &problem.help {
        Some(help) => format!("{message}; {help}"),
        None => message.to_owned(),
    }
}

/// What is accepted and changes nothing is not carried over either.
fn warnings(definitions: &Definitions, notes: &mut Vec<Note>) {
    for problem in &definitions.problems {
        let source = definitions
            .sources
            .iter()
            .find(|source| source.path == problem.place.path);
        let line = source.zip(problem.place.bytes).and_then(|(source, (start, _))| {
            let start = source.text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
            source.text[start..].lines().next()
        });
        let what = line.unwrap_or_default();
        notes.push(Note::new(what, reason(problem, what)));
    }
}

/// A file tree in which the texts lie while they are read.
struct Root(PathBuf);

impl Root {
    fn make() -> anyhow::Result<Self> {
        let template = std::env::temp_dir().join("podunit-import-XXXXXX");
        let root = nix::unistd::mkdtemp(&template).context("cannot make a folder for the definitions")?;
        Ok(Self(root))
    }

    fn read_back(&self, texts: &[Text]) -> anyhow::Result<Definitions> {
        let folder = self.0.join(FOLDER);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).context("cannot make a folder for the definitions")?;
        for text in texts {
            let path = folder.join(&text.file);
            fs::write(&path, &text.text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(definition::read(&Paths::new(&self.0)))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // What stays is a few texts in the folder for such.
        let _ = fs::remove_dir_all(&self.0);
    }
}
