//! Values with a grammar of their own: booleans, time spans, sizes.

use super::BLANKS;
use std::fmt;
use std::time::Duration;

/// Reads a boolean: `1` `yes` `y` `true` `t` `on`, `0` `no` `n` `false` `f` `off`, in any case.
pub fn parse_bool(text: &str) -> Option<bool> {
    let is_any = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_any(["1", "yes", "y", "true", "t", "on"]) {
        Some(true)
    } else if is_any(["0", "no", "n", "false", "f", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// A span of time as units have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSpan {
    /// A length of whole microseconds, fewer than 2⁶⁴−1.
    Finite(Duration),
    /// Without end, `infinity`.
    Infinite,
}

impl fmt::Display for TimeSpan {
    /// Writes what [`parse_time_span`] and systemd read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written())
    }
}

impl TimeSpan {
    /// What its [`Display`](fmt::Display) writes.
    pub fn written(self) -> String {
        match self {
            Self::Finite(span) => format_time_span(span),
            Self::Infinite => "infinity".to_owned(),
        }
    }
}

const SECOND: u64 = 1_000_000;

/// Units of time in microseconds, longest spelling first where one begins another.
const TIME_UNITS: [(&str, u64); 30] = [
    ("seconds", SECOND),
    ("second", SECOND),
    ("sec", SECOND),
    ("s", SECOND),
    ("minutes", 60 * SECOND),
    ("minute", 60 * SECOND),
    ("min", 60 * SECOND),
    ("months", 2_629_800 * SECOND),
    ("month", 2_629_800 * SECOND),
    ("M", 2_629_800 * SECOND),
    ("msec", 1000),
    ("ms", 1000),
    ("m", 60 * SECOND),
    ("hours", 3600 * SECOND),
    ("hour", 3600 * SECOND),
    ("hr", 3600 * SECOND),
    ("h", 3600 * SECOND),
    ("days", 86_400 * SECOND),
    ("day", 86_400 * SECOND),
    ("d", 86_400 * SECOND),
    ("weeks", 7 * 86_400 * SECOND),
    ("week", 7 * 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
    ("years", 31_557_600 * SECOND),
    ("year", 31_557_600 * SECOND),
    ("y", 31_557_600 * SECOND),
    ("usec", 1),
    ("us", 1),
    ("\u{b5}s", 1),
    ("\u{3bc}s", 1),
];

/// Reads a time span (systemd.time(7)): numbers with units added up, such as `5min 20s` or `1.5h`; a number without
/// a unit is seconds; `infinity`. Digits beyond the microsecond are cut.
pub fn parse_time_span(text: &str) -> Option<TimeSpan> {
    let mut rest = text.trim_matches(BLANKS);
    if rest == "infinity" {
        return Some(TimeSpan::Infinite);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, behind) = Number::read(rest)?;
        // systemd reads a signed number here.
        i64::try_from(number.whole).ok()?;
        let unit_text = behind.trim_start_matches(BLANKS);
        let unit = TIME_UNITS.iter().find(|(name, _)| unit_text.starts_with(name));
        let (behind_unit, factor) = unit.map_or((unit_text, SECOND), |(name, factor)| {
            (&unit_text[name.len()..], *factor)
        });
        if behind_unit.len() == behind.len() && !behind.is_empty() {
            // Neither a unit nor a blank behind the number: `12.34.56`.
            return None;
        }
        total = total.checked_add(number.times(factor)?)?;
        rest = behind_unit.trim_start_matches(BLANKS);
    }
    (total < u64::MAX).then_some(TimeSpan::Finite(Duration::from_micros(total)))
}

/// Writes a span so that [`parse_time_span`] and systemd read exactly it, to the microsecond: `1min 30s`, `0`. What
/// is less than a microsecond is cut; what is beyond systemd's range, some 584,000 years, is `infinity`.
pub fn format_time_span(span: Duration) -> String {
    let mut rest = match u64::try_from(span.as_micros()) {
        Ok(0) => return "0".to_owned(),
        Ok(u64::MAX) | Err(_) => return "infinity".to_owned(),
        Ok(micros) => micros,
    };
    let mut text = String::with_capacity(16);
    let units = [
        ("d", 86_400 * SECOND),
        ("h", 3600 * SECOND),
        ("min", 60 * SECOND),
        ("s", SECOND),
        ("ms", 1000),
        ("us", 1),
    ];
    for (name, factor) in units {
        if rest >= factor {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&(rest / factor).to_string());
            text.push_str(name);
            rest %= factor;
        }
    }
    text
}

/// Reads a size in bytes: numbers with the suffixes `E` `P` `T` `G` `M` `K` `B`, powers of 1024, in either case, or
/// without one; several, of falling suffixes, are added up as systemd does (`1G 512M`).
pub fn parse_size(text: &str) -> Option<u64> {
    const SUFFIXES: [u8; 7] = *b"EPTGMKB";
    let mut rest = text.trim_matches(BLANKS);
    let mut total: u64 = 0;
    let mut first_allowed = 0;
    loop {
        let (number, behind) = Number::read(rest)?;
        let behind = behind.trim_start_matches(BLANKS);
        let suffix = behind.bytes().next().map(|byte| byte.to_ascii_uppercase());
        let Some(suffix) = suffix else {
            return total.checked_add(number.times(1)?);
        };
        let place = SUFFIXES
            .iter()
            .position(|known| *known == suffix)
            .filter(|place| *place >= first_allowed)?;
        total = total.checked_add(number.times(1 << (10 * (SUFFIXES.len() - 1 - place)))?)?;
        first_allowed = place + 1;
        rest = behind[1..].trim_start_matches(BLANKS);
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// A decimal number: the whole part, and the fraction as its digits and their count.
struct Number {
    whole: u64,
    fraction: u64,
    digits: u32,
}

impl Number {
    /// Digits of a fraction that are looked at; more change nothing to the microsecond or the byte.
    const MAX_DIGITS: usize = 18;

    /// Reads `12`, `12.5` or `.5` from the beginning of a text, and gives what follows.
    fn read(text: &str) -> Option<(Self, &str)> {
        let digits_of = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let text = text
            .strip_prefix('+')
            .filter(|text| digits_of(text) > 0)
            .unwrap_or(text);
        let (whole, rest) = text.split_at(digits_of(text));
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits_of(rest)),
            None => ("", rest),
        };
        let has_point = text[whole.len()..].starts_with('.');
        if (whole.is_empty() && !has_point) || (has_point && fraction.is_empty()) {
            return None;
        }
        let fraction = &fraction[..fraction.len().min(Self::MAX_DIGITS)];
        let number = Self {
            whole: if whole.is_empty() { 0 } else { whole.parse().ok()? },
            fraction: if fraction.is_empty() {
                0
            } else {
                fraction.parse().ok()?
            },
            digits: u32::try_from(fraction.len()).ok()?,
        };
        Some((number, rest))
    }

    /// The number times `factor`, rounded down.
    fn times(&self, factor: u64) -> Option<u64> {
        let fraction = u128::from(self.fraction) * u128::from(factor) / 10u128.pow(self.digits);
        self.whole
            .checked_mul(factor)?
            .checked_add(u64::try_from(fraction).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn booleans() {
        for (text, expected) in [
            ("1", Some(true)),
            ("YES", Some(true)),
            ("t", Some(true)),
            ("Off", Some(false)),
            ("f", Some(false)),
        ] {
            assert_eq!(parse_bool(text), expected);
        }
        for bad in ["", "2", "enable", " yes", "ye"] {
            assert_eq!(parse_bool(bad), None, "{bad}");
        }
    }

    #[test]
    fn time_spans() {
        for (text, micros) in [
            ("0", 0),
            ("20", 20_000_000),
            ("5min 20s", 320_000_000),
            (" 5min20s ", 320_000_000),
            ("12 34", 46_000_000),
            ("2h", 7_200_000_000),
            ("1.5", 1_500_000),
            (".5min", 30_000_000),
            ("12.34 .56", 12_900_000),
            ("+1s", 1_000_000),
            ("3 ms", 3_000),
            ("3m", 180_000_000),
            ("1M", 2_629_800_000_000),
            ("1y 12month", 63_115_200_000_000),
            ("2 \u{b5}s 3\u{3bc}s 4us 5usec", 14),
            ("0.0000019", 1),
            ("55s500ms", 55_500_000),
        ] {
            assert_eq!(
                parse_time_span(text),
                Some(TimeSpan::Finite(Duration::from_micros(micros))),
                "{text}"
            );
        }
        assert_eq!(parse_time_span(" infinity "), Some(TimeSpan::Infinite));
        for bad in [
            "",
            " ",
            "-1",
            "-0",
            "s",
            "5 5x",
            "5mon",
            "12.34.56",
            "3.",
            "3.s",
            "3. 1",
            "3.+1",
            "1,5",
            "5min-",
            "infinit",
            "infinity 1",
            "9223372036854775808us",
            "600000y",
            "99999999999999999999",
            "0x10",
        ] {
            assert_eq!(parse_time_span(bad), None, "{bad}");
        }
    }

    #[test]
    fn time_spans_are_written_to_be_read() {
        for (micros, expected) in [
            (0, "0"),
            (90_000_000, "1min 30s"),
            (1_500_001, "1s 500ms 1us"),
            (172_800_000_000, "2d"),
        ] {
            assert_eq!(format_time_span(Duration::from_micros(micros)), expected);
        }
        assert_eq!(format_time_span(Duration::MAX), "infinity");
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("42", 42),
            ("42b", 42),
            ("1K", 1024),
            ("512m", 512 << 20),
            ("1.5g", 3 << 29),
            (" 1 G 512M ", 3 << 29),
            ("1T", 1 << 40),
            ("15E", 15 << 60),
            ("0.5K 1", 513),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for bad in [
            "",
            "K",
            "-1",
            "1KiB",
            "1 K M",
            "1M 1G",
            "16E",
            "1 1",
            "1.K",
            "1x",
            "99999999999999999999",
        ] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_written_time_span_reads_back(micros in 0..u64::MAX) {
            let span = Duration::from_micros(micros);
            prop_assert_eq!(parse_time_span(&format_time_span(span)), Some(TimeSpan::Finite(span)));
        }

        #[test]
        fn nothing_panics(text in "([0-9.+ ]|s|min|us|M|K|G|\\PC){0,24}") {
            parse_time_span(&text);
            parse_size(&text);
        }
    }
}
