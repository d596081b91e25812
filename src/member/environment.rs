//! The environment of a container, made from nothing: no variable of the host gets in unasked.

use super::{Error, expand};
use crate::model::{Container, ImageConfig, ProcessSettings};
use crate::systemd::specifiers::Specifiers;
use crate::unitfile::words::is_variable_name;
use std::ffi::OsString;

/// Where programs are looked for in a container whose image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables in the order in which they came, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// Sets a variable; one that is there keeps its place.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads `NAME=value` lines as [`Self::lines`] writes them.
    pub fn from_lines(lines: &[String]) -> Self {
        let mut environment = Self::default();
        for (name, value) in lines.iter().filter_map(|line| line.split_once('=')) {
            environment.set(name, value);
        }
        environment
    }

    /// `NAME=value`, as the runtime takes them.
    pub fn lines(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
}

/// Variables that lead to a proxy, in lower and upper case (`HttpProxy=`).
const PROXY: [&str; 5] = ["all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "no_proxy"];

/// Variables that systemd gives a unit for itself (systemd.exec(5)): to a container they would be lies.
const OF_SYSTEMD: &str = "CACHE_DIRECTORY CONFIGURATION_DIRECTORY CREDENTIALS_DIRECTORY FDSTORE INVOCATION_ID \
    JOURNAL_STREAM LISTEN_FDNAMES LISTEN_FDS LISTEN_PID LISTEN_PIDFDID LOGS_DIRECTORY MAINPID MANAGERPID \
    MANAGERPIDFDID MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE NOTIFY_SOCKET PIDFILE RUNTIME_DIRECTORY \
    STATE_DIRECTORY SYSTEMD_EXEC_PID TRIGGER_PATH TRIGGER_UNIT WATCHDOG_PID WATCHDOG_USEC";

/// What the definition takes of the environment of the unit, which are `own`. What is no text cannot be taken.
pub fn of_unit(
    settings: &ProcessSettings,
    own: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(String, String)> {
    let is_wanted = |name: &str| {
        let is_proxy = PROXY.contains(&name.to_ascii_lowercase().as_str());
        let is_hosts = !OF_SYSTEMD.split_ascii_whitespace().any(|known| known == name);
        (settings.http_proxy && is_proxy) || (settings.environment_host && is_hosts)
    };
    own.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_wanted(name))
        .collect()
}

/// What the environment is made of, each later one winning: the unit's, the image's, the files', the definition's.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The member.
    pub container: &'a Container,
    /// Its image.
    pub image: &'a ImageConfig,
    /// What is taken of the environment of the unit.
    pub of_unit: &'a [(String, String)],
    /// Texts of the files of `EnvironmentFile=`, in order.
    pub files: &'a [String],
    /// The host name the member sees.
    pub hostname: &'a str,
    /// Home folder of its user, unless a source says otherwise.
    pub home: &'a str,
    /// Where the payload sends notifications, if it does.
    pub notify_socket: Option<&'a str>,
}

/// Puts the environment together. `get` gives the launcher's own variables, for names that the definition takes
/// over by name alone.
///
/// # Errors
/// A name or value that cannot be in an environment, an unknown specifier.
pub fn resolve(
    sources: &Sources<'_>,
    specifiers: &Specifiers,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Environment, Error> {
    let mut environment = Environment::default();
    environment.set("PATH", PATH);
    for (name, value) in sources.of_unit {
        environment.set(name, value);
    }
    environment.set("container", "oci");
    environment.set("HOSTNAME", sources.hostname);
    environment.set("HOME", sources.home);
    for line in &sources.image.env {
        match line.split_once('=') {
            Some((name, value)) if !name.is_empty() && !line.contains('\0') => environment.set(name, value),
            _ => {
                return Err(Error::Image(format!(
                    "`{line:?}` in its environment is not NAME=value"
                )));
            }
        }
    }
    for (name, value) in sources.files.iter().flat_map(|text| parse_file(text)) {
        environment.set(name, value);
    }
    for (name, value) in &sources.container.environment {
        let value = match value {
            Some(value) => Some(expand(specifiers, "Environment", value)?),
            None => get(name),
        };
        if let Some(value) = value {
            environment.set(name, value);
        }
    }
    if let Some(socket) = sources.notify_socket {
        environment.set("NOTIFY_SOCKET", socket);
    }
    Ok(environment)
}

/// What the reader of an environment file is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Name,
    BeforeValue,
    Value,
    Single,
    Double,
    Comment,
}

/// Reads a file of `NAME=value` lines with systemd's rules (systemd.exec(5), `EnvironmentFile=`): comments begin with
/// `#` or `;`, a backslash takes the next character as it is and joins lines, values may be quoted as in a shell, but
/// nothing is expanded. As in systemd, a line without `=` or with a name that cannot be one is passed over.
pub fn parse_file(text: &str) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let (mut name, mut value) = (String::new(), String::new());
    // Length of the value up to its last character that is no unquoted blank.
    let mut kept = 0;
    let mut state = State::Name;
    let mut chars = text.chars();
    // A line break at the end closes the last line, whatever it lacks.
    while let Some(c) = chars
        .next()
        .or((state != State::Name || !name.is_empty()).then_some('\n'))
    {
        let at_end = chars.as_str().is_empty();
        match (state, c) {
            (State::Name, '\n' | '\r') => name.clear(),
            (State::Name, '#' | ';') if name.is_empty() => state = State::Comment,
            (State::Name, '=') => state = State::BeforeValue,
            (State::Name, c) if name.is_empty() && is_blank(c) => {}
            (State::Name, c) => name.push(c),
            (State::Comment, '\n' | '\r') => state = State::Name,
            (State::Comment, _) => {}
            (State::BeforeValue | State::Value, '\n' | '\r') => {
                value.truncate(kept);
                variables.push((std::mem::take(&mut name), std::mem::take(&mut value)));
                kept = 0;
                state = State::Name;
            }
            (State::BeforeValue, '\'') => state = State::Single,
            (State::BeforeValue, '"') => state = State::Double,
            (State::BeforeValue, c) if is_blank(c) => {}
            (State::BeforeValue | State::Value, '\\') => {
                value.extend(chars.next().filter(|c| *c != '\n'));
                kept = value.len();
                state = State::Value;
            }
            (State::BeforeValue | State::Value, c) => {
                value.push(c);
                if !is_blank(c) {
                    kept = value.len();
                }
                state = State::Value;
            }
            (State::Single, '\'') | (State::Double, '"') => state = State::BeforeValue,
            (State::Single | State::Double, '\n') if at_end => {
                kept = value.len();
                state = State::BeforeValue;
            }
            (State::Double, '\\') => {
                match chars.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '`' | '$')) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                }
                kept = value.len();
            }
            (State::Single | State::Double, c) => {
                value.push(c);
                kept = value.len();
            }
        }
    }
    variables
        .iter_mut()
        .for_each(|(name, _)| name.truncate(name.trim_end().len()));
    variables.retain(|(name, value)| is_variable_name(name) && !value.contains('\0'));
    variables
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::container;
    use super::*;
    use crate::model::Paths;
    use proptest::prelude::*;

    #[test]
    fn later_sources_win_and_nothing_comes_from_the_host() {
        let mut container = container("a");
        container.environment = vec![
            ("UNIT".to_owned(), Some("%n".to_owned())),
            ("TAKEN".to_owned(), None),
            ("ABSENT".to_owned(), None),
            ("FILE".to_owned(), Some("definition".to_owned())),
        ];
        let image = ImageConfig {
            env: vec!["HOME=/image".to_owned(), "FILE=%n".to_owned()],
            ..Default::default()
        };
        let sources = Sources {
            container: &container,
            image: &image,
            of_unit: &[
                ("FROM".to_owned(), "unit".to_owned()),
                ("HOME".to_owned(), "/unit".to_owned()),
            ],
            files: &["FILE=file\nTWO=2".to_owned()],
            hostname: "web",
            home: "/root",
            notify_socket: Some("/run/notify/socket"),
        };
        let get = |name: &str| (name == "TAKEN").then(|| "host".to_owned());
        let specifiers = Specifiers::new("pod-web-a.service", &Paths::default());
        assert_eq!(
            resolve(&sources, &specifiers, &get).unwrap().lines(),
            [
                &format!("PATH={PATH}"),
                "FROM=unit",
                "HOME=/image",
                "container=oci",
                "HOSTNAME=web",
                "FILE=definition",
                "TWO=2",
                "UNIT=pod-web-a.service",
                "TAKEN=host",
                "NOTIFY_SOCKET=/run/notify/socket"
            ]
        );
        for bad in ["NOVALUE", "=x", "A=\0"] {
            let image = ImageConfig {
                env: vec![bad.to_owned()],
                ..Default::default()
            };
            assert!(
                resolve(
                    &Sources {
                        image: &image,
                        ..sources
                    },
                    &specifiers,
                    &get
                )
                .is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn of_the_units_environment_comes_what_is_asked_for() {
        let taken = |environment_host, http_proxy| -> Vec<String> {
            let settings = ProcessSettings {
                environment_host,
                http_proxy,
                ..ProcessSettings::default()
            };
            let own = [
                "LANG",
                "HTTPS_PROXY",
                "no_proxy",
                "NOTIFY_SOCKET",
                "INVOCATION_ID",
            ];
            let own = own.map(|name| (OsString::from(name), OsString::from("x")));
            let taken = of_unit(&settings, own.into_iter());
            taken.into_iter().map(|(name, _)| name).collect()
        };
        assert!(taken(false, false).is_empty());
        assert_eq!(taken(false, true), ["HTTPS_PROXY", "no_proxy"]);
        assert_eq!(taken(true, false), ["LANG", "HTTPS_PROXY", "no_proxy"]);
    }

    #[test]
    fn environment_files_have_systemds_syntax() {
        let cases: [(&str, &[(&str, &str)]); 14] = [
            ("A=b", &[("A", "b")]),
            ("A=b\nC=d\n", &[("A", "b"), ("C", "d")]),
            ("# A=b\n;C=d\n \n  E = f g  \n", &[("E", "f g")]),
            ("A=", &[("A", "")]),
            ("A='b c'\nD=\"e # f\"", &[("A", "b c"), ("D", "e # f")]),
            ("A=\"two\nlines\"", &[("A", "two\nlines")]),
            (r#"A="\"\\\$\`\x""#, &[("A", r#""\$`\x"#)]),
            (r"A='\n'", &[("A", r"\n")]),
            ("A=b\\\nc", &[("A", "bc")]),
            ("A=b\\ \n", &[("A", "b ")]),
            ("A='b''c'", &[("A", "bc")]),
            ("A=it's\nB=$HOME %n", &[("A", "it's"), ("B", "$HOME %n")]),
            ("no assignment\n1A=b\nA-B=c\nOK=1", &[("OK", "1")]),
            ("A='open", &[("A", "open")]),
        ];
        for (text, expected) in cases {
            let read = parse_file(text);
            let read: Vec<_> = read
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            assert_eq!(read, expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in "[A='\"\\\\ \n#=$]{0,40}") {
            parse_file(&text);
        }

        #[test]
        fn quoted_values_come_back(value in "[^'\0]{0,20}") {
            prop_assert_eq!(parse_file(&format!("A='{value}'")), [("A".to_owned(), value)]);
        }
    }
}
