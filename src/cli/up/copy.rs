//! Definitions copied to where the generator looks for them, and taken back if they cannot stay.

use crate::model::Paths;
use crate::sys::file;
use crate::unitfile::{parse, words};
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Largest text of a definition.
const LARGEST: u64 = 1 << 20;

/// What is to be copied.
pub(super) struct Copy {
    /// Paths below the folder of definitions, and texts.
    files: Vec<(PathBuf, String)>,
    /// Paths below it of what an earlier call has brought, and is there no more.
    gone: Vec<PathBuf>,
}

/// What was copied.
pub(super) struct Made {
    /// Paths below the folder of definitions.
    pub(super) names: Vec<PathBuf>,
    /// Paths of those that are definitions, not drop-ins.
    pub(super) definitions: Vec<PathBuf>,
    /// Paths below the folder of definitions of what is otherwise than it was, or gone.
    pub(super) changed: BTreeSet<PathBuf>,
    /// What was there before.
    before: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Copy {
    /// Reads definitions and drop-ins, relative paths in them made absolute.
    pub(super) fn of(paths: &Paths, parts: &BTreeSet<PathBuf>) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for part in parts {
            let shown = part.display();
            let name = part
                .file_name()
                .map(PathBuf::from)
                .with_context(|| format!("{shown} has no name"))?;
            let folder = part.parent().unwrap_or(Path::new(""));
            let owner = folder
                .file_name()
                .filter(|_| name.extension().is_some_and(|extension| extension == "conf"));
            let below = owner.map_or_else(|| name.clone(), |owner| Path::new(owner).join(&name));
            // A drop-in has its paths relative to the definition, which stands beside its folder.
            let text = file::read_text(part, LARGEST).with_context(|| format!("{shown} cannot be read"))?;
            let base = if owner.is_some() {
                folder.parent().unwrap_or(Path::new(""))
            } else {
                folder
            };
            let base = absolute(base)?;
            elsewhere(paths, &below)?;
            // Beside all definitions of the host, one for a kind or a prefix would hold for those too.
            let is_of = |part: &PathBuf| {
                let file = part.file_name().and_then(|file| file.to_str());
                file.zip(owner.and_then(|owner| owner.to_str()))
                    .is_some_and(|(file, owner)| owner.strip_suffix(".d") == Some(file))
            };
            if owner.is_some() && !parts.iter().any(is_of) {
                bail!(
                    "{shown} is for more than one definition: `podunit up` takes what is in the folder of one, such as \
                     web.pod.d; put it there, or all of it into /etc/podunit"
                );
            }
            files.push((below, anchored(&text, &base)));
        }
        let gone = Vec::new();
        Ok(Self { files, gone })
    }

    /// Paths below the folder of definitions.
    pub(super) fn names(&self) -> Vec<PathBuf> {
        self.files.iter().map(|(below, _)| below.clone()).collect()
    }

    /// Has files removed that the pods no longer have.
    pub(super) fn leave_out(&mut self, gone: Vec<PathBuf>) {
        self.gone = gone;
    }

    /// Writes all of them.
    pub(super) fn make(self, paths: &Paths) -> anyhow::Result<Made> {
        let folder = paths.passing_definitions();
        let mut made = Made {
            names: Vec::new(),
            definitions: Vec::new(),
            changed: BTreeSet::new(),
            before: Vec::new(),
        };
        for (below, text) in self.files {
            let path = folder.join(&below);
            let before = fs::read(&path).ok();
            if before.as_deref() != Some(text.as_bytes()) {
                made.changed.insert(below.clone());
            }
            made.before.push((path.clone(), before));
            let written = path.parent().map_or(Ok(()), fs::create_dir_all);
            // It may hold secrets.
            let written = written.and_then(|()| file::replace(&path, text.as_bytes(), 0o600));
            if let Err(error) = written {
                made.undo();
                return Err(error).with_context(|| format!("cannot write {}", path.display()));
            }
            if below.components().count() == 1 {
                made.definitions.push(path);
            }
            made.names.push(below);
        }
        for below in self.gone {
            let path = folder.join(&below);
            made.before.push((path.clone(), fs::read(&path).ok()));
            made.changed.insert(below);
            // What cannot be removed shows in what is read then.
            let _ = fs::remove_file(&path);
        }
        Ok(made)
    }
}

impl Made {
    /// Puts everything back as it was.
    pub(super) fn undo(self) {
        for (path, before) in self.before {
            // What cannot be undone is found by `podunit check`.
            let _ = match before {
                Some(text) => file::replace(&path, &text, 0o600),
                None => fs::remove_file(&path),
            };
            // The folder of drop-ins, if it is empty.
            let _ = path
                .parent()
                .filter(|folder| folder.extension().is_some())
                .map(fs::remove_dir);
        }
    }
}

fn absolute(folder: &Path) -> anyhow::Result<PathBuf> {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    here.canonicalize()
        .with_context(|| format!("{} cannot be found", here.display()))
}

/// Nothing that is installed is hidden, and nothing that hides this is written over.
fn elsewhere(paths: &Paths, below: &Path) -> anyhow::Result<()> {
    let own = paths.passing_definitions();
    let others = paths
        .definition_dirs()
        .into_iter()
        .filter(|folder| *folder != own);
    let taken = others
        .map(|folder| folder.join(below))
        .find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = taken {
        bail!(
            "{} is there: start it with systemctl, or give this one another name",
            path.display()
        );
    }
    Ok(())
}

/// The text with paths of the host that are relative to `base` made absolute.
fn anchored(text: &str, base: &Path) -> String {
    let (file, _) = parse::parse(text);
    let mut changes: Vec<(usize, usize, String)> = Vec::new();
    for assignment in file.sections.iter().flat_map(|section| &section.assignments) {
        let value = &assignment.value;
        match assignment.key.as_str() {
            "Volume" => {
                let source = value.split(':').next().unwrap_or_default();
                if source == "." || source == ".." || source.starts_with("./") || source.starts_with("../") {
                    let span = assignment.span_of(0, source.len());
                    changes.push((span.start, span.end, joined(base, source)));
                }
            }
            "Mount" => {
                let mut start = 0;
                for option in value.split(',') {
                    if let Some((key, source)) = option.split_once('=')
                        && matches!(key.trim(), "source" | "src")
                        && source.starts_with('.')
                    {
                        let at = start + option.len() - source.len();
                        let span = assignment.span_of(at, at + source.len());
                        changes.push((span.start, span.end, joined(base, source)));
                    }
                    start += option.len() + 1;
                }
            }
            "SeccompProfile" if value.starts_with('.') => {
                let span = assignment.span_of(0, value.len());
                changes.push((span.start, span.end, joined(base, value)));
            }
            "EnvironmentFile" => {
                for word in words::split(value).unwrap_or_default() {
                    let (mark, name) = match word.text.strip_prefix('-') {
                        Some(name) => ("-", name),
                        None => ("", word.text.as_str()),
                    };
                    if !name.is_empty() && !name.starts_with(['/', '%']) {
                        let span = assignment.span_of(word.start, word.end);
                        let path = words::quote(&format!("{mark}{}", joined(base, name)));
                        changes.push((span.start, span.end, path));
                    }
                }
            }
            _ => {}
        }
    }
    let mut text = text.to_owned();
    for (start, end, path) in changes.into_iter().rev() {
        if text.get(start..end).is_some() {
            text.replace_range(start..end, &path);
        }
    }
    text
}

/// A `%` of the folder is no specifier.
fn joined(base: &Path, below: &str) -> String {
    let mut path = PathBuf::from(base.to_string_lossy().replace('%', "%%"));
    for part in Path::new(below).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_stay_what_they_are() {
        let text = "[Container a]\nVolume=./data:/data:ro\nVolume=../x:/x\nVolume=/y:/y\nVolume=.hidden:/z\n\
                    EnvironmentFile=a.env -./b.env \\\n  /c.env\nEnvironmentFile=%h/d\n\
                    Mount=type=bind,source=./data,target=/x\nSeccompProfile=./a.json\nSeccompProfile=unconfined\n";
        assert_eq!(
            anchored(text, Path::new("/home/5% me")),
            "[Container a]\nVolume=/home/5%% me/data:/data:ro\nVolume=/home/x:/x\nVolume=/y:/y\nVolume=.hidden:/z\n\
             EnvironmentFile=\"/home/5%% me/a.env\" \"-/home/5%% me/b.env\" \\\n  /c.env\nEnvironmentFile=%h/d\n\
             Mount=type=bind,source=/home/5%% me/data,target=/x\nSeccompProfile=/home/5%% me/a.json\n\
             SeccompProfile=unconfined\n"
        );
    }

    #[test]
    fn what_was_there_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        let own = paths.passing_definitions();
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("old.pod"), "old").unwrap();
        fs::write(own.join("gone.pod"), "gone").unwrap();
        let files = |names: &[&str]| Copy {
            files: names
                .iter()
                .map(|name| (PathBuf::from(name), "new".to_owned()))
                .collect(),
            gone: vec!["gone.pod".into()],
        };
        let made = files(&["old.pod", "web.pod", "web.pod.d/x.conf"])
            .make(&paths)
            .unwrap();
        assert!(made.changed.len() == 4 && made.definitions.len() == 2);
        assert_eq!(fs::read_to_string(own.join("web.pod.d/x.conf")).unwrap(), "new");
        assert!(!own.join("gone.pod").exists());
        made.undo();
        assert_eq!(fs::read_to_string(own.join("gone.pod")).unwrap(), "gone");
        assert_eq!(fs::read_to_string(own.join("old.pod")).unwrap(), "old");
        assert!(!own.join("web.pod").exists() && !own.join("web.pod.d").exists());
    }
}
