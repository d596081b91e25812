//! What a member's headers say of its owner, mode and time.

use super::layer::Failure;
use crate::image::member_path::MemberProblem;
use crate::sys::tree::Attributes;
use std::io::{self, Read};
use tar::Entry;

/// Owner, mode, time and the extended attributes that are kept: file capabilities and `user.`.
pub(super) fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> Result<Attributes, Failure> {
    let header = entry.header();
    // The highest number means "leave as it is" to chown(2).
    let id = |id: io::Result<u64>| {
        id.ok()
            .and_then(|id| u32::try_from(id).ok())
            .filter(|id| *id != u32::MAX)
            .ok_or(MemberProblem::Name)
    };
    let mut attributes = Attributes {
        uid: id(header.uid())?,
        gid: id(header.gid())?,
        mode: header.mode().map_err(|_| MemberProblem::Name)? & 0o7777,
        modified: (i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0), 0),
        xattrs: Vec::new(),
    };
    for record in entry
        .pax_extensions()
        .map_err(Failure::Archive)?
        .into_iter()
        .flatten()
    {
        let record = record.map_err(|_| MemberProblem::Name)?;
        let key = record.key().map_err(|_| MemberProblem::Name)?;
        if key == "mtime" {
            attributes.modified = record.value().ok().and_then(time).ok_or(MemberProblem::Name)?;
        } else if key.starts_with("GNU.sparse.") {
            return Err(MemberProblem::Kind.into());
        } else if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
            let kept = name == "security.capability"
                || (name.starts_with("user.") && !name.starts_with("user.overlay."));
            if kept && !name.contains('\0') {
                attributes
                    .xattrs
                    .push((name.to_owned(), record.value_bytes().to_owned()));
            }
        }
    }
    Ok(attributes)
}

/// Reads a time of a PAX record: seconds since 1970, which may be negative and have a fraction.
fn time(text: &str) -> Option<(i64, u32)> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = seconds.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if seconds.starts_with('-') && nanoseconds > 0 {
        return Some((whole.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((whole, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_pax_records() {
        assert_eq!(time("1700000000"), Some((1_700_000_000, 0)));
        assert_eq!(time("1.5"), Some((1, 500_000_000)));
        assert_eq!(time("1.1234567899"), Some((1, 123_456_789)));
        assert_eq!(time("-0.25"), Some((-1, 750_000_000)));
        for bad in ["", "x", "1.x", "1.-5", "99999999999999999999"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
