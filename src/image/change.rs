//! `podunit image import --change`: one field of an image's configuration, written as in a Dockerfile.

use serde_json::{Map, Value, json};
use std::str::FromStr;

/// A change of an image's configuration: `CMD ["nginx"]`, `ENV=A=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The field of the configuration (OCI image specification, `config`).
    field: &'static str,
    value: Set,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    To(Value),
    /// One more of a list.
    Add(String),
    /// One more of an object.
    Put(String, Value),
}

/// Why a text is no change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Something else, or an instruction that says nothing about how an image is run.
    #[error(
        "`{}` is not a change of an image: write CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or \
         WORKDIR and its value, such as 'CMD [\"nginx\", \"-g\", \"daemon off;\"]'", .0.escape_debug()
    )]
    Instruction(String),
    /// The value is none for it.
    #[error("`{}`: {problem}", text.escape_debug())]
    Value {
        /// The change.
        text: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl FromStr for Change {
    type Err = ChangeError;

    /// Reads `INSTRUCTION VALUE` or `INSTRUCTION=VALUE`, as podman-import(1) does.
    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let unknown = || ChangeError::Instruction(text.to_owned());
        let wrong = |problem| ChangeError::Value {
            text: text.to_owned(),
            problem,
        };
        let (instruction, value) = text.trim().split_once([' ', '=']).ok_or_else(unknown)?;
        let value = value.trim();
        if value.is_empty() {
            return Err(wrong("it has no value"));
        }
        let pair = || {
            let (name, value) = value.split_once('=').ok_or_else(|| wrong("write NAME=VALUE"))?;
            match name.is_empty() || name.contains(char::is_whitespace) {
                true => Err(wrong("write NAME=VALUE")),
                false => Ok((name.to_owned(), unquoted(value).to_owned())),
            }
        };
        let (field, value) = match instruction.to_ascii_uppercase().as_str() {
            "CMD" => ("Cmd", Set::To(command(value).ok_or_else(|| wrong(BAD_ARRAY))?)),
            "ENTRYPOINT" => (
                "Entrypoint",
                Set::To(command(value).ok_or_else(|| wrong(BAD_ARRAY))?),
            ),
            "ENV" => {
                let (name, value) = pair()?;
                ("Env", Set::Add(format!("{name}={value}")))
            }
            "LABEL" => {
                let (name, value) = pair()?;
                ("Labels", Set::Put(name, json!(value)))
            }
            "EXPOSE" => {
                let port = match value.split_once('/') {
                    Some(_) => value.to_owned(),
                    None => format!("{value}/tcp"),
                };
                ("ExposedPorts", Set::Put(port, json!({})))
            }
            "VOLUME" if value.starts_with('/') => ("Volumes", Set::Put(value.to_owned(), json!({}))),
            "VOLUME" => return Err(wrong("a volume is an absolute path")),
            "STOPSIGNAL" => match value.parse::<crate::model::Signal>() {
                Ok(_) => ("StopSignal", Set::To(json!(value))),
                Err(_) => return Err(wrong("there is no such signal")),
            },
            "USER" => ("User", Set::To(json!(value))),
            "WORKDIR" if value.starts_with('/') => ("WorkingDir", Set::To(json!(value))),
            "WORKDIR" => return Err(wrong("a working directory is an absolute path")),
            _ => return Err(unknown()),
        };
        Ok(Self { field, value })
    }
}

const BAD_ARRAY: &str = "it begins as a JSON array of texts, but is none";

impl Change {
    /// Changes the `config` object of a configuration.
    pub fn apply(&self, config: &mut Map<String, Value>) {
        match &self.value {
            Set::To(value) => {
                config.insert(self.field.to_owned(), value.clone());
            }
            Set::Add(text) => {
                let list = config.entry(self.field).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(json!(text));
                }
            }
            Set::Put(name, value) => {
                let object = config.entry(self.field).or_insert_with(|| json!({}));
                if let Some(object) = object.as_object_mut() {
                    object.insert(name.clone(), value.clone());
                }
            }
        }
    }
}

/// A JSON array, or a line for the shell.
fn command(value: &str) -> Option<Value> {
    if !value.starts_with('[') {
        return Some(json!(["/bin/sh", "-c", value]));
    }
    let words: Vec<String> = serde_json::from_str(value).ok()?;
    Some(json!(words))
}

fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_written_as_in_a_dockerfile() {
        let mut config = Map::new();
        for text in [
            r#"CMD ["nginx", "-g"]"#,
            "entrypoint=exec nginx",
            "ENV A=1 2",
            "ENV=B=\"x\"",
            "EXPOSE 80",
            "EXPOSE 53/udp",
            "VOLUME /data",
            "LABEL a.b=c",
            "USER www:www",
            "WORKDIR /srv",
            "STOPSIGNAL SIGQUIT",
        ] {
            text.parse::<Change>().unwrap().apply(&mut config);
        }
        assert_eq!(
            Value::Object(config),
            json!({
                "Cmd": ["nginx", "-g"],
                "Entrypoint": ["/bin/sh", "-c", "exec nginx"],
                "Env": ["A=1 2", "B=x"],
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
                "Volumes": {"/data": {}},
                "Labels": {"a.b": "c"},
                "User": "www:www",
                "WorkingDir": "/srv",
                "StopSignal": "SIGQUIT",
            })
        );
        for bad in [
            "",
            "CMD",
            "CMD ",
            "CMD [1]",
            "RUN x",
            "ENV A",
            "ENV =x",
            "WORKDIR x",
            "VOLUME x",
            "STOPSIGNAL NOPE",
        ] {
            assert!(bad.parse::<Change>().is_err(), "{bad}");
        }
    }
}
