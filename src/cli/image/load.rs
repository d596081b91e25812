//! `podunit image load` and `podunit image import`.

use super::super::output;
use crate::image::load::Loaded;
use crate::image::{Change, Store};
use crate::model::settings::ImageSettings;
use anyhow::Context;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is called so is read from standard input.
const STDIN: &str = "-";

#[derive(Debug, clap::Args)]
pub struct Load {
    /// An archive, plain or compressed with gzip or zstd, or the directory of an OCI image layout; `-` for an archive
    /// on standard input.
    #[arg(default_value = STDIN, hide_default_value = true)]
    file: PathBuf,
    /// The name to load the image under, in place of the one that the archive gives it.
    #[arg(long, value_name = "REF")]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Import {
    /// The tar archive of a root file system, plain or compressed with gzip or zstd; `-` for standard input.
    file: PathBuf,
    /// The name of the image.
    #[arg(value_name = "REF")]
    reference: String,
    /// Say how the image is run, as a Dockerfile does: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME
    /// or WORKDIR and its value. May be given several times.
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<Change>,
}

impl Load {
    /// Loads images.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(super) fn run(&self, store: &Store, settings: &ImageSettings) -> anyhow::Result<()> {
        let name = self
            .name
            .as_ref()
            .map(|name| settings.complete(name))
            .transpose()?;
        let loaded = if self.file == Path::new(STDIN) {
            store.load_archive(stdin()?, place(&self.file), name.as_ref())
        } else {
            store.load(&self.file, name.as_ref())
        };
        let nothing = || format!("nothing was loaded from {}", place(&self.file).display());
        loaded.with_context(nothing)?.iter().for_each(tell);
        Ok(())
    }
}

impl Import {
    /// Imports a root file system.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(super) fn run(&self, store: &Store, settings: &ImageSettings) -> anyhow::Result<()> {
        let reference = settings.complete(&self.reference)?;
        let (place, now) = (place(&self.file), SystemTime::now());
        let imported = if self.file == Path::new(STDIN) {
            store.import(stdin()?, place, &reference, &self.changes, now)
        } else {
            let file = File::open(place).with_context(|| format!("cannot read {}", place.display()))?;
            store.import(file, place, &reference, &self.changes, now)
        };
        tell(&imported.with_context(|| format!("nothing was imported from {}", place.display()))?);
        Ok(())
    }
}

fn tell(image: &Loaded) {
    for warning in &image.warnings {
        output::warning(format_args!("{}: {warning}", image.reference));
    }
    output::line(format_args!("Loaded {} {}", image.reference, image.digest));
}

fn place(file: &Path) -> &Path {
    if file == Path::new(STDIN) {
        return Path::new("standard input");
    }
    file
}

fn stdin() -> anyhow::Result<io::Stdin> {
    anyhow::ensure!(
        !io::stdin().is_terminal(),
        "standard input is a terminal: name an archive, or put one there with `podunit image load <FILE`"
    );
    Ok(io::stdin())
}
