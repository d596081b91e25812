//! Output cut into lines. Pure.

/// Longest line that goes to the journal as one message, in bytes; the journal's own limit for lines (`LineMax=` in
/// journald.conf(5)) is the same.
pub(super) const LONGEST: usize = 48 * 1024;

/// Takes the next line off `text`: the line without its end, and how many bytes it took. A line that is too long
/// comes in pieces; text without a line end stays, unless `last`.
pub(super) fn next(text: &[u8], last: bool) -> Option<(&[u8], usize)> {
    let mut window = text.iter().take(LONGEST + 1);
    if let Some(end) = window.position(|&byte| byte == b'\n') {
        return Some((&text[..end], end + 1));
    }
    if text.len() > LONGEST {
        let end = whole_characters(&text[..LONGEST]);
        return Some((&text[..end], end));
    }
    (last && !text.is_empty()).then_some((text, text.len()))
}

/// Where to cut so that no UTF-8 character is torn; in what is not UTF-8, anywhere.
fn whole_characters(text: &[u8]) -> usize {
    let begins = |at: &usize| text[*at] & 0b1100_0000 != 0b1000_0000;
    match (text.len().saturating_sub(4)..text.len()).rev().find(begins) {
        Some(at) if text[at] & 0b1000_0000 != 0 && at > 0 => at,
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut text: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Some((line, took)) = next(text, true) {
            lines.push(line.to_vec());
            text = &text[took..];
        }
        lines
    }

    #[test]
    fn text_is_cut_at_line_ends_and_where_it_is_too_long() {
        assert_eq!(lines(b"a\n\nb"), [b"a".to_vec(), b"".to_vec(), b"b".to_vec()]);
        assert_eq!(next(b"unfinished", false), None);
        let mut long = vec![b'x'; LONGEST];
        long.push(b'\n');
        assert_eq!(lines(&long).iter().map(Vec::len).collect::<Vec<_>>(), [LONGEST]);
        let long = vec![b'x'; LONGEST + 5];
        assert_eq!(
            lines(&long).iter().map(Vec::len).collect::<Vec<_>>(),
            [LONGEST, 5]
        );
    }

    #[test]
    fn characters_stay_whole() {
        let mut long = vec![b'x'; LONGEST - 1];
        long.extend("é\n".bytes());
        let cut = lines(&long);
        assert_eq!((cut[0].len(), cut[1].as_slice()), (LONGEST - 1, "é".as_bytes()));
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_and_it_ends(text in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let joined = lines(&text).join(&b'\n');
            let expected = text.strip_suffix(b"\n").unwrap_or(&text);
            proptest::prop_assert_eq!(joined, expected);
        }
    }
}
