//! Which signals a stop sends, and when: pure.

use crate::model::{Escalation, Signal};
use std::time::Duration;

/// What a definition says of a stop.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// The stop signal.
    pub first: Signal,
    /// `StopEscalate=`.
    pub escalate: &'a [Escalation],
    /// `StopRepeat=`.
    pub repeat: u32,
    /// `StopTimeout=`.
    pub budget: Duration,
}

/// Why a signal is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It asks the program to end.
    First,
    /// `StopRepeat=`.
    Repeat,
    /// `StopEscalate=`.
    Escalate,
    /// The time is over.
    Kill,
}

/// One signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When it is sent, counted from the first.
    pub at: Duration,
    /// The signal.
    pub signal: Signal,
    /// Why.
    pub reason: Reason,
}

/// The signals of a stop, in order, if `left` of its budget is left for them: a hook that took time shortens the
/// moments of all in proportion, so that none is left out. The last is SIGKILL, when all of it is over.
pub fn plan(rule: Rule<'_>, left: Duration) -> Vec<Step> {
    let mut steps = vec![Step {
        at: Duration::ZERO,
        signal: rule.first,
        reason: Reason::First,
    }];
    steps.extend(rule.escalate.iter().map(|escalation| Step {
        at: share(left, escalation.after.as_micros(), rule.budget.as_micros()),
        signal: escalation.signal,
        reason: Reason::Escalate,
    }));
    let repeats: Vec<Step> = (1..=rule.repeat)
        .filter_map(|number| {
            let at = share(left, u128::from(number), u128::from(rule.repeat) + 1);
            let current = steps.iter().rfind(|step| step.at <= at)?;
            // What is sent at that very moment need not be sent twice.
            (current.at < at).then_some(Step {
                at,
                signal: current.signal,
                reason: Reason::Repeat,
            })
        })
        .collect();
    steps.extend(repeats);
    steps.retain(|step| step.reason == Reason::First || step.at < left);
    steps.sort_by_key(|step| step.at);
    steps.push(Step {
        at: left,
        signal: Signal::KILL,
        reason: Reason::Kill,
    });
    steps
}

/// So much of a time; all of it, if there is nothing to divide by.
fn share(time: Duration, part: u128, whole: u128) -> Duration {
    let micros = (time.as_micros().saturating_mul(part)).checked_div(whole);
    micros
        .and_then(|micros| u64::try_from(micros).ok())
        .map_or(time, |micros| Duration::from_micros(micros).min(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(rule: Rule<'_>, left: u64) -> Vec<String> {
        let steps = plan(rule, Duration::from_secs(left));
        let tell = |step: &Step| format!("{} {} {:?}", step.at.as_millis(), step.signal, step.reason);
        steps.iter().map(tell).collect()
    }

    const QUIT: [Escalation; 1] = [Escalation {
        signal: Signal::QUIT,
        after: Duration::from_secs(7),
    }];
    const RULE: Rule<'_> = Rule {
        first: Signal::INT,
        escalate: &QUIT,
        repeat: 2,
        budget: Duration::from_secs(10),
    };

    #[test]
    fn the_current_signal_is_repeated_and_the_next_takes_its_place() {
        let all = [
            "0 SIGINT First",
            "3333 SIGINT Repeat",
            "6666 SIGINT Repeat",
            "7000 SIGQUIT Escalate",
            "10000 SIGKILL Kill",
        ];
        assert_eq!(told(RULE, 10), all);
        let more = Rule { repeat: 9, ..RULE };
        let told = told(more, 10);
        assert_eq!(
            told[7..10],
            [
                "7000 SIGQUIT Escalate",
                "8000 SIGQUIT Repeat",
                "9000 SIGQUIT Repeat"
            ]
        );
        assert_eq!(told.len(), 1 + 9 + 1, "at 7 s there is the escalation alone");
    }

    #[test]
    fn a_hook_shortens_all_in_proportion() {
        let all = [
            "0 SIGINT First",
            "1666 SIGINT Repeat",
            "3333 SIGINT Repeat",
            "3500 SIGQUIT Escalate",
            "5000 SIGKILL Kill",
        ];
        assert_eq!(told(RULE, 5), all);
        assert_eq!(told(RULE, 0), ["0 SIGINT First", "0 SIGKILL Kill"]);
        let none = Rule {
            budget: Duration::ZERO,
            escalate: &[],
            repeat: 0,
            ..RULE
        };
        assert_eq!(told(none, 0), ["0 SIGINT First", "0 SIGKILL Kill"]);
    }

    proptest! {
        #[test]
        fn whatever_the_rule_nothing_is_killed_before_its_time(
            budget in prop_oneof![0..100_u64, 0..u64::MAX],
            left in 0..=1000_u64,
            mut moments in prop::collection::btree_set(1..1000_u64, 0..5),
            repeat in 0..=100_u32,
        ) {
            let budget = Duration::from_micros(budget);
            let left = share(budget, u128::from(left), 1000);
            moments.retain(|_| !budget.is_zero());
            let escalate: Vec<Escalation> = moments
                .iter()
                .zip(1..)
                .map(|(moment, number)| Escalation {
                    signal: Signal::from_number(number).unwrap(),
                    after: share(budget, u128::from(*moment), 1000),
                })
                .collect();
            let rule = Rule { first: Signal::TERM, escalate: &escalate, repeat, budget };
            let steps = plan(rule, left);
            let (kill, before) = steps.split_last().unwrap();
            prop_assert_eq!((kill.at, kill.signal), (left, Signal::KILL));
            prop_assert!(before.iter().all(|step| step.signal != Signal::KILL));
            prop_assert_eq!((before[0].at, before[0].signal), (Duration::ZERO, Signal::TERM));
            prop_assert!(steps.is_sorted_by_key(|step| step.at));
            // Each signal of the definition comes, once, in its order, unless there is no time at all between them.
            let escalated: Vec<Signal> = before.iter().filter(|step| step.reason == Reason::Escalate).map(|step| step.signal).collect();
            let wanted: Vec<Signal> = escalate.iter().map(|escalation| escalation.signal).collect();
            if left > Duration::from_millis(1) {
                prop_assert_eq!(&escalated, &wanted);
            }
            for step in before.windows(2) {
                let same = step[1].reason != Reason::Repeat || step[1].signal == step[0].signal;
                prop_assert!(same, "{:?}", step);
            }
        }
    }
}
