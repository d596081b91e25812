//! The update of one image: pull, restart, look, and the way back.

use super::plan::{Candidate, Group};
use super::record::{self, Record, Stage};
use super::trial::{PROVEN, Trial, Verdict};
use super::{Outcome, Report};
use crate::compiled;
use crate::image::{self, Digest, Progress, Store};
use crate::model::settings::ImageSettings;
use crate::model::{AutoUpdate, Paths, Protocol, PullPolicy, Reference, Request};
use crate::supervise::ports;
use crate::systemd::job::{self, Kind};
use crate::systemd::manager;
use crate::systemd::unit::{Active, Unit};
use anyhow::Context;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use zbus::{Connection, MessageStream};

/// From one look at the ports to the next; the kernel has no event for a new listener.
const LOOK: Duration = Duration::from_millis(100);

/// What updates are made with.
pub struct Updates<'a> {
    /// Where things are.
    pub paths: &'a Paths,
    /// The images.
    pub store: &'a Store,
    /// Where they come from.
    pub settings: &'a ImageSettings,
    /// A connection that is subscribed ([`job::subscribe`]).
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
    pub fn look(&self, group: &Group) -> Vec<Report> {
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
                self.report(member, Outcome::Pending, &newer.to_string(), "")
            }
            _ if member.running == local => self.report(member, Outcome::Current, &local, ""),
            _ => self.report(member, Outcome::Pending, &local, ""),
        };
        group.members.iter().map(report).collect()
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
    fn local(&self, group: &Group) -> Option<String> {
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

    fn report(&self, member: &Candidate, outcome: Outcome, found: &str, detail: &str) -> Report {
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

    /// Starts a member anew and sees whether it comes up.
    async fn restart(&self, member: &Candidate) -> anyhow::Result<Result<(), String>> {
        let pod = compiled::running(self.paths, &member.pod)?;
        let silent_before = self.silent(member, &[]).await?;
        // One that has failed too often would not be started at all.
        manager::reset_failed(self.bus, &member.unit).await?;
        let restarted = job::run(self.bus, &member.unit, Kind::RestartAlone);
        let ended = match pod.start_timeout {
            Some(limit) => timeout(limit.max(PROVEN), restarted).await,
            None => Ok(restarted.await),
        };
        match ended {
            Err(_) => return Ok(Err("not ready in time (TimeoutStartSec= of its pod)".to_owned())),
            Ok(result) => {
                if result? != "done" {
                    return Ok(Err(self.unit(member).await?.failure()));
                }
            }
        }
        self.watch(member, pod.start_timeout, &silent_before).await
    }

    /// Sees whether a member that was started stays up. `silent_before` are ports that had no listener before either.
    async fn watch(
        &self,
        member: &Candidate,
        limit: Option<Duration>,
        silent_before: &[u16],
    ) -> anyhow::Result<Result<(), String>> {
        let rule = manager::changes_rule(&member.unit);
        // Before the look: a change that comes at once is not missed.
        let mut changes = MessageStream::for_match_rule(rule.as_str(), self.bus, None).await?;
        let began = Instant::now();
        let mut unit = self.unit(member).await?;
        let trial = Trial {
            invocation: unit.invocation,
            restarts: unit.restarts,
            notify: member.notify,
            limit,
        };
        loop {
            let silent = match unit.active {
                Active::Active => self.silent(member, silent_before).await?,
                _ => Vec::new(),
            };
            let time = began.elapsed();
            match trial.judge(&unit, &silent, time) {
                Verdict::Up => return Ok(Ok(())),
                Verdict::Down(why) => return Ok(Err(why)),
                Verdict::Open => {}
            }
            let next = match silent.is_empty() && time < PROVEN {
                true => began + PROVEN,
                false => Instant::now() + LOOK,
            };
            tokio::select! {
                change = changes.next() => drop(change.context("the connection to the bus was lost")??),
                () = sleep_until(next) => {}
            }
            unit = self.unit(member).await?;
        }
    }

    async fn unit(&self, member: &Candidate) -> zbus::Result<Unit> {
        manager::read_unit(self.bus, &member.unit, |_| {}).await
    }

    /// Published TCP ports of the member's pod without a listener, `but` left out.
    async fn silent(&self, member: &Candidate, but: &[u16]) -> anyhow::Result<Vec<u16>> {
        let pod = compiled::running(self.paths, &member.pod)?;
        let tcp = pod.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
        let mut published: Vec<u16> = tcp.map(|port| port.container_port).collect();
        published.retain(|port| !but.contains(port));
        published.sort_unstable();
        published.dedup();
        if published.is_empty() {
            return Ok(published);
        }
        let mut pids = Vec::new();
        for unit in pod.service_units().iter().skip(1) {
            pids.push(manager::read_unit(self.bus, unit, |_| {}).await?.main_pid);
        }
        let pids = pids.into_iter().filter(|pid| *pid != 0);
        Ok(ports::silent(&published, pids, pod.share.net)?)
    }
}

/// One update under way.
struct Update<'a> {
    of: &'a Updates<'a>,
    group: &'a Group,
    record: Record,
    /// By unit, why a member did not come up.
    details: BTreeMap<String, String>,
}

impl Update<'_> {
    fn say(&self, member: Option<&Candidate>, text: &str) {
        let what = match member {
            Some(member) => format!("{}/{}", member.pod, member.member),
            None => self.group.reference.to_string(),
        };
        (self.of.say)(&format!("{what}: {text}"));
    }

    async fn run(&mut self) -> anyhow::Result<Vec<Report>> {
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
            return self.of.watch(member, None, &[]).await;
        }
        self.say(Some(member), &format!("restarting with {wanted}"));
        let restarted = self.of.restart(member).await?;
        if restarted.is_ok() {
            self.say(Some(member), "is up");
        }
        Ok(restarted)
    }

    /// The name stands for the image before, and members that run another are started anew with that.
    async fn roll_back(&mut self) -> anyhow::Result<Vec<Report>> {
        let before = self.record.before.clone();
        self.record.stage = Stage::RollingBack;
        self.write()?;
        let manifest: Digest = before.parse().context("the image before is not known")?;
        let (reference, platform) = (&self.group.reference, self.group.platform.as_ref());
        let failed = self.of.local(self.group).unwrap_or_default();
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
                (None, None) => self.of.report(member, Outcome::Current, found, ""),
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

/// The name under which the store keeps the image before.
fn kept(key: &str) -> String {
    format!("update-{key}")
}
