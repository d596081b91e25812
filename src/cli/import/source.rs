//! What is imported: files, and standard input.

use anyhow::{Context, bail};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most that is read, in bytes.
const LARGEST: u64 = 4 << 20;
/// Names of compose files, the first that is there counts.
const COMPOSE: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// All of standard input.
///
/// # Errors
/// It is too long, or no text.
pub(super) fn input() -> anyhow::Result<String> {
    text_of(io::stdin(), "standard input")
}

/// All of a file, or of standard input for `-`.
///
/// # Errors
/// It cannot be read, is too long, or no text.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return input();
    }
    let shown = file.display().to_string();
    let opened = File::open(file).with_context(|| format!("{shown} cannot be read"))?;
    text_of(opened, &shown)
}

fn text_of(from: impl Read, shown: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let read = from.take(LARGEST + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("{shown} cannot be read"))?;
    if bytes.len() as u64 > LARGEST {
        bail!("{shown} is larger than 4 MiB");
    }
    String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("{shown} is not UTF-8 text"))
}

/// Names of files, without their folders, and their texts; standard input if none is named.
///
/// # Errors
/// Those of [`read`].
pub(super) fn all(files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    if files.is_empty() {
        return Ok(vec![("standard input".to_owned(), input()?)]);
    }
    let one = |file: &PathBuf| {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, read(file)?))
    };
    files.iter().map(one).collect()
}

/// A compose file and its text: the file that is named, that in the folder that is named, or standard input.
///
/// # Errors
/// There is none, or those of [`read`].
pub(super) fn compose(file: &Path) -> anyhow::Result<(PathBuf, String)> {
    if !file.is_dir() {
        return Ok((file.to_owned(), read(file)?));
    }
    let names = COMPOSE.iter().map(|name| file.join(name));
    let Some(found) = names.into_iter().find(|path| path.exists()) else {
        bail!(
            "there is no compose file in {}: they are called {}",
            file.display(),
            COMPOSE.join(", ")
        );
    };
    let text = read(&found)?;
    Ok((found, text))
}
