//! A member with another image: started anew, and watched until it has come up.

use super::plan::Candidate;
use super::run::Updates;
use super::trial::{PROVEN, Trial, Verdict};
use crate::compiled;
use crate::model::Protocol;
use crate::supervise::ports;
use crate::systemd::job::{self, Kind};
use crate::systemd::manager;
use crate::systemd::unit::{Active, Unit};
use anyhow::Context;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use zbus::MessageStream;

/// From one look at the ports to the next; the kernel has no event for a new listener.
const LOOK: Duration = Duration::from_millis(100);

impl Updates<'_> {
    /// Starts a member anew and sees whether it comes up.
    pub(super) async fn restart(&self, member: &Candidate) -> anyhow::Result<Result<(), String>> {
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
        // systemd has counted anew since.
        self.watch(member, pod.start_timeout, &silent_before, Some(0))
            .await
    }

    /// Sees whether a member that was started stays up. `silent_before` are ports that had no listener before either, and
    /// `restarts` how often systemd had started it again then; as often as now if that is not known.
    pub(super) async fn watch(
        &self,
        member: &Candidate,
        limit: Option<Duration>,
        silent_before: &[u16],
        restarts: Option<u32>,
    ) -> anyhow::Result<Result<(), String>> {
        let rule = manager::changes_rule(&member.unit);
        // Before the look: a change that comes at once is not missed.
        let mut changes = MessageStream::for_match_rule(rule.as_str(), self.bus, None).await?;
        let began = Instant::now();
        let mut unit = self.unit(member).await?;
        let trial = Trial {
            invocation: unit.invocation,
            restarts: restarts.unwrap_or(unit.restarts),
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

    pub(super) async fn unit(&self, member: &Candidate) -> zbus::Result<Unit> {
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
