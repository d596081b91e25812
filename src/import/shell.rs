//! Command lines as they are pasted: several, over several lines, with a prompt before them or `sudo`.

use super::ImportError;
use std::path::Path;

/// A command and the line on which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// From 1.
    pub(super) line: usize,
    /// Its words.
    pub(super) words: Vec<String>,
    /// Variables whose values only the shell knows.
    pub(super) variables: Vec<String>,
}

/// The commands of a text, one to a line; a backslash at the end of a line joins the next to it. `base` is the folder in
/// which they would be run.
///
/// # Errors
/// A quote that is not closed, or what only a shell can do.
pub(super) fn commands(text: &str, base: &Path) -> Result<Vec<Command>, ImportError> {
    let mut commands = Vec::new();
    let mut joined = String::new();
    let mut start = 1;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if joined.is_empty() {
            start = at + 1;
        }
        let line = if joined.is_empty() {
            without_prompt(line)
        } else {
            line
        };
        joined.push_str(line);
        match joined.strip_suffix('\\').map(str::to_owned) {
            Some(begun) => joined = begun + " ",
            // A quote that is open goes on with the next line.
            None if shlex::split(&joined).is_none() => joined.push('\n'),
            None => add(&std::mem::take(&mut joined), start, base, &mut commands)?,
        }
    }
    if shlex::split(&joined).is_none() {
        return Err(ImportError::line(start, "a quote of this command is not closed"));
    }
    add(&joined, start, base, &mut commands)?;
    Ok(commands)
}

fn add(text: &str, line: usize, base: &Path, commands: &mut Vec<Command>) -> Result<(), ImportError> {
    let text = &in_folder(text, base);
    let mut words = shlex::split(text).unwrap_or_default();
    while words
        .first()
        .is_some_and(|word| ["sudo", "exec", "-E"].contains(&word.as_str()))
    {
        words.remove(0);
    }
    for word in &words {
        if ["|", "||", "&&", ";", "&", ">", "<", ">>"].contains(&word.as_str()) {
            let message = format!("`{word}` is the shell's; write one command to a line, and nothing else");
            return Err(ImportError::line(line, message));
        }
    }
    if !words.is_empty() {
        let variables = variables(text).ok_or_else(|| {
            ImportError::line(
                line,
                "what the shell would put in the place of $(…) is not known: write it out",
            )
        })?;
        commands.push(Command {
            line,
            words,
            variables,
        });
    }
    Ok(())
}

/// A line without what a shell prompts with. `#` is root's prompt before a command, and else begins a comment.
fn without_prompt(line: &str) -> &str {
    let line = line.trim_start();
    let after = |rest: &str| {
        ["podman ", "docker ", "sudo "]
            .iter()
            .any(|word| rest.starts_with(word))
    };
    match line.strip_prefix('#').map(str::trim_start) {
        Some(command) if after(command) => command,
        _ => line.trim_start_matches(['$', '>']),
    }
}

/// The text with the folder in the place of `$PWD`, but in single quotes.
fn in_folder(text: &str, base: &Path) -> String {
    let base = base.to_string_lossy();
    let parts = text.split('\'').enumerate().map(|(at, part)| match at % 2 {
        0 => ["${PWD}", "$(pwd)", "`pwd`"]
            .iter()
            .fold(part.to_owned(), |part, form| part.replace(form, &base))
            .replace("$PWD/", &format!("{base}/"))
            .replace("$PWD:", &format!("{base}:")),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("'")
}

/// Names of variables for which a shell would put values, since they do not stand in single quotes; nothing if it would
/// run a command.
fn variables(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let (mut single, mut double) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if !single => drop(rest.next()),
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '`' if !single => return None,
            '$' if !single && rest.peek() == Some(&'(') => return None,
            '$' if !single => {
                rest.next_if_eq(&'{');
                let mut name = String::new();
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                if !name.is_empty() && !found.contains(&name) {
                    found.push(name);
                }
            }
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, Vec<String>)> {
        let commands = commands(text, Path::new("/")).unwrap();
        commands
            .into_iter()
            .map(|command| (command.line, command.words))
            .collect()
    }

    #[test]
    fn commands_over_several_lines() {
        let text = "$ podman run \\\n  -d 'a\nb' # note\n\nsudo docker run x\n";
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            words(text),
            [
                (1, owned(&["podman", "run", "-d", "a\nb"])),
                (5, owned(&["docker", "run", "x"]))
            ]
        );
    }

    #[test]
    fn what_stands_in_quotes_is_no_command() {
        let found = commands(
            "podman run x sh -c 'echo $(date) `x` $A' \"$B ${C}\" '$D'",
            Path::new("/"),
        )
        .unwrap();
        assert_eq!(found[0].variables, ["B", "C"]);
    }

    #[test]
    fn what_only_a_shell_can_do() {
        for text in [
            "podman run 'a",
            "podman ps && podman run a",
            "podman run -v $(date):/a b",
        ] {
            assert!(commands(text, Path::new("/")).is_err(), "{text}");
        }
    }
}
