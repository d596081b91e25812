//! Keys of `[Container]` that limit resources, in the words of systemd, which keeps the limits.

use super::section::Settings;
use crate::diagnostic::Problem;
use crate::model::Directive;
use crate::unitfile::value::parse_size;

/// Processes of podunit and crun that are in the container's unit while it starts.
const STEPS: u64 = 10;

/// Reads them: directives of the container's unit.
pub(super) fn read(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Directive> {
    [memory(settings, problems), pids(settings, problems)]
        .into_iter()
        .flatten()
        .collect()
}

/// A size as Podman takes it: bytes, or with b, k, m, g.
pub(super) fn size(text: &str) -> Option<u64> {
    let bare = text.strip_suffix(['b', 'B']).unwrap_or(text);
    // `1.5 g 3` is a size of systemd's, not of Podman's.
    let is_one = !text.contains(|c: char| c.is_whitespace());
    parse_size(bare).filter(|_| is_one)
}

fn memory(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Directive> {
    let value = settings.value("Memory", problems)?;
    match size(&value.text) {
        // For Podman, none.
        Some(0) => None,
        Some(bytes) => Some(Directive::new("MemoryMax", bytes.to_string())),
        None => {
            let problem = value.error("this is not a size");
            problems.push(problem.help("write bytes, or a size such as 512m or 2g"));
            None
        }
    }
}

/// `ShmSize=`, in bytes.
pub(super) fn shm_size(settings: &Settings, problems: &mut Vec<Problem>) -> Option<u64> {
    let value = settings.value("ShmSize", problems)?;
    let size = size(&value.text).filter(|size| *size > 0);
    if size.is_none() {
        let problem = value.error("this is not a size");
        problems.push(problem.help("write bytes, or a size such as 64M or 1G"));
    }
    size
}

fn pids(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Directive> {
    let value = settings.value("PidsLimit", problems)?;
    match value.text.parse::<i64>() {
        Ok(-1 | 0) => Some(Directive::new("TasksMax", "infinity")),
        Ok(number) if number > 0 => {
            if number.unsigned_abs() < STEPS {
                let problem =
                    value.warning("the steps that start the container count too, and may not be possible");
                problems.push(problem.help(format!("write {STEPS} or more")));
            }
            Some(Directive::new("TasksMax", number.to_string()))
        }
        _ => {
            let problem = value.error("this is not a number of processes");
            problems.push(problem.help("write a number such as 100, or -1 for no limit"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_of_podman() {
        for (text, bytes) in [
            ("512m", Some(512 << 20)),
            ("2G", Some(2 << 30)),
            ("64mb", Some(64 << 20)),
            ("1000", Some(1000)),
            ("100b", Some(100)),
            ("1.5g", Some(3 << 29)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1 g", None),
            ("1x", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
