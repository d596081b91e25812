//! Values that are written otherwise here: limits, volumes, mounts, restarts. All that command lines, compose files and
//! Kubernetes have in common.

use super::Note;
use super::file::{Files, Keys, Member};
use std::path::{Component, Path, PathBuf};

/// Why something is not in the result, or nothing.
pub(super) type Lost = Result<(), &'static str>;

/// A size of Docker and Podman (`512m`, `1gb`, bytes) as systemd writes it; a negative number is no limit.
pub(super) fn size(text: &str) -> Option<String> {
    if text.starts_with('-') {
        return Some("infinity".to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let bare = lower
        .strip_suffix("ib")
        .or_else(|| lower.strip_suffix(['b', 'i']))
        .unwrap_or(&lower);
    let written = bare.trim().to_ascii_uppercase();
    crate::unitfile::value::parse_size(&written).map(|_| written)
}

/// A number of processors as a share of one.
pub(super) fn quota(processors: f64) -> Option<String> {
    let percent = (processors * 100.0).round();
    (percent.is_finite() && percent >= 1.0).then(|| format!("{percent}%"))
}

/// Sets a limit of systemd's by the name that Docker has for it.
pub(super) fn limit(service: &mut Keys, name: &str, value: &str) -> Lost {
    const NUMBER: &str = "this is no number";
    let count = || match value.parse::<i64>() {
        Ok(number) if number <= 0 => Some("infinity".to_owned()),
        Ok(number) => Some(number.to_string()),
        Err(_) => None,
    };
    let of_size = || size(value).ok_or("this is no size");
    match name {
        "memory" => service.set("MemoryMax", of_size()?),
        "memory-reservation" => service.set("MemoryLow", of_size()?),
        "memory-swap" => {
            // There, it is memory and swap together.
            let both = bytes(&of_size()?);
            let memory = service.get("MemoryMax").and_then(bytes);
            match (both, memory) {
                (None, _) => service.set("MemorySwapMax", "infinity"),
                (Some(both), Some(memory)) => {
                    service.set("MemorySwapMax", both.saturating_sub(memory).to_string())
                }
                (Some(_), None) => {
                    return Err("it needs a limit of memory beside it; write MemorySwapMax= in [Service]");
                }
            }
        }
        "cpus" => {
            let number = value.parse().ok().and_then(quota).ok_or(NUMBER)?;
            service.set("CPUQuota", number);
        }
        "cpu-shares" => {
            let shares: u64 = value.parse().map_err(|_| NUMBER)?;
            // Docker's usual 1024 are systemd's usual 100.
            let weight = (shares.saturating_mul(100) / 1024).clamp(1, 10_000);
            service.set("CPUWeight", weight.to_string());
        }
        "cpuset-cpus" | "cpuset-mems" => {
            let is_list = value
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b",-".contains(&byte));
            let key = if name == "cpuset-cpus" {
                "AllowedCPUs"
            } else {
                "AllowedMemoryNodes"
            };
            service.set(
                key,
                if is_list {
                    value
                } else {
                    return Err("write numbers and ranges, such as 0-3,6");
                },
            );
        }
        "pids-limit" => service.set("TasksMax", count().ok_or(NUMBER)?),
        "oom-score-adj" => {
            let number: i32 = value.parse().map_err(|_| NUMBER)?;
            service.set("OOMScoreAdjust", number.to_string());
        }
        _ => return Err("there is no such limit"),
    }
    Ok(())
}

/// Bytes of a size as [`size`] writes it; none without a limit.
fn bytes(text: &str) -> Option<u64> {
    crate::unitfile::value::parse_size(text)
}

/// `NAME=SOFT[:HARD]`
pub(super) fn ulimit(service: &mut Keys, text: &str) -> Lost {
    const NAMES: [&str; 15] = [
        "AS",
        "CORE",
        "CPU",
        "DATA",
        "FSIZE",
        "LOCKS",
        "MEMLOCK",
        "MSGQUEUE",
        "NICE",
        "NOFILE",
        "NPROC",
        "RSS",
        "RTPRIO",
        "SIGPENDING",
        "STACK",
    ];
    let (name, value) = text.split_once('=').ok_or("write NAME=SOFT:HARD")?;
    let name = name.to_ascii_uppercase();
    if !NAMES.contains(&name.as_str()) {
        return Err("systemd has no such limit");
    }
    let one = |text: &str| match text.parse::<i64>() {
        Ok(-1) => Ok("infinity".to_owned()),
        Ok(number) if number >= 0 => Ok(number.to_string()),
        _ => Err("this is no limit"),
    };
    let both: Vec<String> = value.splitn(2, ':').map(one).collect::<Result<_, _>>()?;
    service.set(&format!("Limit{name}"), both.join(":"));
    Ok(())
}

/// A restart policy of Docker's; whether it also means "at boot".
pub(super) fn restart(service: &mut Keys, text: &str) -> Result<bool, &'static str> {
    match text {
        "" => Ok(false),
        "no" | "never" => {
            service.set("Restart", "no");
            Ok(false)
        }
        "always" | "unless-stopped" => {
            service.set("Restart", "always");
            Ok(true)
        }
        "on-failure" => {
            service.set("Restart", "on-failure");
            Ok(false)
        }
        other if other.starts_with("on-failure:") => {
            service.set("Restart", "on-failure");
            Err(
                "Restart=on-failure is written; how often is StartLimitBurst= and StartLimitIntervalSec= in [Unit]",
            )
        }
        _ => Err("there is no such restart policy"),
    }
}

/// A path of the host: absolute as it is, else below `base`; what begins with `~` or `$` only the shell knows.
pub(super) fn host_path(text: &str, base: &Path) -> String {
    if text.starts_with(['~', '$']) {
        return text.to_owned();
    }
    let mut plain = PathBuf::new();
    for part in base.join(text).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain.to_string_lossy().into_owned()
}

/// A volume as command lines and compose files write it: `SOURCE:TARGET[:OPTIONS]`, the source being a path of the host or
/// the name of a volume, which gets a file of its own.
pub(super) fn volume(member: &mut Member, files: &mut Files, text: &str, base: &Path) {
    let mut parts = text.splitn(3, ':');
    let (source, target, options) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some(target) = target else {
        member.keys.add("Volume", source);
        return;
    };
    mount(member, files, (source, target, options.unwrap_or_default()), base);
}

/// The same in its parts: source, target, options.
pub(super) fn mount(
    member: &mut Member,
    files: &mut Files,
    (source, target, options): (&str, &str, &str),
    base: &Path,
) {
    let source = if source.starts_with(['/', '.', '~', '$']) {
        host_path(source, base)
    } else {
        let file = format!("{}.volume", super::name_from(source));
        files.other(&file, "Volume");
        file
    };
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(":{options}")
    };
    member.keys.add("Volume", format!("{source}:{target}{options}"));
}

/// `--mount`: `type=bind,source=…,target=…,ro`. What is no bind, volume or tmpfs becomes a `Mount=`.
pub(super) fn long_mount(member: &mut Member, files: &mut Files, text: &str, base: &Path) {
    let (mut kind, mut source, mut target, mut options) = ("volume", "", "", Vec::new());
    for part in text.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, "true"));
        match name {
            "type" => kind = value,
            "source" | "src" | "from" => source = value,
            "target" | "dst" | "destination" => target = value,
            "readonly" | "ro" if value == "false" => {}
            "readonly" | "ro" => options.push("ro".to_owned()),
            "bind-propagation" => options.push(value.to_owned()),
            "tmpfs-size" => options.push(format!("size={value}")),
            "tmpfs-mode" => options.push(format!("mode={value}")),
            "consistency" => {}
            _ => {
                member.keys.add("Mount", text);
                return;
            }
        }
    }
    let all = options.join(",");
    match kind {
        "tmpfs" if all.is_empty() => member.keys.add("Tmpfs", target),
        "tmpfs" => member.keys.add("Tmpfs", format!("{target}:{all}")),
        "bind" if !source.is_empty() => {
            // A name alone is a path here too.
            mount(member, files, (&host_path(source, base), target, &all), base);
        }
        "volume" if source.is_empty() => member.keys.add("Volume", target),
        "volume" => mount(member, files, (source, target, &all), base),
        _ => member.keys.add("Mount", text),
    }
}

/// `--security-opt`
pub(super) fn security(member: &mut Member, text: &str) -> Lost {
    let (name, value) = text.split_once(['=', ':']).unwrap_or((text, "true"));
    let keys = &mut member.keys;
    match name {
        // No container can gain privileges, whatever is said.
        "no-new-privileges" if value == "true" => {}
        "no-new-privileges" => keys.set("NoNewPrivileges", "false"),
        "seccomp" => keys.set("SeccompProfile", value),
        "apparmor" => keys.set("AppArmor", value),
        "mask" => keys.set("Mask", value),
        "unmask" => keys.set("Unmask", value),
        "systempaths" => keys.set("Unmask", "ALL"),
        "label" => match value.split_once(':') {
            None if value == "disable" => keys.set("SecurityLabelDisable", "true"),
            None if value == "nested" => keys.set("SecurityLabelNested", "true"),
            Some(("type", value)) => keys.set("SecurityLabelType", value),
            Some(("level", value)) => keys.set("SecurityLabelLevel", value),
            Some(("filetype", value)) => keys.set("SecurityLabelFileType", value),
            _ => return Err("there is no key for it"),
        },
        _ => return Err("there is no key for it"),
    }
    Ok(())
}

/// A variable; one without a value is a matter of who starts the container.
pub(super) fn environment(member: &mut Member, text: &str, notes: &mut Vec<Note>) {
    member.keys.add("Environment", text);
    if !text.contains('=') {
        let why = "its value is that of the environment of systemd's services, not of your shell";
        notes.push(Note::new(format!("Environment={text}"), why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares() {
        for (text, expected) in [
            ("512m", Some("512M")),
            ("1gb", Some("1G")),
            ("2GiB", Some("2G")),
            ("1.5g", Some("1.5G")),
            ("1024", Some("1024")),
            ("64b", Some("64")),
            ("-1", Some("infinity")),
            ("much", None),
        ] {
            assert_eq!(size(text).as_deref(), expected, "{text}");
        }
        assert_eq!(quota(1.5).as_deref(), Some("150%"));
        assert_eq!(quota(0.0), None);
    }

    #[test]
    fn limits_are_systemds() {
        let mut service = Keys::default();
        for (name, value) in [
            ("memory", "1g"),
            ("memory-swap", "1.5g"),
            ("cpu-shares", "512"),
            ("pids-limit", "-1"),
            ("cpus", "0.25"),
        ] {
            limit(&mut service, name, value).unwrap();
        }
        ulimit(&mut service, "nofile=1024:-1").unwrap();
        let set: Vec<String> = service
            .iter()
            .map(|(key, value)| format!("{key}={}", value[0]))
            .collect();
        assert_eq!(
            set,
            [
                "MemoryMax=1G",
                "MemorySwapMax=536870912",
                "CPUWeight=50",
                "TasksMax=infinity",
                "CPUQuota=25%",
                "LimitNOFILE=1024:infinity",
            ]
        );
        assert!(ulimit(&mut service, "host").is_err() && limit(&mut service, "cpus", "x").is_err());
    }
}
