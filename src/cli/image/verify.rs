//! `podunit image verify`.

use super::super::FAILURE;
use super::super::output::{self, Format};
use super::names;
use crate::image::{Store, Verified};
use crate::model::settings::ImageSettings;
use anyhow::Context;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Images; all if none is named.
    #[arg(value_name = "REF")]
    references: Vec<String>,
    /// Remove damaged images, so that they can be fetched or loaded again. Those that a running pod uses stay.
    #[arg(long)]
    remove: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Verify {
    /// Verifies images.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(super) fn run(&self, store: &Store, settings: &ImageSettings) -> anyhow::Result<ExitCode> {
        let is_text = self.format == Format::Text;
        let tell_each = |image: &Verified| {
            if is_text {
                tell(image);
            }
        };
        let verified = store.verify(&names(&self.references, settings)?, tell_each)?;
        if !is_text {
            output::json(&verified)?;
        }
        let damaged: Vec<&str> = verified
            .iter()
            .filter(|image| !image.damages.is_empty())
            .map(|image| image.reference.as_str())
            .collect();
        if damaged.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        if self.remove {
            let removed = store
                .remove_damaged(&verified)
                .context("what is damaged was not removed")?;
            for reference in removed {
                output::warning(format_args!("removed {reference}: fetch or load it again"));
            }
        } else {
            output::warning(format_args!(
                "pods that use {} may fail: `podunit image verify --remove {}` removes what is damaged, so that it \
                 can be fetched or loaded again",
                damaged.join(", "),
                damaged.join(" ")
            ));
        }
        Ok(ExitCode::from(FAILURE))
    }
}

fn tell(image: &Verified) {
    let platform = image.platform.as_ref();
    let name = platform.map_or_else(
        || image.reference.clone(),
        |platform| format!("{} ({platform})", image.reference),
    );
    if image.damages.is_empty() {
        output::line(format_args!("{name}: ok"));
    }
    for damage in &image.damages {
        output::line(format_args!("{name}: damaged: {damage}"));
    }
}
