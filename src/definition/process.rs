//! Keys of `[Container]` about its process → [`ProcessSettings`].

use super::section::{Settings, Value};
use crate::diagnostic::{Problem, nearest};
use crate::model::{ProcessSettings, Ulimit};

/// Resources of setrlimit(2), as `ulimit` of bash(1) and Podman call them.
const RESOURCES: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Keys that ask for an SELinux label, but for `SecurityLabelNested=`, which is a boolean.
const LABELS: [&str; 3] = ["SecurityLabelFileType", "SecurityLabelLevel", "SecurityLabelType"];

/// Reads them.
pub(super) fn read(settings: &Settings, problems: &mut Vec<Problem>) -> ProcessSettings {
    let flag = |key: &str, problems: &mut Vec<Problem>| settings.flag(key, problems).map(|(flag, _)| flag);
    settings.flag("SecurityLabelDisable", problems);
    let labels: Vec<bool> = LABELS
        .iter()
        .map(|key| settings.value(key, problems).is_some())
        .collect();
    let nested = flag("SecurityLabelNested", problems).unwrap_or_default();
    ProcessSettings {
        groups: groups(settings, problems),
        ulimits: ulimits(settings, problems),
        new_privileges: flag("NoNewPrivileges", problems) == Some(false),
        apparmor: apparmor(settings, problems),
        selinux: nested || labels.contains(&true),
        environment_host: flag("EnvironmentHost", problems).unwrap_or_default(),
        http_proxy: flag("HttpProxy", problems).unwrap_or_default(),
        timezone: timezone(settings, problems),
        run_init: flag("RunInit", problems).unwrap_or_default(),
        is_silent: is_silent(settings, problems),
    }
}

fn groups(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut groups = Vec::new();
    for value in settings.texts("GroupAdd", problems) {
        let text = &value.text;
        if text == "keep-groups" {
            let problem = value.error("podunit runs as root, which has no groups to keep");
            problems.push(problem.help("name the groups, or write their numbers"));
        } else if text.starts_with('-') || text.contains([':', '/', ',', ' ', '\t', '"', '\'']) {
            let problem = value.error("this is not a group");
            problems.push(problem.help("write one name or number for each GroupAdd="));
        } else if !groups.contains(text) {
            groups.push(text.clone());
        }
    }
    groups
}

fn ulimits(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Ulimit> {
    let mut ulimits: Vec<Ulimit> = Vec::new();
    for value in settings.values("Ulimit", problems) {
        // The limits of whoever starts the container, which is the unit.
        if value.text == "host" {
            continue;
        }
        match ulimit(&value.text) {
            Ok(ulimit) => {
                ulimits.retain(|other| other.name != ulimit.name);
                ulimits.push(ulimit);
            }
            Err((message, help)) => problems.push(value.error(message).help(help)),
        }
    }
    ulimits
}

/// Reads `NAME=SOFT[:HARD]`.
fn ulimit(text: &str) -> Result<Ulimit, (&'static str, String)> {
    const FORM: &str = "write NAME=SOFT:HARD, such as nofile=1024:2048; -1 is no limit";
    let (name, limits) = text
        .split_once('=')
        .ok_or(("this is not a limit", FORM.to_owned()))?;
    if !RESOURCES.contains(&name) {
        let help = match nearest::nearest(name, RESOURCES.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write one of {}", RESOURCES.join(", ")),
        };
        return Err(("no resource has this name", help));
    }
    // `Some(None)` is no limit.
    let number = |text: &str| match text {
        "-1" | "unlimited" => Some(None),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<u64>().ok().map(Some),
        _ => None,
    };
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let (Some(soft), Some(hard)) = (number(soft), number(hard)) else {
        return Err(("these are not numbers", FORM.to_owned()));
    };
    if hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard)) {
        let help = "write the lower number first, or one number for both".to_owned();
        return Err(("the soft limit is above the hard one", help));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        soft,
        hard,
    })
}

fn apparmor(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.text("AppArmor", problems)?;
    if value.text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let problem = value.error("this is not the name of a profile");
        problems.push(problem.help("write the name of a profile that the host has loaded, or unconfined"));
        return None;
    }
    Some(value.text)
}

fn timezone(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.value("Timezone", problems)?;
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-_".contains(&byte))
    };
    if !value.text.split('/').all(is_part) {
        let problem = value.error("this is not a time zone");
        problems.push(problem.help("write a name such as Europe/Berlin, or local for that of the host"));
        return None;
    }
    Some(value.text)
}

/// Whether nobody is to read what the container writes.
fn is_silent(settings: &Settings, problems: &mut Vec<Problem>) -> bool {
    let Some(value) = settings.value("LogDriver", problems) else {
        return false;
    };
    match value.text.as_str() {
        // What systemd does with the output of a unit is to put it into the journal.
        "journald" | "passthrough" => false,
        "none" => true,
        _ => {
            problems.push(no_driver(&value));
            false
        }
    }
}

fn no_driver(value: &Value) -> Problem {
    value
        .error("the output of containers goes to the journal")
        .help("write journald, or none; podunit logs and journalctl -u show the journal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let read = |text| ulimit(text).map(|limit| (limit.soft, limit.hard)).ok();
        assert_eq!(read("nofile=1024:2048"), Some((Some(1024), Some(2048))));
        assert_eq!(read("core=0"), Some((Some(0), Some(0))));
        assert_eq!(read("memlock=-1:-1"), Some((None, None)));
        assert_eq!(read("nproc=5:-1"), Some((Some(5), None)));
        for bad in [
            "nofile",
            "nofile=",
            "nofile=a",
            "nofile=2:1",
            "nofile=-1:5",
            "nofile=1:2:3",
            "NOFILE=1",
            "files=1",
            "nofile=+1",
            "nofile=99999999999999999999",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
