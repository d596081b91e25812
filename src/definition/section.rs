//! The assignments of a section, read by the rules of the table of keys.

use super::document::Entry;
use super::keys::{self, Key, Rule, Status};
use crate::diagnostic::{Place, Problem};
use crate::unitfile::words::{self, Word, WordError};
use crate::unitfile::{specifier, value};
use std::collections::BTreeMap;

/// A value of a key and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Value<'a> {
    /// The value, unquoted as the key's rule has it.
    pub(super) text: String,
    entry: Entry<'a>,
    start: usize,
    end: usize,
}

impl Value<'_> {
    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        self.entry.place_of(self.start, self.end)
    }

    /// The same place with another text.
    pub(super) fn with_text(&self, text: String) -> Self {
        Self { text, ..self.clone() }
    }

    /// The folder of the file in which it stands.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.entry.folder()
    }

    /// An error about this value; `message` follows `Key=value: `.
    pub(super) fn error(&self, message: impl std::fmt::Display) -> Problem {
        Problem::error(
            self.place(),
            format!("{}={}: {message}", self.entry.key(), short(&self.text)),
        )
    }

    /// A warning about this value.
    pub(super) fn warning(&self, message: impl std::fmt::Display) -> Problem {
        Problem::warning(
            self.place(),
            format!("{}={}: {message}", self.entry.key(), short(&self.text)),
        )
    }
}

/// The text, or its beginning.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What of `[X-Podunit]` is for the section `home`, whose keys are in `table`: those that Quadlet does not know. The others
/// are problems.
pub(super) fn extensions<'a>(
    table: &[Key],
    home: &str,
    mut entries: Vec<Entry<'a>>,
    problems: &mut Vec<Problem>,
) -> Vec<Entry<'a>> {
    entries.retain(|entry| {
        let (name, place) = (entry.key(), entry.key_place());
        if keys::is_extension(name) && keys::find(table, name).is_some() {
            return true;
        }
        // A note to oneself, as in systemd.
        if name.starts_with("X-") {
            return false;
        }
        let (message, help) = match keys::find(table, name) {
            Some(_) => (
                format!("{name}= belongs in {home}"),
                format!("Quadlet knows it: move it to {home}"),
            ),
            None => (
                format!("there is no key `{}` in [X-Podunit]", short(name)),
                keys::help_for_unknown(table, home, name),
            ),
        };
        problems.push(Problem::error(place, message).help(help));
        false
    });
    entries
}

/// The assignments of one section, those of repeated headers and of drop-ins in one row.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    table: &'static [Key],
    /// The section as a user writes it, such as `[Pod]`.
    section: String,
    entries: Vec<Entry<'a>>,
    /// Whether what belongs in `[Pod]` may stand here too.
    is_whole: bool,
    /// The [`bit`]s of the keys that are there.
    present: u64,
}

/// One of 64 for a key: of the hundred keys that there are, a section has a few, and to find out that it does not have
/// one must cost nothing.
#[inline]
fn bit(key: &str) -> u64 {
    let (first, last) = match key.as_bytes() {
        [] => (0, 0),
        [only] => (*only, *only),
        [first, .., last] => (*first, *last),
    };
    let sum = usize::from(first) + 3 * usize::from(last) + 7 * key.len();
    1 << (sum % 64)
}

impl<'a> Settings<'a> {
    /// Reads `entries` by `table`; `section` is the name of the section for messages.
    pub(super) fn new(table: &'static [Key], section: String, entries: Vec<Entry<'a>>) -> Self {
        Self {
            table,
            section,
            present: entries.iter().fold(0, |bits, entry| bits | bit(entry.key())),
            entries,
            is_whole: false,
        }
    }

    /// The assignments of some keys.
    pub(super) fn entries_of(&self, keys: &[&str]) -> Vec<Entry<'a>> {
        let wanted = self.entries.iter().filter(|entry| keys.contains(&entry.key()));
        wanted.copied().collect()
    }

    /// The same for a container that is a pod of its own: what belongs in `[Pod]` may stand here too.
    pub(super) fn whole(self) -> Self {
        Self {
            is_whole: true,
            ..self
        }
    }

    fn status(&self, name: &str) -> Option<Status> {
        let status = keys::find(self.table, name)?.status;
        let of_pod = matches!(status, Status::Elsewhere(..)) && self.is_whole;
        let of_pod = of_pod.then(|| keys::find(keys::POD, name)).flatten();
        Some(of_pod.map_or(status, |key| key.status))
    }

    /// Looks for keys that are unknown, not supported or without effect.
    pub(super) fn check_keys(&self, problems: &mut Vec<Problem>) {
        for entry in &self.entries {
            let (name, place) = (entry.key(), entry.key_place());
            let key = keys::find(self.table, name);
            if key.is_some_and(|key| key.rule == Rule::All) && is_quoted(entry.value()) {
                let message =
                    format!("{name}=: the quotes are left out; Quadlet takes them as part of the value");
                problems.push(Problem::warning(entry.value_place(), message).help("write it without quotes"));
            }
            match self.status(name) {
                Some(Status::Honoured) => {}
                Some(Status::NoEffect(why)) => {
                    problems.push(Problem::warning(place, format!("{name}= has no effect: {why}")));
                }
                Some(Status::Unsupported(instead)) => {
                    let message = format!("{name}= is not supported by this version of podunit");
                    problems.push(Problem::error(place, message).help(instead));
                }
                Some(Status::Elsewhere(home, instead)) => {
                    let message = format!("{name}= belongs in {home}");
                    problems.push(Problem::error(place, message).help(instead));
                }
                // A note to oneself, as in systemd.
                None if name.starts_with("X-") => {}
                None => {
                    let message = format!("there is no key `{}` in {}", short(name), self.section);
                    let help = keys::help_for_unknown(self.table, &self.section, name);
                    problems.push(Problem::error(place, message).help(help));
                }
            }
        }
    }

    /// The last assignment of a key, be it empty.
    pub(super) fn last_entry(&self, name: &str) -> Option<Entry<'a>> {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.key() == name)
            .copied()
    }

    /// All values of a key, read by its rule.
    pub(super) fn values(&self, name: &str, problems: &mut Vec<Problem>) -> Vec<Value<'a>> {
        debug_assert!(
            keys::find(self.table, name).is_some(),
            "{name} is not in the table"
        );
        if self.present & bit(name) == 0 || !self.entries.iter().any(|entry| entry.key() == name) {
            return Vec::new();
        }
        let rule = keys::find(self.table, name).map(|key| key.rule);
        let last = || self.last_entry(name).filter(|entry| !entry.value().is_empty());
        match rule.unwrap_or(Rule::All) {
            Rule::Single | Rule::Bool | Rule::Number => last().map(single).into_iter().collect(),
            Rule::Exec => {
                let value = last().map(whole);
                if let Some(Err(error)) = value.as_ref().map(|value| words::split(&value.text)) {
                    problems.extend(value.as_ref().map(|value| word_error(value.entry, &error)));
                }
                value.into_iter().collect()
            }
            Rule::All => self.uncleared(name).into_iter().map(single).collect(),
            Rule::Words => self.words(name, words::split_plain, problems),
            Rule::Args | Rule::Pairs => self.words(name, words::split, problems),
        }
    }

    /// The value of a key that has one.
    pub(super) fn value(&self, name: &str, problems: &mut Vec<Problem>) -> Option<Value<'a>> {
        self.values(name, problems)
            .pop()
            .filter(|value| !value.text.is_empty())
    }

    /// The value of a key in which `%` specifiers are expanded later; those that do not exist are an error now.
    pub(super) fn text(&self, name: &str, problems: &mut Vec<Problem>) -> Option<Value<'a>> {
        let value = self.value(name, problems);
        problems.extend(value.as_ref().and_then(unknown_specifier));
        value
    }

    /// The same for all values of a key.
    pub(super) fn texts(&self, name: &str, problems: &mut Vec<Problem>) -> Vec<Value<'a>> {
        let values = self.values(name, problems);
        problems.extend(values.iter().filter_map(unknown_specifier));
        values
    }

    /// A boolean; `None` if it is not set.
    pub(super) fn flag(&self, name: &str, problems: &mut Vec<Problem>) -> Option<(bool, Value<'a>)> {
        let text = self.value(name, problems)?;
        let flag = value::parse_bool(&text.text);
        if flag.is_none() {
            problems.push(
                text.error("this is neither true nor false")
                    .help("write true or false"),
            );
        }
        Some((flag?, text))
    }

    /// `NAME=value` and `NAME`, a later one for a name standing in the place of the earlier.
    pub(super) fn pairs(&self, name: &str, problems: &mut Vec<Problem>) -> Vec<(String, Option<String>)> {
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for word in self.texts(name, problems) {
            let (key, value) = match word.text.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (word.text.as_str(), None),
            };
            if key.is_empty() {
                problems.push(word.error("there is no name before `=`").help("write NAME=value"));
            } else if name == "Environment" && key.contains(|c: char| c.is_whitespace() || c.is_control()) {
                let problem = word.error("the name of a variable has neither blanks nor control characters");
                problems.push(problem.help("write NAME=value"));
            } else if let Some(at) = known.get(key) {
                pairs[*at].1 = value;
            } else {
                known.insert(key.to_owned(), pairs.len());
                pairs.push((key.to_owned(), value));
            }
        }
        pairs
    }

    /// Assignments of a key since the last empty one.
    fn uncleared(&self, name: &str) -> Vec<Entry<'a>> {
        let of_key = self.entries.iter().filter(|entry| entry.key() == name);
        let mut entries = Vec::new();
        for entry in of_key {
            if entry.value().is_empty() {
                entries.clear();
            } else {
                entries.push(*entry);
            }
        }
        entries
    }

    fn words(
        &self,
        name: &str,
        split: fn(&str) -> Result<Vec<Word>, WordError>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Value<'a>> {
        let mut values = Vec::new();
        for entry in self.uncleared(name) {
            match split(entry.value()) {
                Ok(words) => values.extend(words.into_iter().map(|word| Value {
                    text: word.text,
                    entry,
                    start: word.start,
                    end: word.end,
                })),
                Err(error) => problems.push(word_error(entry, &error)),
            }
        }
        values
    }
}

fn whole(entry: Entry<'_>) -> Value<'_> {
    Value {
        text: entry.value().to_owned(),
        entry,
        start: 0,
        end: entry.value().len(),
    }
}

/// One pair of `"` around a value is not part of it.
fn single(entry: Entry<'_>) -> Value<'_> {
    let mut value = whole(entry);
    if is_quoted(&value.text) {
        value.text.pop();
        value.text.remove(0);
    }
    value
}

fn is_quoted(text: &str) -> bool {
    text.len() > 1 && text.starts_with('"') && text.ends_with('"')
}

fn word_error(entry: Entry<'_>, error: &WordError) -> Problem {
    Problem::error(
        entry.place_of(error.start, error.end),
        format!("{}=: {}", entry.key(), error.message),
    )
}

/// Specifiers are expanded on the host where the pod runs, but which exist is known (systemd.unit(5)).
pub(super) fn unknown_specifier(value: &Value) -> Option<Problem> {
    const KNOWN: &str = "aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwW";
    let expand = |specifier| KNOWN.contains(specifier).then(String::new);
    specifier::expand(&value.text, &expand)
        .err()
        .map(|error| value.error(error))
}
