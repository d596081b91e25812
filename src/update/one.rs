//! The update of one image: pull, restart, and the way back.

use super::plan::{Candidate, Group};
use super::record::{self, Record, Stage};
use super::rejected::{self, Rejected};
use super::run::{Updates, kept};
use super::{Outcome, Report};
use crate::image::{self, Digest};
use crate::model::{AutoUpdate, PullPolicy, Request};
use crate::systemd::unit::Active;
use anyhow::Context;
use std::collections::BTreeMap;

/// One update under way.
pub(super) struct Update<'a> {
    pub(super) of: &'a Updates<'a>,
    pub(super) group: &'a Group,
    pub(super) record: Record,
    /// By unit, why a member did not come up.
    pub(super) details: BTreeMap<String, String>,
    /// What the registry has and is not tried again.
    pub(super) skipped: Option<(Digest, Rejected)>,
}

impl Update<'_> {
    fn say(&self, member: Option<&Candidate>, text: &str) {
        let what = match member {
            Some(member) => format!("{}/{}", member.pod, member.member),
            None => self.group.reference.to_string(),
        };
        (self.of.say)(&format!("{what}: {text}"));
    }

    /// Updates the members that do not run what there is.
    pub(super) async fn run(&mut self) -> anyhow::Result<Vec<Report>> {
        let unreachable = match self.group.request() {
            Some(request) => self.pull(request)?,
            None => None,
        };
        let Some(found) = self.of.local(self.group) else {
            let why =
                unreachable.unwrap_or_else(|| "this machine has no image of that name any more".to_owned());
            self.finish()?;
            return Ok(self.reports(Outcome::Failed, "", &why));
        };
        // What was interrupted after it was started anew has still to show that it comes up.
        let on_trial: Vec<&Candidate> = (self.group.members.iter())
            .filter(|member| member.running != found || self.record.units.contains(&member.unit))
            .collect();
        if self.record.before == found
            && let Some(other) = on_trial.iter().find(|member| member.running != found)
        {
            // The name stood for the newer one already.
            self.record.before.clone_from(&other.running);
        }
        if !on_trial.is_empty() {
            self.record.units = on_trial.iter().map(|member| member.unit.clone()).collect();
            self.write()?;
        }
        for &member in &on_trial {
            if let Err(why) = self.bring_up(member, &found).await? {
                self.say(Some(member), &format!("does not come up: {why}"));
                self.details.insert(member.unit.clone(), why);
                return match self.of.rollback {
                    true => self.roll_back().await,
                    false => {
                        self.finish()?;
                        Ok(self.outcomes(&found, &on_trial, unreachable.as_deref()))
                    }
                };
            }
        }
        self.finish()?;
        Ok(self.outcomes(&found, &on_trial, unreachable.as_deref()))
    }

    /// Asks the registry. Returns why it could not be asked.
    fn pull(&mut self, request: &Request) -> anyhow::Result<Option<String>> {
        let rejected = self.of.rejected(self.group)?;
        if let Some(rejected) = rejected {
            match image::pull::newer(self.of.store, request, self.of.settings, self.of.progress) {
                Ok(Some(digest)) if rejected.digests.contains(&digest) => {
                    self.say(None, &format!("{digest} {}", rejected.detail()));
                    self.skipped = Some((digest, rejected));
                    return Ok(None);
                }
                // What cannot be asked is said by the pull.
                _ => {}
            }
        }
        // The way back is there before the name can stand for another image.
        self.write()?;
        let request = Request {
            policy: PullPolicy::Newer,
            ..request.clone()
        };
        let pulled = match image::pull(self.of.store, &request, self.of.settings, self.of.progress) {
            Ok(pulled) => pulled,
            Err(error) => return Ok(Some(format!("{:#}", anyhow::Error::from(error)))),
        };
        if let Some(why) = pulled.stale {
            let why = format!("{:#}", anyhow::Error::from(why));
            self.say(None, &format!("cannot see whether there is a newer image: {why}"));
            return Ok(Some(why));
        }
        // The registry has another now, or somebody wants it tried again.
        rejected::remove(self.of.paths, &self.group.key)
            .context("it cannot be forgotten what did not come up before")?;
        if pulled.is_new {
            self.say(None, &format!("pulled {}", pulled.digest));
        }
        Ok(None)
    }

    /// Has a member run what its name stands for, `wanted`.
    async fn bring_up(&self, member: &Candidate, wanted: &str) -> anyhow::Result<Result<(), String>> {
        if member.running == wanted && self.record.stage == Stage::Updating {
            self.say(
                Some(member),
                "was started anew by an update that was interrupted; seeing whether it stays up",
            );
            return self.of.watch(member, None, &[], None).await;
        }
        self.say(Some(member), &format!("restarting with {wanted}"));
        let restarted = self.of.restart(member).await?;
        if restarted.is_ok() {
            self.say(Some(member), "is up");
        }
        Ok(restarted)
    }

    /// The name stands for the image before, and members that run another are started anew with that.
    pub(super) async fn roll_back(&mut self) -> anyhow::Result<Vec<Report>> {
        let before = self.record.before.clone();
        self.record.stage = Stage::RollingBack;
        self.write()?;
        let manifest: Digest = before.parse().context("the image before is not known")?;
        let (reference, platform) = (&self.group.reference, self.group.platform.as_ref());
        let failed = self.of.local(self.group).unwrap_or_default();
        if failed != before && self.group.request().is_some() {
            let rejected = Rejected {
                reference: reference.to_string(),
                digests: self.of.store.digests(reference, platform)?,
                why: self.details.values().next().cloned().unwrap_or_default(),
            };
            rejected::write(self.of.paths, &self.group.key, &rejected)
                .context("it cannot be remembered what did not come up")?;
        }
        self.of
            .store
            .point(reference, platform, manifest)
            .context("the image before cannot be had again")?;
        self.say(None, &format!("rolled back to {before}"));
        let mut reports = Vec::new();
        for member in &self.group.members {
            let detail = self.details.get(&member.unit).cloned().unwrap_or_default();
            // Those that were not started anew yet run it still.
            let is_touched = self.record.units.contains(&member.unit);
            if !is_touched || self.runs(member, &before).await? {
                let outcome = match is_touched {
                    true => Outcome::RolledBack,
                    false => Outcome::Current,
                };
                reports.push(self.of.report(member, outcome, &failed, &detail));
                continue;
            }
            let (outcome, detail) = match self.bring_up(member, &before).await? {
                Ok(()) => (Outcome::RolledBack, detail),
                Err(why) => {
                    self.say(
                        Some(member),
                        &format!("does not come up with the image before either: {why}"),
                    );
                    (Outcome::Failed, format!("with the image before too: {why}"))
                }
            };
            reports.push(self.of.report(member, outcome, &failed, &detail));
        }
        self.finish()?;
        Ok(reports)
    }

    /// Whether a member runs this image, and not only holds it.
    async fn runs(&self, member: &Candidate, digest: &str) -> anyhow::Result<bool> {
        let path = self.of.paths.pod(&member.pod).member(&member.member).image();
        let held = crate::sys::file::read_text(&path, 4096).unwrap_or_default();
        let unit = self.of.unit(member).await?;
        Ok(held.lines().next() == Some(digest) && unit.active == Active::Active)
    }

    fn outcomes(&self, found: &str, on_trial: &[&Candidate], unreachable: Option<&str>) -> Vec<Report> {
        let report = |member: &Candidate| {
            let failure = self.details.get(&member.unit);
            let is_unseen = unreachable.filter(|_| member.policy == AutoUpdate::Registry);
            let was_tried = on_trial.iter().any(|tried| tried.unit == member.unit);
            match (failure, is_unseen) {
                (Some(why), _) => self.of.report(member, Outcome::Failed, found, why),
                (None, Some(why)) => self.of.report(member, Outcome::Failed, found, why),
                (None, None) if was_tried => self.of.report(member, Outcome::Updated, found, ""),
                (None, None) => match &self.skipped {
                    Some((digest, rejected)) if member.policy == AutoUpdate::Registry => {
                        let detail = rejected.detail();
                        self.of
                            .report(member, Outcome::Rejected, &digest.to_string(), &detail)
                    }
                    _ => self.of.report(member, Outcome::Current, found, ""),
                },
            }
        };
        self.group.members.iter().map(report).collect()
    }

    fn reports(&self, outcome: Outcome, found: &str, detail: &str) -> Vec<Report> {
        let members = self.group.members.iter();
        members
            .map(|member| self.of.report(member, outcome, found, detail))
            .collect()
    }

    /// Keeps the image before, and what a successor has to know.
    fn write(&self) -> anyhow::Result<()> {
        let manifest: Digest = self
            .record
            .before
            .parse()
            .context("the image before is not known")?;
        let work = self.of.store.work()?;
        work.keep_image(&kept(&self.group.key), manifest)?;
        record::write(self.of.paths, &self.group.key, &self.record)
            .context("the update cannot be recorded, so nothing was done")
    }

    /// The update is over, one way or the other.
    fn finish(&self) -> anyhow::Result<()> {
        record::remove(self.of.paths, &self.group.key)
            .context("the record of the update cannot be removed")?;
        self.of.store.work()?.release(&kept(&self.group.key))?;
        Ok(())
    }
}
