//! `podunit image save`.

use super::names;
use crate::image::store::{Archive, Directory, Format};
use crate::image::{ImageError, Reference, Store};
use crate::model::settings::ImageSettings;
use crate::sys::tree;
use anyhow::Context;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Save {
    /// Images, with the names that they are to have.
    #[arg(required = true, value_name = "REF")]
    references: Vec<String>,
    /// Where to write; standard output if that is no terminal.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// In which form.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Do not compress the layers of an OCI image.
    #[arg(long)]
    uncompressed: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// An OCI image layout in a tar archive.
    #[default]
    OciArchive,
    /// An OCI image layout in a directory.
    OciDir,
    /// An archive as `docker save` writes it.
    DockerArchive,
}

impl Save {
    /// Saves images.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(super) fn run(&self, store: &Store, settings: &ImageSettings) -> anyhow::Result<()> {
        let images = names(&self.references, settings)?;
        match &self.output {
            None => {
                anyhow::ensure!(
                    self.format != Form::OciDir,
                    "a directory is written with --output DIRECTORY"
                );
                anyhow::ensure!(
                    !io::stdout().is_terminal(),
                    "standard output is a terminal: name a file with --output FILE, or send it on with a pipe"
                );
                self.archive(store, &images, io::stdout().lock())
                    .context("what was written is of no use")?;
            }
            Some(path) => self
                .file(store, &images, path)
                .with_context(|| format!("nothing was saved to {}", path.display()))?,
        }
        Ok(())
    }

    fn format(&self) -> Format {
        match self.format {
            Form::OciArchive | Form::OciDir => Format::Oci {
                is_plain: self.uncompressed,
            },
            Form::DockerArchive => Format::Docker,
        }
    }

    fn archive(&self, store: &Store, images: &[Reference], out: impl Write) -> anyhow::Result<()> {
        let mut archive = Archive::new(BufWriter::with_capacity(1 << 17, out));
        store.save(images, self.format(), &mut archive)?;
        let finished = archive
            .finish()
            .and_then(|mut out| out.flush())
            .map_err(ImageError::Save);
        Ok(finished?)
    }

    /// Writes beside the name first: nobody sees half an image.
    fn file(&self, store: &Store, images: &[Reference], path: &Path) -> anyhow::Result<()> {
        let beside = beside(path).context("this is the name of no file")?;
        // One that was killed may have left it.
        tree::remove(&beside)?;
        let written = self.write(store, images, path, &beside);
        if written.is_err() {
            // Nothing half written stays; should that fail, the error says enough.
            let _ = tree::remove(&beside);
        }
        written
    }

    fn write(&self, store: &Store, images: &[Reference], path: &Path, beside: &Path) -> anyhow::Result<()> {
        if self.format == Form::OciDir {
            anyhow::ensure!(!path.exists(), "it exists already");
            fs::create_dir(beside)?;
            store.save(images, self.format(), &mut Directory(beside))?;
            rustix::fs::syncfs(File::open(beside)?)?;
        } else {
            anyhow::ensure!(
                !path.is_dir(),
                "it is a directory: write one with --format oci-dir"
            );
            let file = File::create_new(beside)?;
            self.archive(store, images, &file)?;
            file.sync_all()?;
        }
        Ok(fs::rename(beside, path)?)
    }
}

fn beside(path: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(".new");
    // Not the empty path, which cannot be opened.
    Some(Path::new(".").join(path).with_file_name(name))
}
