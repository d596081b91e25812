//! What an update is made with, and what is to be done for an image.

use super::one::Update;
use super::plan::{Candidate, Group};
use super::record::{self, Record, Stage};
use super::rejected::{self, Rejected};
use super::{Outcome, Report};
use crate::image::{self, Progress, Store};
use crate::model::settings::ImageSettings;
use crate::model::{AutoUpdate, Paths, Reference};
use anyhow::Context;
use std::collections::BTreeMap;
use zbus::Connection;

/// What updates are made with.
pub struct Updates<'a> {
    /// Where things are.
    pub paths: &'a Paths,
    /// The images.
    pub store: &'a Store,
    /// Where they come from.
    pub settings: &'a ImageSettings,
    /// A connection that is subscribed ([`crate::systemd::job::subscribe`]).
    pub bus: &'a Connection,
    /// Is told how pulls go.
    pub progress: &'a dyn Progress,
    /// Is told each step, in a line.
    pub say: &'a dyn Fn(&str),
    /// Whether a member that does not come up gets the image before.
    pub rollback: bool,
}

impl Updates<'_> {
    /// What an update of the group would do. Nothing is changed.
    ///
    /// # Errors
    /// It cannot be read what was rejected.
    pub fn look(&self, group: &Group) -> anyhow::Result<Vec<Report>> {
        let rejected = self.rejected(group)?;
        let found = match group.request() {
            Some(request) => image::pull::newer(self.store, request, self.settings, self.progress),
            None => Ok(None),
        };
        let local = self.local(group).unwrap_or_default();
        let report = |member: &Candidate| match &found {
            Err(error) if member.policy == AutoUpdate::Registry => {
                self.report(member, Outcome::Failed, &local, &format!("{error:#}"))
            }
            Ok(Some(newer)) if member.policy == AutoUpdate::Registry => {
                match rejected.as_ref().filter(|it| it.digests.contains(newer)) {
                    Some(it) => self.report(member, Outcome::Rejected, &newer.to_string(), &it.detail()),
                    None => self.report(member, Outcome::Pending, &newer.to_string(), ""),
                }
            }
            _ if member.running == local => self.report(member, Outcome::Current, &local, ""),
            _ => self.report(member, Outcome::Pending, &local, ""),
        };
        Ok(group.members.iter().map(report).collect())
    }

    /// What is not to be tried again of a group. Whoever wants no way back wants it tried.
    pub(super) fn rejected(&self, group: &Group) -> anyhow::Result<Option<Rejected>> {
        if !self.rollback {
            return Ok(None);
        }
        rejected::find(self.paths, &group.key).context("it cannot be read what did not come up before")
    }

    /// Updates the members of a group that do not run what there is, and takes that back if one of them does not come up.
    ///
    /// # Errors
    /// The store or the records cannot be read or written; systemd does not answer. A later run takes it up.
    pub async fn update(&self, group: &Group) -> anyhow::Result<Vec<Report>> {
        let unfinished =
            record::find(self.paths, &group.key).context("an unfinished update cannot be read")?;
        let before = match (&unfinished, self.local(group)) {
            (Some(record), _) => record.before.clone(),
            (None, Some(local)) => local,
            (None, None) => self.running(group),
        };
        let mut update = Update {
            of: self,
            group,
            record: Record {
                reference: group.reference.to_string(),
                platform: group.platform.clone(),
                before,
                units: unfinished
                    .iter()
                    .flat_map(|record| record.units.clone())
                    .collect(),
                stage: unfinished.as_ref().map_or(Stage::Updating, |record| record.stage),
            },
            details: BTreeMap::new(),
            skipped: None,
        };
        if unfinished.is_some() {
            (self.say)(&format!(
                "{}: an update that was interrupted is taken up",
                group.reference
            ));
        }
        if update.record.stage == Stage::RollingBack {
            return update.roll_back().await;
        }
        update.run().await
    }

    /// Ends updates that were interrupted and whose images no member runs any more; `groups` are all that there are.
    ///
    /// # Errors
    /// The store or the records cannot be read or written.
    pub fn settle(&self, groups: &[Group]) -> anyhow::Result<()> {
        for key in record::keys(self.paths) {
            if groups.iter().any(|group| group.key == key) {
                continue;
            }
            let Some(record) =
                record::find(self.paths, &key).context("an unfinished update cannot be read")?
            else {
                continue;
            };
            let reference: Reference = record.reference.parse()?;
            match record.stage {
                Stage::Updating => (self.say)(&format!(
                    "{reference}: an update was interrupted, and nobody runs the image any more; its name stands for \
                     what was found"
                )),
                Stage::RollingBack => {
                    let before = record.before.parse().context("the image before is not known")?;
                    self.store.point(&reference, record.platform.as_ref(), before)?;
                    (self.say)(&format!("{reference}: rolled back to {}", record.before));
                }
            }
            record::remove(self.paths, &key).context("the record of the update cannot be removed")?;
            self.store.work()?.release(&kept(&key))?;
        }
        Ok(())
    }

    /// Digest of what the store has for the group.
    pub(super) fn local(&self, group: &Group) -> Option<String> {
        let found = self
            .store
            .find(&group.reference.to_string(), group.platform.as_ref());
        found.ok().map(|image| image.digest)
    }

    fn running(&self, group: &Group) -> String {
        group
            .members
            .first()
            .map(|member| member.running.clone())
            .unwrap_or_default()
    }

    pub(super) fn report(&self, member: &Candidate, outcome: Outcome, found: &str, detail: &str) -> Report {
        Report {
            pod: member.pod.clone(),
            member: member.member.clone(),
            image: member.reference.to_string(),
            policy: member.policy,
            outcome,
            before: member.running.clone(),
            found: found.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

/// The name under which the store keeps the image before.
pub(super) fn kept(key: &str) -> String {
    format!("update-{key}")
}
