//! Which part of a blob an answer holds: `Content-Range` (RFC 9110, 14.4).

/// `bytes FIRST-LAST/TOTAL`, checked: it is a part that can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// Number of the first byte, from 0.
    pub first: u64,
    /// Number of the last byte.
    pub last: u64,
    /// Bytes of the whole, if the server says so.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the header; `None` for what makes no sense.
    pub fn parse(header: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        let (part, total) = header.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = part.split_once('-')?;
        let range = Self {
            first: number(first)?,
            last: number(last)?,
            total: match total {
                "*" => None,
                total => Some(number(total)?),
            },
        };
        let fits = range.first <= range.last && range.total.is_none_or(|total| range.last < total);
        fits.then_some(range)
    }

    /// Bytes of the part.
    pub fn length(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts() {
        let range = ContentRange::parse("bytes 5-9/10").unwrap();
        assert_eq!(
            (range.first, range.last, range.total, range.length()),
            (5, 9, Some(10), 5)
        );
        assert_eq!(ContentRange::parse("bytes 0-0/*").unwrap().total, None);
        for bad in [
            "",
            "bytes",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 0-10/10",
            "bytes -1-5/10",
            "bytes +1-5/10",
            "bytes 1-5",
            "bytes 0-18446744073709551616/*",
            "items 0-1/2",
            "bytes 0-1/2, 3-4/5",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_can_be(text in "bytes [0-9*/-]{0,50}|\\PC{0,40}") {
            if let Some(range) = ContentRange::parse(&text) {
                prop_assert!(range.first <= range.last && range.length() > 0);
                prop_assert!(range.total.is_none_or(|total| range.last < total));
            }
        }
    }
}
