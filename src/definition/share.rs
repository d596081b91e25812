//! `Share=`: which namespaces the members have in common.

use super::section::Settings;
use crate::diagnostic::Problem;
use crate::diagnostic::nearest;
use crate::model::Share;

const NONE: Share = Share {
    net: false,
    ipc: false,
    uts: false,
    pid: false,
};

/// Reads `Share=net pid`, `Share=none` or, in addition to the default, `Share=+pid`. Commas, as Podman has them,
/// separate words too. What is assigned and empty shares nothing. With an error in it, it counts as the default.
pub(super) fn read(settings: &Settings, problems: &mut Vec<Problem>) -> Share {
    if settings.last_entry("Share").is_none() {
        return Share::default();
    }
    let before = problems.len();
    let values = settings.values("Share", problems);
    let adds = values.first().is_some_and(|value| value.text.starts_with('+'));
    let mut share = if adds { Share::default() } else { NONE };
    for value in &values {
        let words = value.text.strip_prefix('+').unwrap_or(&value.text);
        if !adds && words.len() < value.text.len() {
            let problem = value.error("a word with `+` adds to the default, but the first word replaces it");
            problems.push(problem.help("write `+` at all words or at none"));
        }
        for word in words.split(',') {
            match word {
                "net" => share.net = true,
                "ipc" => share.ipc = true,
                "uts" => share.uts = true,
                "pid" => share.pid = true,
                "none" if values.len() == 1 && !adds => {}
                "none" => problems.push(
                    value
                        .error("none cannot stand beside others")
                        .help("write none alone"),
                ),
                "cgroup" | "user" => {
                    let problem = value.error(format!("sharing `{word}` is not supported by this version"));
                    problems.push(problem.help("write some of net ipc uts pid, or none"));
                }
                _ => {
                    let help = match nearest::nearest(word, ["net", "ipc", "uts", "pid", "none"]) {
                        Some(near) if word.len() > 1 => format!("did you mean {near}?"),
                        _ => "write some of net ipc uts pid, or none".to_owned(),
                    };
                    problems.push(
                        value
                            .error(format!("`{word}` is not a namespace that can be shared"))
                            .help(help),
                    );
                }
            }
        }
    }
    if problems.len() > before {
        Share::default()
    } else {
        share
    }
}
