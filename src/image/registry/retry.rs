//! Trying again what may pass, with growing pauses.

use super::error::RegistryError;
use std::time::{Duration, SystemTime};

/// How often a failed request is tried again if nobody says otherwise.
const TIMES: u32 = 3;
/// The first pause if nobody says otherwise; each is twice the one before.
const DELAY: Duration = Duration::from_secs(1);
/// The longest pause, whatever a server asks for.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// How often and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    times: u32,
    /// Always this, if it was given.
    fixed: Option<Duration>,
}

/// Waits between attempts.
pub trait Pauses: Sync {
    /// Waits, since `error` may pass. `false` if it was not worth it: the work is given up.
    fn pause(&self, error: &RegistryError, time: Duration) -> bool;

    /// Whether the work is given up.
    fn is_cancelled(&self) -> bool;
}

impl Retry {
    /// What a request asks for ([`crate::model::Request`]).
    pub fn new(times: Option<u32>, delay: Option<Duration>) -> Self {
        Self {
            times: times.unwrap_or(TIMES),
            fixed: delay,
        }
    }

    /// Does something until it succeeds, fails for good or has failed too often.
    ///
    /// # Errors
    /// The last one.
    pub fn run<T>(
        &self,
        pauses: &dyn Pauses,
        mut attempt: impl FnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut failures = 0;
        loop {
            let error = match attempt() {
                Err(error) if error.may_pass() && failures < self.times && !pauses.is_cancelled() => error,
                other => return other,
            };
            let pause = self.pause(failures, error.retry_after());
            failures += 1;
            if !pauses.pause(&error, pause) {
                return Err(error);
            }
        }
    }

    fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let own = match self.fixed {
            Some(fixed) => fixed,
            None => DELAY.saturating_mul(1 << failures.min(6)).min(DELAY_MAX),
        };
        own.max(asked.unwrap_or_default().min(DELAY_MAX))
    }
}

/// Reads `Retry-After`: seconds, or a date as HTTP writes it (RFC 9110, 10.2.3).
pub fn after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    date(header)?.duration_since(now).ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`; the forms that are obsolete say nothing.
fn date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name == month)? as u64;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hours, minutes, seconds] = clock.as_slice() else {
        return None;
    };
    if !(1970..=9999).contains(&year)
        || !(1..=31).contains(&day)
        || *hours > 23
        || *minutes > 59
        || *seconds > 60
    {
        return None;
    }
    // Days since 1970 of a date, counted in years that begin in March.
    let (shifted_year, shifted_month) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    let days = (shifted_year * 365 + leap_days + day_of_year).checked_sub(719_468)?;
    let since = days * 86_400 + hours * 3600 + minutes * 60 + seconds;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoTime;

    impl Pauses for NoTime {
        fn pause(&self, _: &RegistryError, _: Duration) -> bool {
            true
        }

        fn is_cancelled(&self) -> bool {
            false
        }
    }

    fn failure(status: u16, after: Option<Duration>) -> RegistryError {
        RegistryError::Status {
            host: "host".to_owned(),
            status,
            what: "x".to_owned(),
            words: String::new(),
            after,
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, expected) in [
            (503, 3),
            (429, 3),
            (500, 3),
            (404, 1),
            (401, 1),
            (403, 1),
            (400, 1),
        ] {
            let mut attempts = 0;
            let result = Retry::new(Some(2), None).run(&NoTime, || {
                attempts += 1;
                Err::<(), _>(failure(status, None))
            });
            assert!(result.is_err());
            assert_eq!(attempts, expected, "{status}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let retry = Retry::new(None, None);
        let seconds =
            |failures, asked: Option<u64>| retry.pause(failures, asked.map(Duration::from_secs)).as_secs();
        assert_eq!(
            [0, 1, 2, 9].map(|failures| seconds(failures, None)),
            [1, 2, 4, 60]
        );
        assert_eq!((seconds(0, Some(7)), seconds(0, Some(1_000_000))), (7, 60));
        let fixed = Retry::new(None, Some(Duration::from_millis(5)));
        assert_eq!(fixed.pause(5, None), Duration::from_millis(5));
    }

    #[test]
    fn retry_after() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(
            after("Sun, 06 Nov 1994 08:49:47 GMT", now),
            Some(Duration::from_secs(10))
        );
        assert_eq!(after("Sun, 06 Nov 1994 08:49:27 GMT", now), None);
        assert_eq!(
            date("Thu, 29 Feb 2024 00:00:00 GMT"),
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_164_800))
        );
        for bad in [
            "",
            "-1",
            "x",
            "99999999999",
            "Sun, 40 Nov 1994 08:49:37 GMT",
            "a b c d e GMT",
        ] {
            assert_eq!(after(bad, now), None, "{bad}");
        }
    }
}
