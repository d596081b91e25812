//! The one way in which a unit file is written.
//!
//! Each kind of value has one method and one escaping rule, so that whatever comes in, the unit has the directives
//! that were asked for and no other.

pub use super::name::{escape, unit_name_is_valid};
use super::value::TimeSpan;
use super::{Alphabet, BLANKS, has_hidden, specifier, words};
use std::path::Path;

/// What a key is made of.
static KEY: Alphabet = Alphabet::with(b"");
/// The same of the name of a section.
static SECTION: Alphabet = Alphabet::with(b"-");
/// The same of a plain word, which no rule of quoting changes.
static TOKEN: Alphabet = Alphabet::with(b"-_.:+,/@~");

/// Longest line that systemd reads, in bytes; one that is longer costs the whole unit.
const MAX_LINE: usize = 1 << 20;

/// Most units are shorter, in bytes: they need no second allocation.
const USUAL: usize = 1200;
/// The same of a line.
const LINE: usize = 120;

/// A directive that cannot be in a unit file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{directive}` with the value {value:?} cannot be written to a unit file: {reason}")]
pub struct WriteError {
    /// The key, or what else was to be written.
    pub directive: String,
    /// The value as it was given.
    pub value: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

/// A unit file as it grows. What cannot be written is remembered, and [`UnitWriter::finish`] gives the first of it.
///
/// ```
/// # use podunit::unitfile::write::UnitWriter;
/// let mut unit = UnitWriter::new("Made by podunit from /etc/podunit/web.pod");
/// unit.section("Unit").text("Description", "100% of a pod").units("After", &["dbus.service"]);
/// unit.section("Service").token("Type", "notify").exec("ExecStart", &["/usr/bin/podunit", "infra", "start", "web"]);
/// assert_eq!(unit.finish().unwrap().lines().nth(3), Some("Description=100%% of a pod"));
/// ```
#[derive(Debug, Clone)]
pub struct UnitWriter {
    text: String,
    has_section: bool,
    error: Option<WriteError>,
}

impl UnitWriter {
    /// Begins a unit file with `header`, one line, as a comment.
    pub fn new(header: &str) -> Self {
        let mut unit = Self {
            text: String::with_capacity(USUAL),
            has_section: false,
            error: None,
        };
        match plain(header) {
            Ok(header) => unit.push(&["# ", header, "\n"]),
            Err(reason) => unit.refuse("header", header.to_owned(), reason),
        }
        unit
    }

    /// Begins section `name`, letters, digits and dashes.
    pub fn section(&mut self, name: &str) -> &mut Self {
        if is_word(name, &SECTION) {
            self.push(&["\n[", name, "]\n"]);
            self.has_section = true;
        } else {
            self.refuse(
                "section",
                name.to_owned(),
                "a section's name has letters, digits and dashes only",
            );
        }
        self
    }

    /// Writes one word of letters, digits and `-_.:+,/@~`, as it is: a keyword, a number, a signal, a user.
    pub fn token(&mut self, key: &str, value: &str) -> &mut Self {
        if value.is_empty() || !TOKEN.spells(value) {
            return self.refused(key, value.to_owned(), "it is not a plain word");
        }
        self.directive(key, value)
    }

    /// Writes text that people read, such as `Description=`: `%` is doubled, nothing else is changed.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        match plain(value) {
            Ok(value) => self.directive(key, &specifier::escape(value)),
            Err(reason) => self.refused(key, value.to_owned(), reason),
        }
    }

    /// Writes names of units, nothing for none.
    pub fn units(&mut self, key: &str, names: &[impl AsRef<str>]) -> &mut Self {
        let mut names = names.iter().map(AsRef::as_ref);
        if let Some(bad) = names.clone().find(|name| !unit_name_is_valid(name)) {
            return self.refused(key, bad.to_owned(), "it is not the name of a unit");
        }
        let Some(first) = names.next() else { return self };
        let mut line = String::with_capacity(LINE);
        line.push_str(first);
        for name in names {
            line.push(' ');
            line.push_str(name);
        }
        self.directive(key, &line)
    }

    /// Writes one path, absolute and without `.`, `..` and needless slashes, for a directive that takes its whole
    /// value as a path: `%` is doubled, blanks stay and nothing is quoted.
    pub fn path(&mut self, key: &str, path: &Path) -> &mut Self {
        let written = path
            .to_str()
            .ok_or("the path is not UTF-8")
            .and_then(plain)
            .and_then(normalised);
        match written {
            Ok(path) => self.directive(key, &specifier::escape(path)),
            Err(reason) => self.refused(key, path.to_string_lossy().into_owned(), reason),
        }
    }

    /// Writes one command line that runs exactly these words: the first is the absolute path of a program, the
    /// others are quoted, and `%` and `$` mean themselves.
    pub fn exec(&mut self, key: &str, words: &[&str]) -> &mut Self {
        self.command(key, words, false)
    }

    /// The same in a template (systemd.unit(5)), where `%i` in a word is the unit's instance.
    pub fn exec_of_instance(&mut self, key: &str, words: &[&str]) -> &mut Self {
        self.command(key, words, true)
    }

    fn command(&mut self, key: &str, words: &[&str], has_instance: bool) -> &mut Self {
        let Some((program, arguments)) = words.split_first() else {
            return self.refused(key, String::new(), "there is no program");
        };
        // systemd refuses quotes and backslashes there, and expands `$` in argv[0] but not in the path.
        if normalised(program).is_err() || words::quote(program) != **program || program.contains('$') {
            let reason =
                "a program is an absolute path without `.`, `..`, quotes, backslashes, `$` and blanks";
            return self.refused(key, (*program).to_owned(), reason);
        }
        let mut line = String::with_capacity(LINE);
        line.push_str(&specifier::escape(program));
        for argument in arguments {
            if argument.contains('\0') {
                return self.refused(key, (*argument).to_owned(), "no argument can hold a NUL");
            }
            line.push(' ');
            match *argument {
                // It would begin a second command.
                ";" => line.push_str("\";\""),
                word if !word.is_empty() && TOKEN.spells(word) => line.push_str(word),
                _ => {
                    let quoted = words::quote(argument);
                    let mut rest = &*quoted;
                    while let Some(c) = rest.chars().next() {
                        let is_instance = has_instance && rest.starts_with("%i");
                        // Both mean themselves when they stand twice.
                        line.extend((['%', '$'].contains(&c) && !is_instance).then_some(c));
                        line.push(c);
                        rest = &rest[c.len_utf8()..];
                    }
                }
            }
        }
        self.directive(key, &line)
    }

    /// Writes a time span.
    pub fn time(&mut self, key: &str, span: TimeSpan) -> &mut Self {
        self.directive(key, &span.written())
    }

    /// Writes a value that was written for systemd, as it is: what it means is its author's business, but it
    /// stays one directive.
    pub fn passthrough(&mut self, key: &str, value: &str) -> &mut Self {
        match plain(value) {
            Ok(value) => self.directive(key, value),
            Err(reason) => self.refused(key, value.to_owned(), reason),
        }
    }

    /// The whole text.
    ///
    /// # Errors
    /// The first thing that could not be written.
    pub fn finish(self) -> Result<String, WriteError> {
        self.error.map_or(Ok(self.text), Err)
    }

    /// Writes a line; `value` is safe by its kind's own rule.
    fn directive(&mut self, key: &str, value: &str) -> &mut Self {
        if !is_word(key, &KEY) {
            return self.refused(key, value.to_owned(), "a key has letters and digits only");
        }
        if !self.has_section {
            return self.refused(key, value.to_owned(), "it stands before any section");
        }
        if key.len() + 1 + value.len() > MAX_LINE {
            return self.refused(key, String::new(), "the line would have more than 1 MiB");
        }
        self.push(&[key, "=", value, "\n"]);
        self
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.push_str(part);
        }
    }

    fn refused(&mut self, key: &str, value: String, reason: &'static str) -> &mut Self {
        self.refuse(&format!("{key}="), value, reason);
        self
    }

    fn refuse(&mut self, directive: &str, value: String, reason: &'static str) {
        self.error.get_or_insert_with(|| WriteError {
            directive: directive.to_owned(),
            value,
            reason,
        });
    }
}

/// Text that stands on a line as it is and reads back so.
fn plain(text: &str) -> Result<&str, &'static str> {
    if has_hidden(text) {
        Err("it has control characters or others that show nothing")
    } else if text.ends_with('\\') {
        Err("the backslash at its end would join the next line to it")
    } else if text.trim_matches(BLANKS) != text {
        Err("blanks at its ends would be lost")
    } else {
        Ok(text)
    }
}

fn normalised(path: &str) -> Result<&str, &'static str> {
    let parts = path.strip_prefix('/').ok_or("the path is not absolute")?;
    let mut parts = parts.as_bytes().split(|byte| *byte == b'/');
    if path != "/" && parts.any(|part| matches!(part, b"" | b"." | b"..")) {
        return Err("the path is not normalised: `.`, `..` and needless slashes are not allowed");
    }
    Ok(path)
}

/// A letter, then what the alphabet has.
fn is_word(text: &str, alphabet: &Alphabet) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && alphabet.spells(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn write(directive: impl FnOnce(&mut UnitWriter)) -> Result<String, WriteError> {
        let mut unit = UnitWriter::new("h");
        unit.section("S");
        directive(&mut unit);
        let text = unit.finish()?;
        Ok(text.strip_prefix("# h\n\n[S]\n").unwrap().to_owned())
    }

    fn exec(words: &[&str]) -> Result<String, WriteError> {
        write(|unit| {
            unit.exec("K", words);
        })
    }

    #[test]
    fn each_kind_has_its_rule() {
        let text = write(|unit| {
            unit.token("KillSignal", "SIGRTMIN+3")
                .text("Description", "100% \"a\" \\ $B; #")
                .units("After", &["a@b.service", "pods-a\\x2db.slice"])
                .units("Before", &[] as &[&str])
                .path("WorkingDirectory", Path::new("/a b/100%/\\x"))
                .time("TimeoutStopSec", TimeSpan::Finite(Duration::from_millis(1500)))
                .time("TimeoutStartSec", TimeSpan::Infinite)
                .passthrough("Environment", "\"A=%n b\" C=\\x41\t$D");
        });
        let expected = "KillSignal=SIGRTMIN+3\n\
            Description=100%% \"a\" \\ $B; #\n\
            After=a@b.service pods-a\\x2db.slice\n\
            WorkingDirectory=/a b/100%%/\\x\n\
            TimeoutStopSec=1s 500ms\n\
            TimeoutStartSec=infinity\n\
            Environment=\"A=%n b\" C=\\x41\t$D\n";
        assert_eq!(text.unwrap(), expected);
    }

    #[test]
    fn command_lines() {
        let words = [
            "/usr/bin/100%",
            "",
            ";",
            "a;b",
            "$A",
            "${B}",
            "%n",
            "x y",
            "+z",
            "\\",
            "\n",
        ];
        let expected = r#"K=/usr/bin/100%% "" ";" a;b $$A $${B} %%n "x y" +z \\ \n"#;
        assert_eq!(exec(&words).unwrap().trim_end(), expected);
        let programs = [
            "",
            "sh",
            "-/bin/sh",
            "@/bin/sh",
            "+/bin/sh",
            "!!/bin/sh",
            ":/bin/sh",
            "|/bin/sh",
        ];
        let paths = [
            "/bin/../sh",
            "/bin//sh",
            "/bin/",
            "/a b",
            "/a\"b",
            "/$A",
            "/a\\b",
            "/a\n",
        ];
        for bad in programs.iter().chain(&paths) {
            assert!(exec(&[bad]).is_err(), "{bad}");
        }
        assert!(exec(&[]).is_err());
        assert!(exec(&["/bin/sh", "\0"]).is_err());
    }

    #[test]
    fn what_would_be_another_unit_is_refused() {
        let refused = |directive: &dyn Fn(&mut UnitWriter)| assert!(write(directive).is_err());
        for bad in [
            "a\nB=c",
            "a\rB=c",
            "a\0",
            "a\\",
            "a\\\\",
            " a",
            "a ",
            "\t",
            "a\u{1b}",
            "a\u{2028}",
            "a\u{202e}",
        ] {
            refused(&|unit| _ = unit.text("K", bad));
            refused(&|unit| _ = unit.passthrough("K", bad));
            refused(&|unit| _ = unit.token("K", bad));
            refused(&|unit| _ = unit.path("K", Path::new(&format!("/{bad}"))).token("K", bad));
            refused(&|unit| _ = unit.units("K", &[bad]));
            refused(&|unit| _ = unit.section(bad));
            refused(&|unit| _ = unit.text(bad, "a"));
        }
        for bad in ["", "a", "/a/", "/a/../b", "/./a", "//a", "~", "/a\\", "/a\n"] {
            refused(&|unit| _ = unit.path("K", Path::new(bad)));
        }
        for bad in ["", "1K", "A-B", "A B", "A=", "#A", "[A]", "\u{c4}"] {
            refused(&|unit| _ = unit.passthrough(bad, "a"));
        }
        for bad in ["", "a b", "%n", "$A", "\"a\"", "a;", "a=b", "\u{e4}"] {
            refused(&|unit| _ = unit.token("K", bad));
        }
        refused(&|unit| _ = unit.passthrough("K", &"a".repeat(MAX_LINE)));
        assert!(UnitWriter::new("a\n[S]").finish().is_err());
        assert!(UnitWriter::new("a").text("K", "a").clone().finish().is_err());
    }

    #[test]
    fn the_first_refusal_is_told() {
        let error = write(|unit| _ = unit.text("A", "a\n").path("B", Path::new("b"))).unwrap_err();
        assert_eq!((error.directive.as_str(), error.value.as_str()), ("A=", "a\n"));
        assert!(
            error
                .to_string()
                .starts_with("`A=` with the value \"a\\n\" cannot be written"),
            "{error}"
        );
    }
}
