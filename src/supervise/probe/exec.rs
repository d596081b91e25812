//! A command in a member, in a service of its own that systemd makes for it: in the pod's slice, under its limits, with
//! a cgroup that systemd empties at the end of the time for it, whatever the command has started. What runs in it is
//! `podunit member probe`.

use super::check::Subject;
use super::track::Outcome;
use crate::model::paths::PODUNIT;
use crate::model::probe::Checked;
use crate::model::{PodName, Signal};
use crate::sys::file;
use crate::systemd::{job, manager};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use zbus::{Connection, Variant};

/// Longest result that is read, in bytes.
const LONGEST: u64 = 8 * 1024;
/// How long systemd may take beyond the time for the check until it says that it has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the check.
pub(super) async fn look(bus: &Connection, subject: &Subject) -> Outcome {
    let Subject {
        pod,
        member,
        kind,
        probe,
        ..
    } = subject;
    let path = subject.paths.pod(pod).member(member).probe(*kind);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Outcome::Unknown(format!("{}: {error}", path.display()));
        }
        _ => {}
    }
    let unit = pod.probe_unit(member, *kind);
    let words = ["member", "probe", pod.as_str(), member.as_str(), kind.word()];
    let properties = service(pod, &words, probe.timeout);
    let begun = Instant::now();
    let run = timeout(
        probe.timeout + PATIENCE,
        job::run_transient(bus, &unit, &properties),
    )
    .await;
    let Ok(run) = run else {
        // Should it be there, it must not be in the way of the next.
        let _ = timeout(PATIENCE, manager::stop_unit(bus, &unit)).await;
        return Outcome::Unknown("systemd does not say what became of the check".to_owned());
    };
    match run {
        // The one before is still being cleared away.
        Err(error) if is_there(&error) => Outcome::Postponed,
        Err(error) => Outcome::Unknown(error.to_string()),
        Ok(result) => result_in(&path).unwrap_or_else(|| match result.as_str() {
            "failed" | "timeout" if begun.elapsed() >= probe.timeout => Outcome::Failed(subject.too_late()),
            "failed" => Outcome::Failed("the check was killed".to_owned()),
            other => Outcome::Unknown(format!("the job of its unit ended: {other}")),
        }),
    }
}

/// The properties of the service. Nothing waits for it, and it holds up nobody: with infra it is killed at once.
fn service<'a>(pod: &PodName, words: &[&'a str], limit: Duration) -> Vec<(&'a str, Variant<'a>)> {
    let line: Vec<&str> = std::iter::once(PODUNIT).chain(words.iter().copied()).collect();
    let infra = || Variant::from(vec![pod.infra_unit()]);
    let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
    vec![
        (
            "Description",
            Variant::from(format!("Check of a container of pod {pod}")),
        ),
        ("Type", Variant::from("oneshot")),
        ("ExecStart", Variant::from(vec![(PODUNIT, line, false)])),
        ("Slice", Variant::from(pod.slice())),
        ("DefaultDependencies", Variant::from(false)),
        ("BindsTo", infra()),
        ("After", infra()),
        ("CollectMode", Variant::from("inactive-or-failed")),
        ("KillSignal", Variant::from(Signal::KILL.number())),
        ("TimeoutStartUSec", Variant::from(limit)),
        ("StartLimitIntervalUSec", Variant::from(0_u64)),
        // What happens to it is told by the supervisor, in one line for each change.
        ("LogLevelMax", Variant::from(0_i32)),
        ("StandardOutput", Variant::from("null")),
        ("StandardError", Variant::from("null")),
    ]
}

fn is_there(error: &zbus::Error) -> bool {
    manager::error_name(error).ends_with(".UnitExists")
}

fn result_in(path: &Path) -> Option<Outcome> {
    let text = file::read(path, LONGEST).ok()?;
    Some(match serde_json::from_slice(&text).ok()? {
        Checked::Passed => Outcome::Passed,
        Checked::Failed(why) => Outcome::Failed(why),
        Checked::Unknown(why) => Outcome::Unknown(why),
    })
}
