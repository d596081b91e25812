//! The start of a pod, watched.

use crate::model::PodName;
use crate::systemd::job;
use crate::systemd::manager::{self, changes_rule};
use crate::systemd::unit::Properties;
use futures_util::{FutureExt, StreamExt};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;
use zbus::{Connection, MessageStream, Variant};

/// Starts or restarts a pod and waits; inside, why it is not ready.
///
/// # Errors
/// systemd cannot be asked.
pub(super) async fn start(
    bus: &Connection,
    pod: &PodName,
    kind: job::Kind,
) -> anyhow::Result<Result<(), String>> {
    let unit = pod.unit();
    let bar = bar(pod);
    let mut changes = MessageStream::for_match_rule(changes_rule(&unit).as_str(), bus, None)
        .await?
        .fuse();
    let mut ended = Box::pin(job::run(bus, &unit, kind).fuse());
    let mut status = String::new();
    let result = loop {
        tokio::select! {
            result = &mut ended => break result,
            Some(_) = changes.next() => {
                status = status_of(bus, &unit).await?;
                bar.set_message(crate::diagnostic::printable(&status).into_owned());
            }
        }
    };
    let said = status_of(bus, &unit).await?;
    if !said.is_empty() {
        status = said;
    }
    let result = match result.as_deref() {
        Ok("done") => Ok(()),
        Ok(word) if status.is_empty() => Err(format!("its start ended as systemd calls it `{word}`")),
        Ok(_) => Err(status.clone()),
        Err(error) => Err(error.to_string()),
    };
    bar.finish_and_clear();
    if result.is_ok() {
        let status = if status.is_empty() {
            "ready".to_owned()
        } else {
            status
        };
        super::super::output::line(format!("{pod}: {}", crate::diagnostic::printable(&status)));
    }
    Ok(result)
}

async fn status_of(bus: &Connection, unit: &str) -> anyhow::Result<String> {
    let mut status = String::new();
    manager::read_unit(bus, unit, |properties: &Properties<'_>| {
        if let Some(Variant::Str(text)) = properties.get("StatusText") {
            status = text.to_string();
        }
    })
    .await?;
    Ok(status)
}

/// A line that moves, where somebody looks at it.
fn bar(pod: &PodName) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_prefix(pod.to_string());
    bar.set_message("starting");
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
