//! `podunit auto-update`: newer images for members with `AutoUpdate=`.

use super::output::{self, Format};
use super::target::{Target, on_bus};
use super::{FAILURE, request, settings};
use crate::image::progress::Silent;
use crate::image::{Reference, Store};
use crate::model::{AutoUpdate, MemberName, Paths, PodName, Request};
use crate::sys::file::{is_locked, lock};
use crate::systemd::unit::Active;
use crate::systemd::{job, manager};
use crate::update::plan::{self, Candidate};
use crate::update::run::Updates;
use crate::update::{Outcome, Report, record};
use anyhow::Context;
use clap::ArgAction;
use std::process::ExitCode;
use zbus::Connection;

/// Digits of a digest that are shown.
const DIGITS: usize = 12;

/// Updates the images of running members that have AutoUpdate=.
///
/// With AutoUpdate=registry the image is pulled if its registry has another under the same name; with
/// AutoUpdate=local it counts what is in this machine's store. A member that runs another image than that is started
/// anew, on its own: its pod and the other members go on.
///
/// Then it has to come up. A member that says itself when it is ready (Notify=true) has to say so, any other to run for
/// ten seconds, within the start limit of its pod (TimeoutStartSec=); published ports that had a listener must have
/// one again. If one fails, be it that Restart= brings it back again and again, the name stands for the image before
/// again, and every member that was started anew for it is started with that. A run that is interrupted is finished
/// or taken back by the next.
///
/// What did not come up is remembered, and not tried again until the registry has another image under the name; it is
/// reported as rejected. `podunit image pull` of the name and --rollback=false have it tried again.
///
/// podunit-auto-update.timer runs this every day once it is enabled.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  podunit auto-update --dry-run
  podunit auto-update
  podunit auto-update my-shared-pod/nginx-server
  systemctl enable --now podunit-auto-update.timer

Exit status: 0 if every member runs the newest image, or the one before a
rejected one, or could with --dry-run;
1 if one was rolled back or does not come up, or it could not be seen whether
there is a newer image; 2 if the command line makes no sense.")]
pub struct Arguments {
    /// Pods, or single members; all that have AutoUpdate= if none is named
    #[arg(value_name = "POD[/MEMBER]")]
    targets: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Whether a member that does not come up gets the image before
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_value_t = true,
          default_missing_value = "true", require_equals = true)]
    rollback: bool,
    /// How to print what became of the members
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        anyhow::bail!("podunit auto-update needs root, since it starts units anew: use sudo");
    }
    let settings = settings::read(paths)?.image;
    let mean = |asked: &Request, unit: &str| -> anyhow::Result<(Request, Reference)> {
        let request = request::expand(asked, unit, paths)?;
        let reference = settings.complete(&request.reference)?;
        Ok((request, reference))
    };
    let chosen = arguments
        .targets
        .iter()
        .map(|text| Target::find(text, paths).map(|target| (target.pod.name, target.member)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let path = paths.update_lock();
    if is_locked(&path) {
        output::warning("another update is under way; waiting for its end");
    }
    let _lock = lock(&path).with_context(|| format!("{}: cannot lock it", path.display()))?;
    let mut candidates = Vec::new();
    for pod in plan::running(paths) {
        candidates.extend(plan::candidates(paths, &pod, mean)?);
    }
    let (store, is_text) = (Store::new(paths), arguments.format == Format::Text);
    let say = |text: &str| {
        if is_text {
            output::line(text);
        }
    };
    let reports = on_bus(async |bus| {
        job::subscribe(&bus).await?;
        let updates = Updates {
            paths,
            store: &store,
            settings: &settings,
            bus: &bus,
            progress: &Silent,
            say: &say,
            rollback: arguments.rollback,
        };
        let candidates = alive(&bus, paths, candidates).await?;
        if arguments.targets.is_empty() && !arguments.dry_run {
            updates.settle(&plan::groups(candidates.clone()))?;
        }
        let candidates = candidates
            .into_iter()
            .filter(|it| is_chosen(it, &chosen))
            .collect();
        let mut reports = Vec::new();
        for group in plan::groups(candidates) {
            reports.extend(match arguments.dry_run {
                true => updates.look(&group)?,
                false => updates.update(&group).await?,
            });
        }
        Ok(reports)
    })?;
    match arguments.format {
        Format::Json => output::json(&reports)?,
        Format::Text => show(&reports),
    }
    let bad = |report: &Report| matches!(report.outcome, Outcome::RolledBack | Outcome::Failed);
    Ok(match reports.iter().any(bad) {
        true => ExitCode::from(FAILURE),
        false => ExitCode::SUCCESS,
    })
}

/// Those members that run, or do not although they should, or were tried by an update that was interrupted. Of one that
/// was stopped nobody wants anything.
async fn alive(
    bus: &Connection,
    paths: &Paths,
    candidates: Vec<Candidate>,
) -> anyhow::Result<Vec<Candidate>> {
    let mut tried = Vec::new();
    for key in record::keys(paths) {
        let record = record::find(paths, &key).context("an unfinished update cannot be read")?;
        tried.extend(record.into_iter().flat_map(|record| record.units));
    }
    let mut alive = Vec::new();
    for candidate in candidates {
        let unit = manager::read_unit(bus, &candidate.unit, |_| {}).await?;
        if unit.active != Active::Inactive || tried.contains(&candidate.unit) {
            alive.push(candidate);
        }
    }
    Ok(alive)
}

fn is_chosen(candidate: &Candidate, chosen: &[(PodName, Option<MemberName>)]) -> bool {
    let is_meant = |(pod, member): &(PodName, Option<MemberName>)| {
        *pod == candidate.pod && member.as_ref().is_none_or(|member| *member == candidate.member)
    };
    chosen.is_empty() || chosen.iter().any(is_meant)
}

fn show(reports: &[Report]) {
    let short = |digest: &str| digest.chars().take("sha256:".len() + DIGITS).collect::<String>();
    let row = |report: &Report| {
        let policy = match report.policy {
            AutoUpdate::Registry => "registry",
            AutoUpdate::Local => "local",
        };
        vec![
            format!("{}/{}", report.pod, report.member),
            report.image.clone(),
            policy.to_owned(),
            report.outcome.word().to_owned(),
            short(&report.before),
            short(&report.found),
            report.detail.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    output::table(
        &["MEMBER", "IMAGE", "POLICY", "RESULT", "BEFORE", "FOUND", "STATUS"],
        &rows,
    );
}
