//! The one way in which the text of a definition is written: each value is quoted as the key's own rule reads it.

use super::Note;
use super::file::{Files, Keys, Member, Other, Pod};
use crate::definition::{Rule, SHORT, is_extension, rule_of};
use crate::unitfile::{is_hidden, words};

/// A file and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The name of the file.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// Writes all files: a pod with its containers into one, or each container into a file of its own.
pub fn write(files: &Files, split: bool, notes: &mut Vec<Note>) -> Vec<Text> {
    let mut texts = Vec::new();
    for pod in &files.pods {
        if split {
            let file = format!("{}.pod", pod.name);
            texts.push(text(&file, |writer| writer.pod(pod, true), notes));
            for member in &pod.members {
                let file = format!("{}.container", member.name);
                texts.push(text(&file, |writer| writer.container(member, pod), notes));
            }
        } else {
            let whole = |writer: &mut Writer| {
                writer.pod(pod, false);
                for member in &pod.members {
                    writer.member(member);
                }
            };
            texts.push(text(&format!("{}.pod", pod.name), whole, notes));
        }
    }
    for other in &files.others {
        texts.push(text(&other.file, |writer| writer.other(other), notes));
    }
    texts
}

fn text(file: &str, fill: impl FnOnce(&mut Writer), notes: &mut Vec<Note>) -> Text {
    let mut writer = Writer {
        text: String::new(),
        notes,
    };
    fill(&mut writer);
    Text {
        file: file.to_owned(),
        text: writer.text,
    }
}

struct Writer<'n> {
    text: String,
    notes: &'n mut Vec<Note>,
}

impl Writer<'_> {
    fn pod(&mut self, pod: &Pod, is_split: bool) {
        self.header("Pod");
        match is_split {
            true => self.own("Pod", &pod.keys),
            false => self.keys("Pod", &pod.keys),
        }
        self.section("Unit", "Unit", &pod.unit);
        self.section("Service", "Service", &pod.service);
        if pod.at_boot {
            self.header("Install");
            self.text.push_str("WantedBy=multi-user.target\n");
        }
    }

    fn member(&mut self, member: &Member) {
        let name = &member.name;
        self.header(&format!("Container {name}"));
        self.keys("Container", &member.keys);
        self.section("Unit", &format!("Unit {name}"), &member.unit);
        self.section("Service", &format!("Service {name}"), &member.service);
    }

    fn container(&mut self, member: &Member, pod: &Pod) {
        self.header("Container");
        self.text.push_str(&format!("Pod={}.pod\n", pod.name));
        // What is short for [Unit] stands there, where Quadlet reads it too.
        let (short, keys) = member.keys.partition(|key| SHORT.contains(&key));
        self.own("Container", &keys);
        let mut unit = Keys::default();
        for (key, values) in short.iter() {
            let names = values.iter().flat_map(|value| value.split_ascii_whitespace());
            let is_member = |name: &str| pod.members.iter().any(|member| member.name == name);
            let names = names.map(|name| match is_member(name) {
                true => format!("{name}.container"),
                false => name.to_owned(),
            });
            unit.add(key, names.collect::<Vec<String>>().join(" "));
        }
        unit.extend(&member.unit);
        self.section("Unit", "Unit", &unit);
        self.section("Service", "Service", &member.service);
    }

    /// The keys of a section that is begun; those that Quadlet does not know, in the section that it leaves alone.
    fn own(&mut self, section: &str, keys: &Keys) {
        let (extensions, keys) = keys.partition(is_extension);
        self.keys(section, &keys);
        self.section(section, "X-Podunit", &extensions);
    }

    fn other(&mut self, other: &Other) {
        self.header(other.section);
        self.keys(other.section, &other.keys);
    }

    fn section(&mut self, table: &str, name: &str, keys: &Keys) {
        if !keys.is_empty() {
            self.header(name);
            self.keys(table, keys);
        }
    }

    fn header(&mut self, name: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("[{name}]\n"));
    }

    fn keys(&mut self, table: &str, keys: &Keys) {
        for (key, values) in keys.iter() {
            // systemd's own keys expand `%` each in its way: what is written there is meant for it.
            let spelled = match (table, values) {
                ("Unit" | "Service", [value]) if !value.contains(is_hidden) && !value.ends_with('\\') => {
                    Ok(value.clone())
                }
                _ => spell(rule_of(table, key), values),
            };
            match spelled {
                Ok(value) => self.text.push_str(&format!("{key}={value}\n")),
                Err(why) => self
                    .notes
                    .push(Note::new(format!("{key}={}", values.join(" ")), why)),
            }
        }
    }
}

/// The value as it stands behind `Key=`, so that it reads back as `values`; `%` and `$` stand for themselves.
fn spell(rule: Option<Rule>, values: &[String]) -> Result<String, &'static str> {
    if values.iter().any(|value| value.contains('\0')) {
        return Err("no definition can hold a NUL");
    }
    let plain = || -> Result<String, &'static str> {
        let [value] = values else {
            return Err("this key takes one value");
        };
        if value.contains(is_hidden) {
            return Err("this key takes one line, without control characters");
        }
        Ok(value.replace('%', "%%"))
    };
    let quote = |value: &String| words::quote(value).replace('%', "%%");
    match rule {
        Some(Rule::Exec) => {
            let words = values.iter().map(|word| quote(word).replace('$', "$$"));
            Ok(words.collect::<Vec<_>>().join(" "))
        }
        Some(Rule::Args | Rule::Pairs) => Ok(values.iter().map(quote).collect::<Vec<_>>().join(" ")),
        Some(Rule::Words) => {
            let value = plain()?;
            match (
                value.contains('"'),
                value.contains('\''),
                value.contains([' ', '\t']),
            ) {
                (true, true, _) => Err("this key takes no word with both kinds of quotes"),
                (true, false, _) => Ok(format!("'{value}'")),
                (false, true, _) | (_, _, true) => Ok(format!("\"{value}\"")),
                _ => Ok(value),
            }
        }
        Some(Rule::Single) => {
            let value = plain()?;
            let is_quoted = value.starts_with('"') && value.ends_with('"') && value.len() > 1;
            // One pair of quotes is taken off.
            Ok(
                match is_quoted || value != value.trim() || value.ends_with('\\') {
                    true => format!("\"{value}\""),
                    false => value,
                },
            )
        }
        // As it stands.
        Some(Rule::All | Rule::Bool | Rule::Number) | None => {
            let value = plain()?;
            if value != value.trim() || value.ends_with('\\') {
                return Err(
                    "this key takes no value that begins or ends with a blank or ends with a backslash",
                );
            }
            Ok(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(rule: Rule, values: &[&str]) -> Result<String, &'static str> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        spell(Some(rule), &values)
    }

    #[test]
    fn each_rule_has_its_quotes() {
        for (rule, values, expected) in [
            (
                Rule::Exec,
                &["a b", "$c", "50%", "d\n"][..],
                r#""a b" $$c 50%% d\n"#,
            ),
            (Rule::Pairs, &["A=x y"], r#""A=x y""#),
            (Rule::Args, &["/a b"], r#""/a b""#),
            (Rule::Words, &["a b"], r#""a b""#),
            (Rule::Words, &["it's"], r#""it's""#),
            (Rule::Words, &[r#"a"b"#], r#"'a"b'"#),
            (Rule::Single, &[r#"["a","b"]"#], r#"["a","b"]"#),
            (Rule::Single, &[r#""a""#], r#"""a"""#),
            (Rule::Single, &[" a"], r#"" a""#),
            (Rule::Single, &["a\\"], r#""a\""#),
            (Rule::All, &["/a:/b:size=5%"], "/a:/b:size=5%%"),
        ] {
            assert_eq!(spelled(rule, values).unwrap(), expected);
        }
        for (rule, value) in [
            (Rule::Single, "a\nb"),
            (Rule::All, "a\\"),
            (Rule::All, " a"),
            (Rule::Words, "'\""),
            (Rule::Exec, "a\0"),
        ] {
            assert!(spelled(rule, &[value]).is_err(), "{value:?}");
        }
    }
}
