//! `PodmanArgs=`: options of Podman that say what a key says are read as if the key stood there.
//!
//! Assignments are put into the parsed text, so that whoever reads the section need not know of it; their places are
//! those of the words.

use super::document::{Definition, Document, Kind};
use super::keys::{self, Key, Rule};
use super::podman_flags::{Flag, POD_CREATE, RUN, SECURITY, To};
use super::section::short;
use crate::diagnostic::{Place, Problem, nearest};
use crate::unitfile::value::parse_bool;
use crate::unitfile::{Assignment, Section, Span, words};
use std::iter::Peekable;
use std::path::PathBuf;

/// The key.
const KEY: &str = "PodmanArgs";

/// A word of the options.
#[derive(Debug, Clone)]
struct Token {
    text: String,
    span: Span,
}

impl Token {
    fn place(&self, path: &std::path::Path) -> Place {
        Place {
            path: path.to_owned(),
            bytes: Some((self.span.start, self.span.end)),
        }
    }
}

/// Reads all of a pod's or container's, and adds what they say to its sections.
pub(super) fn expand(definition: &mut Definition) {
    let is_ours = |name: &str| name == "Pod" || name == "Container" || name.starts_with("Container ");
    let mut names: Vec<String> = Vec::new();
    for header in definition.sections().filter(|header| is_ours(header.name())) {
        let has_it = header.entries().any(|entry| entry.key() == KEY);
        if has_it && !names.iter().any(|name| name == header.name()) {
            names.push(header.name().to_owned());
        }
    }
    for name in names {
        of_section(definition, &name);
    }
}

/// Where an assignment stands: document, section, assignment.
type At = (usize, usize, usize);

/// The assignments of the key in all sections called `name`.
fn assignments(definition: &Definition, name: &str) -> Vec<At> {
    let mut found: Vec<At> = Vec::new();
    for (document, text) in definition.documents.iter().enumerate() {
        for (section, own) in text.file().sections.iter().enumerate() {
            for (at, assignment) in own.assignments.iter().enumerate() {
                if own.name != name || assignment.key != KEY {
                    continue;
                }
                // An empty one clears what came before.
                match assignment.value.is_empty() {
                    true => found.clear(),
                    false => found.push((document, section, at)),
                }
            }
        }
    }
    found
}

/// The words of an assignment of this text.
fn tokens(text: &Document, assignment: &Assignment, problems: &mut Vec<Problem>) -> Vec<Token> {
    let token = |word: words::Word| Token {
        span: assignment.span_of(word.start, word.end),
        text: word.text,
    };
    match words::split(&assignment.value) {
        Ok(words) => words.into_iter().map(token).collect(),
        Err(error) => {
            let span = assignment.span_of(error.start, error.end);
            let place = Place {
                path: text.path.clone(),
                bytes: Some((span.start, span.end)),
            };
            problems.push(Problem::error(place, format!("{KEY}=: {}", error.message)));
            Vec::new()
        }
    }
}

fn of_section(definition: &mut Definition, name: &str) {
    let found = assignments(definition, name);
    let is_pod = name == "Pod";
    let service = match (definition.kind, name.split_once(' ')) {
        (Kind::Pod, Some((_, member))) => format!("Service {}", member.trim()),
        _ => "Service".to_owned(),
    };
    // Options and their values are seldom in two files; a text at a time, places are those of one file.
    for document in 0..definition.documents.len() {
        let mut here = found.iter().filter(|(of, ..)| *of == document).peekable();
        let Some(&&(_, section, _)) = here.peek() else {
            continue;
        };
        let text = &definition.documents[document];
        let sections = &text.file().sections;
        let words = here
            .flat_map(|&(_, section, at)| {
                let assignment = &sections[section].assignments[at];
                tokens(text, assignment, &mut definition.problems)
            })
            .collect();
        let mut reader = Reader {
            flags: if is_pod { POD_CREATE } else { RUN },
            keys: if is_pod { keys::POD } else { keys::CONTAINER },
            command: if is_pod { "podman pod create" } else { "podman run" },
            path: text.path.clone(),
            own: Vec::new(),
            service: Vec::new(),
            refused: Vec::new(),
            problems: Vec::new(),
        };
        reader.read(words);
        reader.name_refused();
        definition.problems.append(&mut reader.problems);
        let sections = &mut definition.documents[document].file_mut().sections;
        let span = sections[section].span;
        sections[section].assignments.append(&mut reader.own);
        if !reader.service.is_empty() {
            sections.push(Section {
                name: service.clone(),
                span,
                assignments: reader.service,
            });
        }
    }
}

/// The options of one text being read.
struct Reader {
    flags: &'static [Flag],
    keys: &'static [Key],
    command: &'static str,
    path: PathBuf,
    /// Assignments of the section itself.
    own: Vec<Assignment>,
    /// Assignments of its `[Service]`.
    service: Vec<Assignment>,
    /// Options that cannot be had, and what to write instead.
    refused: Vec<(Token, &'static str)>,
    problems: Vec<Problem>,
}

impl Reader {
    fn error(&mut self, token: &Token, message: impl std::fmt::Display, help: impl Into<String>) {
        let message = format!("{KEY}=: `{}`: {message}", short(&token.text));
        let problem = Problem::error(token.place(&self.path), message);
        self.problems.push(problem.help(help));
    }

    fn read(&mut self, tokens: Vec<Token>) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let text = token.text.clone();
            if let Some(long) = text.strip_prefix("--").filter(|long| !long.is_empty()) {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                self.long(&token, name, value, &mut tokens);
            } else if let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                self.letters(&token, letters, &mut tokens);
            } else {
                let help = "write options only; Exec= is for the command of the container";
                self.error(&token, "this is no option", help);
            }
        }
    }

    fn long(
        &mut self,
        token: &Token,
        name: &str,
        value: Option<String>,
        tokens: &mut Peekable<std::vec::IntoIter<Token>>,
    ) {
        // Other names of the same.
        let name = match name {
            "dns-opt" => "dns-option",
            "net" => "network",
            name => name,
        };
        match self.flags.iter().find(|(known, ..)| *known == name) {
            Some((_, _, to)) => self.option(token, *to, value, tokens),
            None => {
                let near = nearest::nearest(name, self.flags.iter().map(|(known, ..)| *known));
                let help = near.map_or("remove it".to_owned(), |near| format!("did you mean --{near}?"));
                self.error(
                    token,
                    format!("podunit knows no such option of {}", self.command),
                    help,
                );
            }
        }
    }

    /// `-it`, `-e NAME=value`, `-eNAME=value`
    fn letters(&mut self, token: &Token, letters: &str, tokens: &mut Peekable<std::vec::IntoIter<Token>>) {
        for (at, letter) in letters.char_indices() {
            let found = self.flags.iter().find(|(_, short, _)| *short == Some(letter));
            let Some((_, _, to)) = found else {
                let message = format!("podunit knows no option -{letter} of {}", self.command);
                return self.error(token, message, "remove it, or write its long name");
            };
            let rest = &letters[at + letter.len_utf8()..];
            if takes_value(*to) {
                let rest = rest.strip_prefix('=').unwrap_or(rest);
                let value = (!rest.is_empty()).then(|| rest.to_owned());
                return self.option(token, *to, value, tokens);
            }
            self.option(token, *to, None, tokens);
        }
    }

    fn option(
        &mut self,
        token: &Token,
        to: To,
        value: Option<String>,
        tokens: &mut Peekable<std::vec::IntoIter<Token>>,
    ) {
        // The place of what is said: the option, with the value if that is another word.
        let mut place = token.clone();
        let value = match (value, takes_value(to)) {
            (None, true) => match tokens.next() {
                Some(next) => {
                    place = next.clone();
                    Some(next.text)
                }
                None => return self.error(token, "this needs a value", "write it behind"),
            },
            (value, _) => value,
        };
        let text = value.as_deref().unwrap_or("true");
        match to {
            To::Key(key) => self.key(&place, key, text),
            To::Each(key) => {
                for part in text.split(',') {
                    self.key(&place, key, part);
                }
            }
            To::Switch(key) => match parse_bool(text) {
                Some(true) => self.key(&place, key, "true"),
                Some(false) => self.key(&place, key, "false"),
                None => self.error(token, "this is neither true nor false", "write true or false"),
            },
            To::Ready => self.ready(token, &place, text),
            To::Service(key, make) => match make(text) {
                Some(value) => self.service.push(assignment(key, value, token, &place)),
                None => self.error(&place, format!("this is no value for {key}="), "correct it"),
            },
            To::Security => self.security(token, &place, text),
            To::Nothing(_) => {
                let message = format!("{KEY}=: `{}` has no effect", short(&token.text));
                self.problems
                    .push(Problem::warning(token.place(&self.path), message));
            }
            To::Refused(_, instead) => {
                // Two letters of one word: `-it`.
                let is_known = self
                    .refused
                    .last()
                    .is_some_and(|(last, _)| last.span == token.span);
                self.refused.extend((!is_known).then(|| (token.clone(), instead)));
            }
        }
    }

    /// `--sdnotify`, whose words are not those of `Notify=`.
    fn ready(&mut self, token: &Token, place: &Token, text: &str) {
        match text {
            "container" => self.key(place, "Notify", "true"),
            "healthy" => self.key(place, "Notify", "healthy"),
            "conmon" | "ignore" => self.key(place, "Notify", "false"),
            _ => self.error(
                token,
                "this is no way to be ready",
                "write container, healthy or conmon",
            ),
        }
    }

    fn security(&mut self, token: &Token, place: &Token, text: &str) {
        for (begin, key, fixed) in SECURITY {
            let Some(rest) = text.strip_prefix(begin) else {
                continue;
            };
            let value = match (rest.strip_prefix(['=', ':']), fixed) {
                (Some(value), _) => value,
                (None, Some(fixed)) if rest.is_empty() => fixed,
                (None, _) if begin.ends_with(':') => rest,
                (None, _) => continue,
            };
            return self.key(place, key, value);
        }
        let help = "podunit knows apparmor=, label=, mask=, no-new-privileges, seccomp= and unmask=";
        self.error(
            token,
            format!("there is no security option `{}` here", short(text)),
            help,
        );
    }

    /// Adds an assignment, its value written as the key's rule reads it.
    fn key(&mut self, place: &Token, key: &'static str, value: &str) {
        let rule = keys::find(self.keys, key).map(|key| key.rule);
        let written = match rule {
            Some(Rule::Single) if value.starts_with('"') && value.ends_with('"') => format!("\"{value}\""),
            Some(Rule::Args | Rule::Pairs) => words::quote(value),
            Some(Rule::Words) if value.contains(['"', '\'', ' ', '\t']) => {
                let mark = if value.contains('"') { '\'' } else { '"' };
                format!("{mark}{value}{mark}")
            }
            _ => value.to_owned(),
        };
        self.own.push(assignment(key, written, place, place));
    }

    /// One message for all that cannot be had.
    fn name_refused(&mut self) {
        let Some((first, _)) = self.refused.first() else {
            return;
        };
        let place = first.place(&self.path);
        let name = |token: &Token| short(token.text.split('=').next().unwrap_or_default());
        let names: Vec<String> = self
            .refused
            .iter()
            .map(|(token, _)| format!("`{}`", name(token)))
            .collect();
        let help: Vec<String> = self
            .refused
            .iter()
            .map(|(token, instead)| format!("{}: {instead}", name(token)))
            .collect();
        let message = format!("{KEY}=: podunit has nothing like {}", names.join(", "));
        self.problems
            .push(Problem::error(place, message).help(help.join("; ")));
    }
}

fn takes_value(to: To) -> bool {
    match to {
        To::Key(_) | To::Each(_) | To::Service(..) | To::Ready | To::Security => true,
        To::Switch(_) => false,
        To::Nothing(value) | To::Refused(value, _) => value,
    }
}

fn assignment(key: &str, value: String, token: &Token, place: &Token) -> Assignment {
    Assignment {
        key: key.to_owned(),
        key_span: token.span,
        value,
        value_span: place.span,
        pieces: Vec::new(),
    }
}
