//! `podunit image rm`, `tag` and `prune`.

use super::super::output::{self, Format, size};
use super::names;
use super::needs::needs;
use crate::image::store::Prune as What;
use crate::image::{Needs, Store};
use crate::model::settings::ImageSettings;
use crate::model::{Paths, Platform};
use crate::unitfile::value::{TimeSpan, parse_time_span};
use anyhow::Context;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Rm {
    /// Names of images as `podunit image ls` shows them, or short: `nginx` is docker.io/library/nginx:latest.
    #[arg(required = true, value_name = "REF")]
    references: Vec<String>,
    /// Remove also what a running pod uses or a definition needs. Members keep what they run until they end.
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub struct Tag {
    /// The image.
    #[arg(value_name = "REF")]
    source: String,
    /// Names that it gets.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The image for another platform than this machine's, by its operating system.
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// The image for another platform, by its processor.
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// The image for another platform, by the variant of its processor.
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Prune {
    /// Remove images too: those that no definition needs and no pod runs.
    #[arg(short, long)]
    all: bool,
    /// Only what came here, or was touched, longer ago than this: `36h`, `2weeks`.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = time)]
    until: Duration,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Rm {
    /// Removes images.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(super) fn run(&self, store: &Store, paths: &Paths, settings: &ImageSettings) -> anyhow::Result<()> {
        let images = names(&self.references, settings)?;
        let removed = match self.force {
            true => store.remove(&images, &Needs::default(), true),
            false => store.remove(
                &images,
                &needs(paths, settings).context("no image was removed")?,
                false,
            ),
        };
        for reference in removed.context("no image was removed")? {
            output::line(format_args!("Removed {reference}"));
        }
        Ok(())
    }
}

impl Tag {
    /// Gives an image further names.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(super) fn run(&self, store: &Store, settings: &ImageSettings) -> anyhow::Result<()> {
        let (source, names) = (settings.complete(&self.source)?, names(&self.names, settings)?);
        let (os, arch, variant) = (self.os.as_deref(), self.arch.as_deref(), self.variant.as_deref());
        let platform = Platform::other_than_host(os, arch, variant)?;
        store
            .tag(&source, platform.as_ref(), &names)
            .context("no name was given")?;
        for name in names {
            output::line(format_args!("Tagged {name}"));
        }
        Ok(())
    }
}

impl Prune {
    /// Removes what nobody needs.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(super) fn run(&self, store: &Store, paths: &Paths, settings: &ImageSettings) -> anyhow::Result<()> {
        let what = What {
            all: self.all,
            until: self.until,
            is_dry: self.dry_run,
        };
        let needs = needs(paths, settings).context("nothing was removed")?;
        let pruned = store.prune(what, &needs)?;
        if self.format == Format::Json {
            return output::json(&pruned);
        }
        let verb = if self.dry_run { "Would remove" } else { "Removed" };
        for reference in &pruned.images {
            output::line(format_args!("{verb} {reference}"));
        }
        for digest in &pruned.downloads {
            output::line(format_args!("{verb} what was downloaded of {digest}"));
        }
        let verb = if self.dry_run { "Would free" } else { "Freed" };
        output::line(format_args!("{verb} {}", size(pruned.bytes)));
        Ok(())
    }
}

fn time(text: &str) -> Result<Duration, String> {
    match parse_time_span(text) {
        Some(TimeSpan::Finite(time)) => Ok(time),
        _ => Err("write a time such as 36h or 2weeks (systemd.time(7))".to_owned()),
    }
}
