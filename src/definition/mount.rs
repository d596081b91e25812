//! `Volume=` and `Tmpfs=`, and paths on the host and in the container.

use super::directive::Known;
use super::document::Kind;
use super::section::{Value, short};
use super::volume;
use crate::diagnostic::Problem;
use crate::model::volume::check_name;
use crate::model::{Bind, Owner, Tmpfs, VolumeMount};
use std::path::{Component, Path, PathBuf};

/// Options of a bind mount that are honoured.
pub(super) const BIND_OPTIONS: &[&str] = &[
    "bind", "dev", "exec", "noatime", "nodev", "noexec", "nosuid", "private", "rbind", "ro", "rprivate",
    "rshared", "rslave", "rw", "shared", "slave", "suid",
];
/// Options of Podman that change nothing here: (option, why).
const NO_EFFECT: &[(&str, &str)] = &[
    ("z", "this version sets no SELinux label"),
    ("Z", "this version sets no SELinux label"),
    ("nocopy", "nothing is copied into a folder of the host"),
    (
        "copy",
        "what the image has is copied into a new volume anyway, and never into a folder of the host",
    ),
];
/// Options of Podman that would have to act: (option, what to do instead).
const REFUSED: &[(&str, &str)] = &[
    (
        "U",
        "say in NAME.volume whose the volume is: User= and Group= in [Volume]",
    ),
    ("idmap", "leave it out: there are no user namespaces"),
    ("O", "leave it out, or mount the folder read-only: ro"),
    ("upperdir", "leave it out, or mount the folder read-only: ro"),
    ("workdir", "leave it out, or mount the folder read-only: ro"),
    ("subpath", "use a volume of its own for that folder"),
];
const TMPFS_OPTIONS: &[&str] = &[
    "dev",
    "exec",
    "noatime",
    "nodev",
    "noexec",
    "nosuid",
    "notmpcopyup",
    "relatime",
    "ro",
    "rw",
    "strictatime",
    "suid",
    "tmpcopyup",
];
/// Options of a tmpfs with a value (tmpfs(5)).
const TMPFS_VALUES: &[&str] = &[
    "gid",
    "huge",
    "mode",
    "mpol",
    "nr_blocks",
    "nr_inodes",
    "size",
    "uid",
];

/// What `Volume=` mounts.
#[derive(Debug)]
pub(super) enum Mounted {
    /// A path of the host.
    Bind(Bind),
    /// A volume, and the unit that makes it, where it has a file of its own.
    Volume(VolumeMount, Option<String>),
}

impl Mounted {
    /// The place in the container.
    pub(super) fn target(&self) -> &str {
        match self {
            Self::Bind(bind) => &bind.target,
            Self::Volume(volume, _) => &volume.target,
        }
    }
}

/// Reads `[SOURCE:]TARGET[:OPTIONS]`; a source that begins with a dot is under `folder`.
pub(super) fn volume(
    value: &Value,
    folder: &Path,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Option<Mounted> {
    let mut parts = value.text.splitn(3, ':');
    let (source, target, list) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some(target) = target else {
        let target = target_path(source, value, problems)?;
        let (volume, options) = (None, Vec::new());
        return Some(Mounted::Volume(
            VolumeMount {
                volume,
                target,
                options,
            },
            None,
        ));
    };
    let (source, unit) = source_of(source, value, folder, known, problems)?;
    let target = target_path(target, value, problems)?;
    let is_path = matches!(source, Source::Path(_));
    let options = options(list, is_path, value, problems);
    Some(match source {
        Source::Path(source) => Mounted::Bind(Bind {
            source,
            target,
            options,
        }),
        Source::Name(name) => Mounted::Volume(
            VolumeMount {
                volume: Some(name),
                target,
                options,
            },
            unit,
        ),
    })
}

/// What stands before the first colon.
enum Source {
    Path(String),
    Name(String),
}

fn source_of(
    text: &str,
    value: &Value,
    folder: &Path,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Option<(Source, Option<String>)> {
    if let Some(path) = host_path(text, folder).filter(|_| !names_volume(text)) {
        return Some((Source::Path(path), None));
    }
    if let Some(base) = text
        .strip_suffix(Kind::Volume.suffix())
        .filter(|_| !text.contains('/'))
    {
        let Some((volume, name)) = known.volume(base) else {
            problems.push(volume::missing(value, base, known));
            return None;
        };
        return Some((Source::Name(volume), Some(Owner::Volume(name).unit())));
    }
    if text.contains('/') {
        let problem = value.error(format!("the source `{}` is a relative path", short(text)));
        problems.push(problem.help(format!("write ./{}, or an absolute path", short(text))));
        return None;
    }
    if !text.contains('%')
        && let Err(error) = check_name(text)
    {
        let problem = value.error(format!("`{}` is neither a path nor a name: {error}", short(text)));
        problems.push(problem.help("write the name of a volume, or an absolute path"));
        return None;
    }
    Some((Source::Name(text.to_owned()), None))
}

/// Whether a text with specifiers is the name of a volume and no path: `%p-data`, but not `%h` and `%h/data`.
fn names_volume(text: &str) -> bool {
    const PATHS: &str = "CdEhLStTVyY";
    let mut chars = text.chars();
    let first = (chars.next(), chars.next());
    first.0 == Some('%') && !text.contains('/') && !first.1.is_some_and(|c| PATHS.contains(c))
}

/// Options that are honoured; all others are problems.
fn options(list: Option<&str>, is_path: bool, value: &Value, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut known = Vec::new();
    for option in list.iter().flat_map(|list| list.split(',')) {
        if BIND_OPTIONS.contains(&option) || option == "nocopy" && !is_path {
            known.push(option.to_owned());
        } else if let Some((_, why)) = NO_EFFECT.iter().find(|(name, _)| *name == option) {
            problems.push(value.warning(format!("the option `{option}` has no effect: {why}")));
        } else if let Some((_, help)) = REFUSED
            .iter()
            .find(|(name, _)| option.split('=').next() == Some(*name))
        {
            let problem = value.error(format!(
                "the option `{}` is not supported by this version",
                short(option)
            ));
            problems.push(problem.help(*help));
        } else {
            let help = format!("this version knows {}", BIND_OPTIONS.join(", "));
            problems.push(
                value
                    .error(format!("`{}` is no option of a volume here", short(option)))
                    .help(help),
            );
        }
    }
    known
}

/// Reads `TARGET[:OPTIONS]`.
pub(super) fn tmpfs(value: &Value, problems: &mut Vec<Problem>) -> Option<Tmpfs> {
    let (target, options) = match value.text.split_once(':') {
        Some((target, options)) => (target, Some(options)),
        None => (value.text.as_str(), None),
    };
    let target = target_path(target, value, problems)?;
    let options: Vec<String> = options
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::to_owned)
        .collect();
    for option in &options {
        let known = match option.split_once('=') {
            Some((name, value)) => TMPFS_VALUES.contains(&name) && !value.is_empty(),
            None => TMPFS_OPTIONS.contains(&option.as_str()),
        };
        if !known {
            let help = format!(
                "this version knows {}, {}=",
                TMPFS_OPTIONS.join(", "),
                TMPFS_VALUES.join("=, ")
            );
            problems.push(
                value
                    .error(format!("`{option}` is no option of a tmpfs here"))
                    .help(help),
            );
        } else if let Some(help) = option.split_once('=').and_then(wrong_tmpfs_value) {
            problems.push(
                value
                    .error(format!("the value of `{option}` cannot be used"))
                    .help(help),
            );
        }
    }
    Some(Tmpfs { target, options })
}

/// What to write instead of a value that the kernel would refuse when the tmpfs is mounted (tmpfs(5)).
fn wrong_tmpfs_value((name, value): (&str, &str)) -> Option<&'static str> {
    let value = value.replace("%%", "%");
    // What a specifier stands for is not known here.
    if value.trim_end_matches('%').contains('%') {
        return None;
    }
    let is_number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok();
    let is_count = |text: &str| is_number(text.strip_suffix(['k', 'm', 'g', 'K', 'M', 'G']).unwrap_or(text));
    let is_mode = || {
        value.bytes().all(|byte| byte.is_ascii_digit())
            && u32::from_str_radix(&value, 8).is_ok_and(|mode| mode <= 0o7777)
    };
    // The last number stands for no user and no group.
    let is_id = || is_number(&value) && value.parse::<u32>().is_ok_and(|id| id < u32::MAX);
    let (fits, help) = match name {
        "size" => (
            is_count(&value) || value.strip_suffix('%').is_some_and(is_number),
            "write bytes, a size such as 64m or 1g, or a share of memory such as 10%%",
        ),
        "nr_blocks" | "nr_inodes" => (is_count(&value), "write a number, such as 1000 or 10k"),
        "mode" => (is_mode(), "write an octal number such as 1777"),
        "uid" | "gid" => (is_id(), "write a number such as 1000"),
        _ => return None,
    };
    (!fits).then_some(help)
}

/// A path of the host: absolute, beginning with a specifier, or relative to `folder` if it begins with a dot.
pub(super) fn host_path(text: &str, folder: &Path) -> Option<String> {
    if text.starts_with('%') {
        return Some(text.to_owned());
    }
    if text.starts_with('/') {
        return Some(plain(Path::new(text)));
    }
    let is_relative = text == "." || text == ".." || text.starts_with("./") || text.starts_with("../");
    is_relative.then(|| plain(&folder.join(text)))
}

/// The path without `.`, needless slashes, and `..` as far as it follows a name.
pub(super) fn plain(path: &Path) -> String {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            Component::ParentDir if plain.has_root() => {}
            part => plain.push(part),
        }
    }
    // Texts are UTF-8, so nothing is lost.
    plain.to_string_lossy().into_owned()
}

/// A path in the container: absolute, or beginning with a specifier.
pub(super) fn container_path(text: &str) -> Option<String> {
    if text.starts_with('%') {
        return Some(text.to_owned());
    }
    let climbs = Path::new(text)
        .components()
        .any(|part| part == Component::ParentDir);
    (text.starts_with('/') && !climbs).then(|| plain(Path::new(text)))
}

/// The same of a place where something can be put, which `/` is not.
pub(super) fn target_path(text: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<String> {
    let path = container_path(text).filter(|path| path != "/");
    if path.is_none() {
        let problem = value.error(format!("`{text}` cannot be the place in the container"));
        problems.push(problem.help("write an absolute path without `..`, and not /"));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_paths() {
        let of = |text| host_path(text, Path::new("/etc/podunit"));
        assert_eq!(of("/srv//a/./b/").as_deref(), Some("/srv/a/b"));
        assert_eq!(of("./a").as_deref(), Some("/etc/podunit/a"));
        assert_eq!(of("../../../../a").as_deref(), Some("/a"));
        assert_eq!(of("%h/a").as_deref(), Some("%h/a"));
        for named in ["data", "data.volume", "", ".hidden", "..."] {
            assert_eq!(of(named), None, "{named}");
        }
    }

    #[test]
    fn tmpfs_values() {
        for fine in [
            "size=64m",
            "size=1",
            "size=50%",
            "size=50%%",
            "nr_inodes=10k",
            "mode=1777",
            "uid=0",
            "gid=%G",
        ] {
            assert_eq!(fine.split_once('=').and_then(wrong_tmpfs_value), None, "{fine}");
        }
        let wrong = [
            "size=much",
            "size=m",
            "size=%",
            "size=-1",
            "size=1x",
            "nr_inodes=5%",
            "mode=rwx",
            "mode=8",
            "mode=77777",
            "uid=root",
            "uid=4294967295",
            "gid=+1",
        ];
        for wrong in wrong {
            assert!(
                wrong.split_once('=').and_then(wrong_tmpfs_value).is_some(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn container_paths() {
        assert_eq!(container_path("/a//b/").as_deref(), Some("/a/b"));
        for bad in ["a", "", "/a/../b", ".."] {
            assert_eq!(container_path(bad), None, "{bad}");
        }
    }
}
