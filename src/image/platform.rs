//! Which of the platforms that an index offers is taken.

use crate::model::Platform;
use std::fmt;

/// A platform as a document names it; hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Operating system.
    pub os: String,
    /// Processor.
    pub architecture: String,
    /// Its variant, never empty.
    pub variant: Option<String>,
}

impl fmt::Display for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}",
            self.os.escape_debug(),
            self.architecture.escape_debug()
        )?;
        match &self.variant {
            Some(variant) => write!(f, "/{}", variant.escape_debug()),
            None => Ok(()),
        }
    }
}

/// Most platforms that a message lists.
const LISTED_MAX: usize = 20;

/// The best of what fits: of variants that the wanted one can run, the highest; of equals, the first.
///
/// # Errors
/// Says which platforms are offered.
pub fn choose<'a, T>(
    offered: impl Iterator<Item = (&'a Offered, T)> + Clone,
    wanted: &Platform,
) -> Result<T, String> {
    let mut best: Option<(u32, T)> = None;
    for (platform, value) in offered.clone() {
        if let Some(rank) = rank(platform, wanted)
            && best.as_ref().is_none_or(|(best, _)| rank > *best)
        {
            best = Some((rank, value));
        }
    }
    if let Some((_, value)) = best {
        return Ok(value);
    }
    let mut names: Vec<String> = offered.map(|(platform, _)| platform.to_string()).collect();
    names.dedup();
    let more = names.len().saturating_sub(LISTED_MAX);
    names.truncate(LISTED_MAX);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    Err(match names.is_empty() {
        true => format!("it has no image for {wanted}: it lists no image with a platform"),
        false => format!("it has no image for {wanted}, only for {}", names.join(", ")),
    })
}

/// How well a platform fits, if it does.
fn rank(offered: &Offered, wanted: &Platform) -> Option<u32> {
    if (offered.os.as_str(), offered.architecture.as_str()) != (wanted.os(), wanted.architecture()) {
        return None;
    }
    let (has, wants) = (offered.variant.as_deref(), wanted.variant());
    // What a variant that is not written means to whoever offers it, and to whoever asks.
    let (offers, asks) = match wanted.architecture() {
        "amd64" => (1, 1),
        "arm64" => (8, 8),
        "arm" => (0, u32::MAX),
        _ => {
            return match wants {
                Some(_) if has == wants => Some(2),
                Some(_) => None,
                None => Some(if has.is_none() { 2 } else { 1 }),
            };
        }
    };
    let level = |variant: Option<&str>, unwritten| match variant {
        None => Some(unwritten),
        // `8` and `v8` are both in use, and v8.1 runs what v8 does not.
        Some(text) => text.strip_prefix('v').unwrap_or(text).parse::<u32>().ok(),
    };
    match (level(has, offers), level(wants, asks)) {
        (Some(level), Some(most)) if level <= most => Some(level + 1),
        (None, _) if has == wants => Some(u32::MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(offered: &[&str], wanted: (&str, Option<&str>)) -> Result<usize, String> {
        let parse = |text: &&str| {
            let mut parts = text.split('/').map(str::to_owned);
            Offered {
                os: parts.next().unwrap(),
                architecture: parts.next().unwrap(),
                variant: parts.next(),
            }
        };
        let offered: Vec<Offered> = offered.iter().map(parse).collect();
        let wanted = Platform::new("linux", wanted.0, wanted.1).unwrap();
        let numbered = offered.iter().enumerate().map(|(at, platform)| (platform, at));
        choose(numbered, &wanted)
    }

    #[test]
    fn the_highest_variant_that_runs() {
        let arm = ["linux/arm/v5", "linux/arm/v7", "linux/arm/v6", "linux/arm64/v8"];
        assert_eq!(chosen(&arm, ("arm", Some("v6"))), Ok(2));
        assert_eq!(chosen(&arm, ("arm", None)), Ok(1));
        assert_eq!(chosen(&arm, ("arm64", None)), Ok(3));
        assert!(chosen(&arm, ("arm", Some("v4"))).is_err());
        let amd64 = ["linux/amd64/v3", "linux/amd64", "linux/amd64/v2", "windows/amd64"];
        assert_eq!(chosen(&amd64, ("amd64", None)), Ok(1));
        assert_eq!(chosen(&amd64, ("amd64", Some("v2"))), Ok(2));
        assert_eq!(chosen(&amd64, ("amd64", Some("v4"))), Ok(0));
        assert!(chosen(&["linux/arm64/v9"], ("arm64", None)).is_err());
        let mips = ["linux/mips64le/r6", "linux/mips64le"];
        assert_eq!(chosen(&mips, ("mips64le", None)), Ok(1));
        assert_eq!(chosen(&mips, ("mips64le", Some("r6"))), Ok(0));
    }

    #[test]
    fn what_is_offered_is_said() {
        let error = chosen(&["linux/s390x", "linux/\u{1b}[31m"], ("riscv64", None)).unwrap_err();
        assert_eq!(
            error,
            "it has no image for linux/riscv64, only for linux/s390x, linux/\\u{1b}[31m"
        );
        let many: Vec<String> = (0..1000).map(|number| format!("linux/x{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(
            chosen(&many, ("amd64", None))
                .unwrap_err()
                .ends_with("linux/x19, and 980 more")
        );
    }
}
