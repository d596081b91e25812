//! A time limit that can stand still.

use std::time::Duration;
use tokio::time::Instant;

/// What is left of a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// There is none.
    None,
    /// It ends at this moment.
    Ends(Instant),
    /// It stands still, with so much left.
    Held(Duration),
}

impl Limit {
    /// A limit that begins now.
    pub(super) fn new(length: Option<Duration>, now: Instant) -> Self {
        // A length beyond all clocks is none.
        length
            .and_then(|length| now.checked_add(length))
            .map_or(Self::None, Self::Ends)
    }

    /// When it ends, if it runs.
    pub(super) fn end(self) -> Option<Instant> {
        match self {
            Self::Ends(end) => Some(end),
            Self::None | Self::Held(_) => None,
        }
    }

    /// From now on it stands still, or runs.
    pub(super) fn run(&mut self, runs: bool, now: Instant) {
        *self = match *self {
            Self::Ends(end) if !runs => Self::Held(end.saturating_duration_since(now)),
            Self::Held(left) if runs => Self::new(Some(left), now),
            same => same,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_stands_still_is_not_counted() {
        let second = Duration::from_secs(1);
        let now = Instant::now();
        let mut limit = Limit::new(Some(3 * second), now);
        limit.run(false, now + second);
        limit.run(false, now + 2 * second);
        assert_eq!(limit.end(), None);
        limit.run(true, now + 10 * second);
        limit.run(true, now + 11 * second);
        assert_eq!(limit.end(), Some(now + 12 * second));
        let mut none = Limit::new(None, now);
        none.run(false, now);
        none.run(true, now);
        assert_eq!(none, Limit::None);
    }
}
