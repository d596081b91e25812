//! `podunit image pull`.

use super::super::output;
use super::progress::{Bars, Lines};
use crate::cli::settings;
use crate::image::{self, Progress, Pulled, Store};
use crate::model::{Paths, Platform, PullPolicy, Request};
use anyhow::Context;
use clap::ArgAction;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Pull {
    /// Images: `nginx` is docker.io/library/nginx:latest, `quay.io/acme/app@sha256:…` one that can never change.
    #[arg(required = true, value_name = "REF")]
    references: Vec<String>,
    /// When the registry is asked: always, missing (only if the image is not here), newer (as always, said another
    /// way) or never (say whether the image is here).
    #[arg(long, default_value_t = PullPolicy::Always)]
    policy: PullPolicy,
    /// The file with the credentials for the registry, in place of those that `podman login` and `docker login` write.
    #[arg(long, value_name = "FILE", value_parser = absolute)]
    authfile: Option<PathBuf>,
    /// The folder with certificates of the registry: *.crt of CAs, *.cert and *.key to show.
    #[arg(long, value_name = "DIRECTORY", value_parser = absolute)]
    cert_dir: Option<PathBuf>,
    /// Whether the registry's certificate is checked; without that, plain HTTP will do too.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    tls_verify: Option<bool>,
    /// Fetch the image for this processor instead of the machine's.
    #[arg(long)]
    arch: Option<String>,
    /// Fetch the image for this operating system instead of Linux.
    #[arg(long)]
    os: Option<String>,
    /// Fetch the image for this variant of the processor, such as v7 of arm.
    #[arg(long)]
    variant: Option<String>,
    /// How often to try again what may pass.
    #[arg(long, value_name = "NUMBER")]
    retry: Option<u32>,
    /// Show no progress, and print nothing but digests.
    #[arg(short, long)]
    quiet: bool,
}

impl Pull {
    /// Pulls images, one after another, all that can be had.
    ///
    /// # Errors
    /// A command line or settings that make no sense.
    pub(super) fn run(&self, store: &Store, paths: &Paths) -> anyhow::Result<ExitCode> {
        let settings = settings::read(paths)?.image;
        let platform =
            Platform::other_than_host(self.os.as_deref(), self.arch.as_deref(), self.variant.as_deref())?;
        let mut exit = ExitCode::SUCCESS;
        for reference in &self.references {
            let request = Request {
                policy: self.policy,
                platform: platform.clone(),
                auth_file: self.authfile.clone(),
                cert_dir: self.cert_dir.clone(),
                tls_verify: self.tls_verify,
                retry: self.retry,
                ..Request::new(reference)
            };
            let progress: Box<dyn Progress> = match self.quiet {
                true => Box::new(image::progress::Silent),
                false if io::stderr().is_terminal() => Box::new(Bars::new()),
                false => Box::new(Lines::new(reference)),
            };
            let pulled = image::pull(store, &request, &settings, &*progress);
            drop(progress);
            let refreshed = match pulled {
                Ok(pulled) => self.tell(&pulled).is_none_or(|error| {
                    output::error(&error);
                    false
                }),
                Err(error) => {
                    output::error(&error.into());
                    false
                }
            };
            if !refreshed {
                exit = ExitCode::from(crate::cli::FAILURE);
            }
        }
        Ok(exit)
    }

    /// Prints what is there now. Returns why it was not refreshed.
    fn tell(&self, pulled: &Pulled) -> Option<anyhow::Error> {
        let Pulled {
            reference, digest, ..
        } = pulled;
        for warning in &pulled.warnings {
            output::warning(format_args!("{reference}: {warning}"));
        }
        if let Some(why) = &pulled.stale {
            return Some(anyhow::anyhow!("{why}; the image that is here stays, {digest}"));
        }
        match (self.quiet, pulled.is_new) {
            (true, _) => output::line(digest),
            (false, true) => output::line(format_args!("Pulled {reference} {digest}")),
            (false, false) => output::line(format_args!("Already here: {reference} {digest}")),
        }
        None
    }
}

fn absolute(text: &str) -> anyhow::Result<PathBuf> {
    std::path::absolute(text).with_context(|| format!("`{text}` is no path"))
}
