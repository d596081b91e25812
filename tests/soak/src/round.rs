//! A round: from pods that are stopped, through operations, to pods that are stopped.

use crate::act::{act, thaw_all};
use crate::agree;
use crate::counts::{self, Counts};
use crate::expect;
use crate::look::{Look, look};
use crate::operation::{Burst, Operation};
use crate::pods::{Form, PODS};
use crate::systemd::{self, Ended, systemctl};
use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long all may take to come to rest and agree. A limit against hanging.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(10);

/// What is known from earlier rounds.
pub struct Soak {
    before: Counts,
    /// File descriptors of supervisors, by pod and number of members.
    descriptors: BTreeMap<(usize, usize), usize>,
}

impl Soak {
    /// The first start of everything leaves what stays: the bridge, caches, folders.
    pub fn begin() -> Result<Soak> {
        let mut soak = Soak {
            before: Counts::new(),
            descriptors: BTreeMap::new(),
        };
        soak.tidy()?;
        for _ in 0..2 {
            for arguments in [["start"], ["restart"], ["stop"]] {
                let units: Vec<String> = PODS.iter().map(|pod| pod.unit()).collect();
                let arguments = arguments.into_iter().chain(units.iter().map(String::as_str));
                succeed(&arguments.collect::<Vec<_>>())?;
            }
            succeed(&["daemon-reexec"])?;
            succeed(&["restart", "dbus"])?;
        }
        soak.rest(None, |_| Vec::new())?;
        soak.before = counts::count()?;
        // systemd 262 keeps some sockets of its own each time, with or without pods.
        for _ in 0..2 {
            succeed(&["daemon-reexec"])?;
        }
        soak.rest(None, |_| Vec::new())?;
        if counts::count()?[counts::DESCRIPTORS] > soak.before[counts::DESCRIPTORS] {
            println!(
                "soak: systemd keeps {} at each daemon-reexec: not counted",
                counts::DESCRIPTORS
            );
            soak.before.remove(counts::DESCRIPTORS);
        }
        Ok(soak)
    }

    /// Operations by that seed, at least so many unless something is wrong; gives how many. What is done is told
    /// to `tell` first.
    pub fn round(&mut self, seed: u64, least: usize, mut tell: impl FnMut(&str)) -> Result<usize> {
        let mut rng = Rng::with_seed(seed);
        let mut forms = Forms::default();
        let mut done = 0;
        let mut seen = self.rest(None, |_| Vec::new())?;
        while done < least {
            let burst = Burst::random(&mut rng);
            done += burst.steps.len();
            seen = self.burst(&burst, &mut forms, &seen, &mut tell)?;
        }
        tell("all pods are stopped");
        self.tidy()?;
        self.compare()?;
        Ok(done)
    }

    fn burst(
        &mut self,
        burst: &Burst,
        forms: &mut Forms,
        before: &Look,
        tell: &mut impl FnMut(&str),
    ) -> Result<Look> {
        let mut calls = Vec::new();
        for (operation, pause) in &burst.steps {
            let separate = if burst.single().is_some() { "" } else { "  " };
            tell(&format!("{separate}{operation}"));
            calls.extend(act(*operation)?);
            forms.follow(*operation);
            sleep(*pause);
        }
        if burst
            .steps
            .iter()
            .any(|(operation, _)| matches!(operation, Operation::Freeze(_)))
        {
            self.thaw()?;
        }
        let ended: Vec<Ended> = calls.into_iter().map(|call| call.end()).collect::<Result<_>>()?;
        // What concerns all may have been missed by a supervisor.
        let concerns_all = burst.steps.iter().any(|(operation, _)| operation.pod().is_none());
        let known = (!concerns_all).then_some(before);
        let Some(operation) = burst.single() else {
            return self.rest(known, |_| Vec::new());
        };
        let is_known = operation.pod().is_some_and(|pod| forms.is_known(pod));
        let status = ended.first().map(|ended| ended.status);
        let rest = self.rest(known, |after| {
            expect::surprises(operation, status, is_known, before, after)
        });
        let said: Vec<&str> = ended.iter().map(|ended| ended.said.as_str()).collect();
        rest.with_context(|| said.concat())
    }

    /// Nothing can be done with what is frozen. systemd is told, too, which refuses it while there are jobs.
    fn thaw(&self) -> Result<()> {
        let begin = Instant::now();
        for pod in &PODS {
            thaw_all();
            while systemd::units(&[pod.slice()])?
                .values()
                .any(|slice| slice.is_frozen)
            {
                let ended = systemctl(&["thaw", &pod.slice()])?;
                ensure!(
                    begin.elapsed() < PATIENCE,
                    "{} cannot be thawed: {}",
                    pod.slice(),
                    ended.said
                );
                thaw_all();
                sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Waits until nothing is about to change and all agree, and nothing else is wrong.
    fn rest(&mut self, known: Option<&Look>, wrong: impl Fn(&Look) -> Vec<String>) -> Result<Look> {
        let begin = Instant::now();
        loop {
            let look = look(known)?;
            let mut found = agree::unrest(&look);
            if found.is_empty() {
                found.extend(agree::disagreements(&look));
                found.extend(self.more_descriptors(&look));
                found.extend(wrong(&look));
            }
            if found.is_empty() {
                return Ok(look);
            }
            ensure!(begin.elapsed() < PATIENCE, "{}", found.join("\n"));
            sleep(PAUSE);
        }
    }

    /// Supervisors that have more than others had of as many members.
    fn more_descriptors(&mut self, look: &Look) -> Vec<String> {
        let mut found = Vec::new();
        for (at, seen) in look.pods.iter().enumerate() {
            if let (Some(count), Some(members)) = (seen.descriptors, &seen.started_with) {
                let first = *self.descriptors.entry((at, members.len())).or_insert(count);
                if count > first {
                    found.push(format!(
                        "{}: the supervisor has {count} file descriptors, not {first}",
                        PODS[at].name
                    ));
                }
            }
        }
        found
    }

    /// All pods as they are at first: their definitions, and stopped.
    fn tidy(&mut self) -> Result<()> {
        for pod in &PODS {
            pod.write(Form::First)?;
            // Unless it is unknown.
            systemctl(&["stop", &pod.unit()])?;
        }
        succeed(&["daemon-reload"])?;
        for pod in &PODS {
            // Where systemd has forgotten it.
            systemctl(&["stop", &pod.slice()])?;
        }
        systemctl(&["reset-failed"])?;
        let look = self.rest(None, |_| Vec::new())?;
        for (pod, seen) in PODS.iter().zip(&look.pods) {
            ensure!(
                !seen.own.is_active(),
                "{}: is stopped, and still active",
                pod.name
            );
        }
        Ok(())
    }

    fn compare(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let grown = counts::grown(&self.before, &counts::count()?);
            if grown.is_empty() {
                return Ok(());
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "all pods are stopped, and there is more than before:\n{}",
                grown.join("\n")
            );
            sleep(PAUSE);
        }
    }
}

/// What definitions are, and what systemd has read.
#[derive(Default)]
struct Forms([(Option<Form>, Option<Form>); PODS.len()]);

impl Forms {
    fn follow(&mut self, operation: Operation) {
        match operation {
            Operation::Edit(pod, form) => self.0[pod].0 = Some(form),
            Operation::DaemonReload | Operation::DaemonReexec => {
                for (written, read) in &mut self.0 {
                    *read = *written;
                }
            }
            _ => {}
        }
    }

    /// Whether systemd has read the definition as it is, and it is valid.
    fn is_known(&self, pod: usize) -> bool {
        let (written, read) = self.0[pod];
        written == read && written.is_none_or(Form::is_valid)
    }
}

fn succeed(arguments: &[&str]) -> Result<()> {
    let ended = systemctl(arguments)?;
    if ended.status != 0 {
        bail!("`{}`: {}: {}", ended.command, ended.status, ended.said);
    }
    Ok(())
}
