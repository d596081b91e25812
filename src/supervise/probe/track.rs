//! One probe in one life of a member: when it is looked, and what the results come to. Pure.

use crate::model::{self, Check};
use std::time::Duration;
use tokio::time::Instant;

/// Until a probe has passed, it is looked more often: first so soon after the start, for a process and for what needs
/// none; then after twice the time before, up to the last of the three. What fails in between does not count.
const SOON: (Duration, Duration, Duration) = (
    Duration::from_millis(250),
    Duration::from_millis(50),
    Duration::from_secs(1),
);

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It passed.
    Passed,
    /// It failed; the words say how.
    Failed(String),
    /// It could not be made, which says nothing of the member; the words say why not.
    Unknown(String),
    /// It was not the time for it: the member is only being made, or is frozen.
    Postponed,
}

/// What the results have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Neither has it passed nor failed often enough.
    Open,
    /// It passes.
    Passing,
    /// It has failed too often in a row.
    Failing,
}

/// What of a probe decides when it is looked, and what its results come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    interval: Duration,
    retries: u32,
    success: u32,
    start_period: Duration,
    soon: Duration,
}

impl Rule {
    /// That of a probe.
    pub(super) fn of(probe: &model::Probe) -> Self {
        Self {
            interval: probe.interval,
            retries: probe.retries,
            success: probe.success,
            start_period: probe.start_period,
            soon: match probe.check {
                Check::Exec(_) | Check::Shell(_) => SOON.0,
                Check::Tcp(_) | Check::Http(_) | Check::Unix(_) => SOON.1,
            },
        }
    }
}

/// A probe in one life of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    rule: Rule,
    verdict: Verdict,
    /// The verdict was taken over, and the first result decides.
    is_presumed: bool,
    /// When it is looked next; nothing while a check runs.
    next: Option<Instant>,
    /// From when on a failure counts, and how far apart the checks before are.
    counts_from: Instant,
    soon: Duration,
    /// Until when no failure counts.
    start_period: Instant,
    /// Whether a failure of the check that runs counts.
    counts: bool,
    passes: u32,
    failures: u32,
    /// What the last check that failed said.
    said: String,
    /// The last check could not be made.
    is_unknown: bool,
}

impl Track {
    /// A probe that begins now.
    pub(super) fn new(rule: Rule, now: Instant) -> Self {
        let after = |span| now.checked_add(span).unwrap_or(now);
        Self {
            rule,
            verdict: Verdict::Open,
            is_presumed: false,
            next: Some(now),
            counts_from: after(rule.interval),
            soon: rule.soon.min(rule.interval),
            start_period: after(rule.start_period),
            counts: false,
            passes: 0,
            failures: 0,
            said: String::new(),
            is_unknown: false,
        }
    }

    /// A probe of a member that was ready when it was taken over.
    pub(super) fn presumed(rule: Rule, now: Instant) -> Self {
        Self {
            verdict: Verdict::Passing,
            is_presumed: true,
            ..Self::new(rule, now)
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What the last check that failed said, behind a colon.
    pub(super) fn said(&self) -> String {
        match self.said.as_str() {
            "" => String::new(),
            said => format!(": {said}"),
        }
    }

    /// When it is looked next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Begins a check, if it is the time for one.
    pub(super) fn start(&mut self, now: Instant) -> bool {
        let is_due = self.next.is_some_and(|next| next <= now);
        if is_due {
            self.next = None;
            self.counts = self.counts_from <= now;
        }
        is_due
    }

    /// Takes the result of the check. Returns whether the probe has failed too often with it, which it does again
    /// after as many failures more.
    pub(super) fn finish(&mut self, now: Instant, outcome: &Outcome) -> bool {
        let has_failed = match outcome {
            Outcome::Passed => {
                (self.failures, self.passes) = (0, self.passes.saturating_add(1));
                if self.passes >= self.rule.success {
                    self.verdict = Verdict::Passing;
                    self.said.clear();
                }
                false
            }
            Outcome::Failed(why) => {
                self.passes = 0;
                self.said.clone_from(why);
                self.failed(now)
            }
            Outcome::Unknown(_) | Outcome::Postponed => false,
        };
        if matches!(outcome, Outcome::Passed | Outcome::Failed(_)) {
            self.is_presumed = false;
        }
        self.schedule(now);
        has_failed
    }

    fn failed(&mut self, now: Instant) -> bool {
        let is_spared = self.verdict == Verdict::Open && (!self.counts || now < self.start_period);
        if !is_spared {
            self.failures = self.failures.saturating_add(1);
        }
        let is_over = self.rule.retries > 0 && self.failures >= self.rule.retries;
        if is_over || self.is_presumed {
            self.verdict = Verdict::Failing;
        }
        if is_over {
            self.failures = 0;
        }
        is_over
    }

    fn schedule(&mut self, now: Instant) {
        let regular = now.checked_add(self.rule.interval).unwrap_or(now);
        if self.counts || self.verdict != Verdict::Open {
            self.counts_from = regular;
        }
        self.next = Some(match self.verdict {
            Verdict::Open => self.counts_from.min(now + self.soon),
            Verdict::Passing | Verdict::Failing => self.counts_from,
        });
        self.soon = (self.soon * 2).min(SOON.2).min(self.rule.interval);
    }

    /// Whether the outcome is the first that says nothing, after one that did.
    pub(super) fn is_newly_unknown(&mut self, outcome: &Outcome) -> bool {
        if *outcome == Outcome::Postponed {
            return false;
        }
        let is_unknown = matches!(outcome, Outcome::Unknown(_));
        !std::mem::replace(&mut self.is_unknown, is_unknown) && is_unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn rule(retries: u32, start_period: u64) -> Rule {
        Rule {
            interval: INTERVAL,
            retries,
            success: 1,
            start_period: Duration::from_secs(start_period),
            soon: SOON.1,
        }
    }

    fn no() -> Outcome {
        Outcome::Failed("no".to_owned())
    }

    /// Makes the next check and takes its result at once; returns when that was.
    fn check(track: &mut Track, outcome: &Outcome) -> (Instant, bool) {
        let at = track.next().unwrap();
        assert!(track.start(at) && track.next().is_none() && !track.start(at));
        (at, track.finish(at, outcome))
    }

    #[test]
    fn until_it_passes_it_is_looked_often_but_only_each_interval_counts() {
        let begun = Instant::now();
        let mut track = Track::new(rule(2, 0), begun);
        let mut last = begun;
        let mut looks = 0;
        let failed = loop {
            let (at, failed) = check(&mut track, &no());
            assert!(at.duration_since(last) <= SOON.2, "looked too rarely");
            (last, looks) = (at, looks + 1);
            if failed {
                break at.duration_since(begun);
            }
        };
        assert_eq!((failed, track.verdict()), (2 * INTERVAL, Verdict::Failing));
        assert!((20..40).contains(&looks), "{looks}");
        assert_eq!(
            track.next(),
            Some(last + INTERVAL),
            "then no more often than it should"
        );
        check(&mut track, &Outcome::Passed);
        assert_eq!((track.verdict(), track.said()), (Verdict::Passing, String::new()));
    }

    #[test]
    fn a_start_period_spares_failures_but_only_until_the_first_pass() {
        let begun = Instant::now();
        let mut track = Track::new(rule(1, 60), begun);
        while track.next().unwrap() < begun + Duration::from_secs(60) {
            assert!(!check(&mut track, &no()).1);
        }
        assert_eq!(track.verdict(), Verdict::Open);
        let mut early = Track::new(rule(1, 60), begun);
        check(&mut early, &Outcome::Passed);
        assert!(check(&mut early, &no()).1, "it was up, and is not any more");
    }

    #[test]
    fn of_one_that_was_taken_over_the_first_result_decides() {
        let mut track = Track::presumed(rule(3, 0), Instant::now());
        check(&mut track, &Outcome::Postponed);
        check(&mut track, &Outcome::Unknown("no bus".to_owned()));
        assert_eq!(track.verdict(), Verdict::Passing);
        let (_, has_failed) = check(&mut track, &no());
        assert_eq!((track.verdict(), has_failed), (Verdict::Failing, false));
        let mut track = Track::presumed(rule(3, 0), Instant::now());
        check(&mut track, &Outcome::Passed);
        check(&mut track, &no());
        assert_eq!(
            track.verdict(),
            Verdict::Passing,
            "one failure is forgiven after that"
        );
    }

    #[test]
    fn without_a_limit_it_fails_without_end() {
        let mut track = Track::new(rule(0, 0), Instant::now());
        for _ in 0..1000 {
            assert!(!check(&mut track, &no()).1);
        }
        assert_eq!((track.verdict(), track.said().as_str()), (Verdict::Open, ": no"));
    }

    #[test]
    fn what_is_not_known_is_told_once() {
        let mut track = Track::new(rule(1, 0), Instant::now());
        let unknown = Outcome::Unknown("no bus".to_owned());
        assert!(track.is_newly_unknown(&unknown) && !track.is_newly_unknown(&unknown));
        assert!(!track.is_newly_unknown(&no()) && track.is_newly_unknown(&unknown));
    }
}
