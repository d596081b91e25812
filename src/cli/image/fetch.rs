//! `podunit image fetch`: the step of a unit that fetches an image for pods (`podunit-image@ID.service`).

use crate::cli::output::size;
use crate::cli::target::on_bus;
use crate::cli::{FAILURE, output, request, settings};
use crate::compiled;
use crate::image::manifest::Blob;
use crate::image::progress::{Sum, Tally};
use crate::image::{self, Digest, LayerState, Progress, Store};
use crate::model::{Paths, PullPolicy, Reference, Request};
use crate::sys::file::replace;
use crate::sys::tree;
use crate::systemd::{job, notify};
use anyhow::Context;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the network may take. What it is waited for with has limits of its own that are mostly shorter.
const NETWORK: Duration = Duration::from_secs(180);
/// From one `STATUS=` to the next: people read it, and supervisors pass it on.
const APART: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub struct Fetch {
    /// The ID of a request that a pod has.
    id: String,
}

impl Fetch {
    /// Fetches the image, as the request's policy says.
    ///
    /// # Errors
    /// Settings that make no sense; nobody asks for this.
    pub(super) fn run(&self, store: &Store, paths: &Paths) -> anyhow::Result<ExitCode> {
        let fetched = self.fetch(store, paths);
        if let Err(error) = &fetched {
            status(&format!("{error:#}"));
        }
        fetched
    }

    fn fetch(&self, store: &Store, paths: &Paths) -> anyhow::Result<ExitCode> {
        let settings = settings::read(paths)?.image;
        let asked = compiled::request(paths, &self.id)?;
        let request = request::expand(&asked, &asked.unit(), paths)?;
        let reference = settings.complete(&request.reference)?;
        // What was last said of a failed refresh is over.
        let record = paths.stale_image(&self.id);
        tree::remove(&record).with_context(|| format!("cannot remove {}", record.display()))?;
        if needs_network(store, &request, &reference) {
            wait_for_network();
        }
        let progress = Status::default();
        match image::pull(store, &request, &settings, &progress) {
            Ok(pulled) => {
                for warning in &pulled.warnings {
                    output::warning(format_args!("{reference}: {warning}"));
                }
                match pulled.stale {
                    Some(why) => {
                        let why = format!("{:#}", anyhow::Error::from(why));
                        output::warning(format_args!(
                            "{why}; the image that is here serves, {}",
                            pulled.digest
                        ));
                        status(&format!("not refreshed: {why}"));
                        keep(&record, &why).with_context(|| format!("cannot write {}", record.display()))?;
                    }
                    None if pulled.is_new => {
                        output::line(format_args!("Pulled {reference} {}", pulled.digest))
                    }
                    None => output::line(format_args!("Already here: {reference} {}", pulled.digest)),
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                status(&format!("{error:#}"));
                output::error(&error);
                Ok(ExitCode::from(FAILURE))
            }
        }
    }
}

/// Whether somebody beyond this machine is to be asked.
fn needs_network(store: &Store, request: &Request, reference: &Reference) -> bool {
    let host = reference.registry();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    let is_this_machine = name == "localhost" || address.is_some_and(|address| address.is_loopback());
    let is_here = || {
        store
            .find(&reference.to_string(), request.platform.as_ref())
            .is_ok()
    };
    !(is_this_machine || request.policy == PullPolicy::Missing && is_here())
}

/// Waits until the network is up, as far as this machine can tell; without an answer it is tried all the same.
///
/// Not by an order of the unit: systemd would wait, and make others wait, where nothing is to be fetched too.
fn wait_for_network() {
    status("waiting for the network");
    let waited = on_bus(async |bus| {
        job::subscribe(&bus).await?;
        let started = job::run(&bus, "network-online.target", job::Kind::Start);
        Ok(tokio::time::timeout(NETWORK, started).await??)
    });
    if let Err(error) = waited {
        output::warning(format_args!("cannot wait for the network: {error:#}"));
    }
    status("asking the registry");
}

fn keep(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    replace(path, text.as_bytes(), 0o600)
}

fn status(text: &str) {
    // Without systemd there is nobody to tell. It is one line.
    let _ = notify::send(&[&format!("STATUS={}", text.replace('\n', " "))]);
}

/// Tells systemd how a pull goes.
#[derive(Default)]
struct Status {
    tally: Tally,
    told: Mutex<Option<Instant>>,
}

impl Status {
    fn tell(&self, sum: Sum, now: bool) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if now || told.is_none_or(|at| at.elapsed() >= APART) {
            *told = Some(Instant::now());
            let Sum { done, total } = sum;
            match done == total {
                true => status("unpacking"),
                false => status(&format!("{} of {}", size(done), size(total))),
            }
        }
    }
}

impl Progress for Status {
    fn layers(&self, layers: &[Blob]) {
        self.tell(self.tally.layers(layers), true);
    }

    fn layer(&self, digest: Digest, state: LayerState) {
        let sum = self.tally.layer(digest, state);
        self.tell(sum, sum.done == sum.total);
    }

    fn note(&self, text: &str) {
        output::warning(text);
    }
}
