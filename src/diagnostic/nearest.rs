//! The name that was probably meant.

/// Edits that a typing error may have.
pub const MOST_EDITS: usize = 3;
/// Edits that a typing error in one of many names may have: more of them lead to a name that was never meant, such as
/// from a key of a newer systemd to an old one.
pub const FEW_EDITS: usize = 2;

/// The candidate that was most likely meant, if one is near enough.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    near(name, candidates, MOST_EDITS).map(|(_, candidate)| candidate)
}

/// The nearest candidate that is at most so many edits away, and how many.
pub fn near<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    most: usize,
) -> Option<(usize, &'c str)> {
    // Neither a long name nor thousands of candidates are typing errors to ponder.
    if name.len() > 100 {
        return None;
    }
    let most = most.min(1 + name.len() / 4);
    let length = name.chars().count();
    let own = characters(name);
    let candidates = candidates
        .into_iter()
        .take(500)
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
        // Cheap, and leaves few to measure: each character that only one of them has is an edit.
        .filter(|candidate| lacking(own, characters(candidate)) <= most);
    let distances = candidates.map(|candidate| (distance(name, candidate), candidate));
    // Texts that have no character in common are not near, however short.
    distances
        .filter(|(distance, _)| *distance <= most && *distance < length)
        .min()
}

/// The characters of a text as a set, case aside; some share a bit.
fn characters(text: &str) -> u64 {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.fold(0, |set, c| set | 1 << (u32::from(c) % 64))
}

/// How many characters one set has and the other lacks, whichever lacks more.
fn lacking(a: u64, b: u64) -> usize {
    (a & !b).count_ones().max((b & !a).count_ones()) as usize
}

/// Edits that lead from one text to the other (insert, remove, replace, swap neighbours), case aside.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replace = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("abcd", "abdc"), 1);
        let known = ["web", "my-shared-pod"];
        for (typed, meant) in [
            ("my-sharedpod", Some("my-shared-pod")),
            ("wbe", Some("web")),
            ("we", Some("web")),
            ("other", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
