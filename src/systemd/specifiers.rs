//! What the `%` specifiers of systemd.unit(5) stand for in a unit of the system manager, for lines that systemd
//! itself never sees.

use crate::model::Paths;
use std::fs;

/// The specifiers of one unit.
#[derive(Debug, Clone)]
pub struct Specifiers {
    unit: String,
    paths: Paths,
}

impl Specifiers {
    /// Those of the unit with this full name, such as `pod-web-nginx.service`.
    pub fn new(unit: impl Into<String>, paths: &Paths) -> Self {
        Self {
            unit: unit.into(),
            paths: paths.clone(),
        }
    }

    /// What `%c` stands for; `None` if nothing, or nothing that can be known here.
    pub fn value(&self, c: char) -> Option<String> {
        let text = match c {
            'n' => self.unit.clone(),
            'N' => self.without_suffix().to_owned(),
            'p' => self.prefix().to_owned(),
            'P' => unescape(self.prefix())?,
            'i' => self.instance().to_owned(),
            'I' => unescape(self.instance())?,
            'j' => self.last_part().to_owned(),
            'J' => unescape(self.last_part())?,
            'f' => {
                let escaped = if self.instance().is_empty() {
                    self.prefix()
                } else {
                    self.instance()
                };
                format!("/{}", unescape(escaped)?.trim_start_matches('/'))
            }
            't' => "/run".to_owned(),
            'S' => "/var/lib".to_owned(),
            'C' => "/var/cache".to_owned(),
            'L' => "/var/log".to_owned(),
            'E' => "/etc".to_owned(),
            'D' => "/usr/share".to_owned(),
            'T' => "/tmp".to_owned(),
            'V' => "/var/tmp".to_owned(),
            'h' => "/root".to_owned(),
            's' => "/bin/sh".to_owned(),
            'u' | 'g' => "root".to_owned(),
            'U' | 'G' => "0".to_owned(),
            'd' => std::env::var("CREDENTIALS_DIRECTORY").ok()?,
            'H' => self.kernel("hostname")?,
            'l' => self
                .kernel("hostname")?
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
            'q' => self
                .variable("/etc/machine-info", "PRETTY_HOSTNAME")
                .or_else(|| self.kernel("hostname"))?,
            'v' => self.kernel("osrelease")?,
            'm' => self.identity("/etc/machine-id")?,
            'b' => self.identity("/proc/sys/kernel/random/boot_id")?,
            'a' => architecture().to_owned(),
            'o' => self.os_release("ID").unwrap_or_else(|| "linux".to_owned()),
            'w' => self.os_release("VERSION_ID").unwrap_or_default(),
            'B' => self.os_release("BUILD_ID").unwrap_or_default(),
            'W' => self.os_release("VARIANT_ID").unwrap_or_default(),
            'M' => self.os_release("IMAGE_ID").unwrap_or_default(),
            'A' => self.os_release("IMAGE_VERSION").unwrap_or_default(),
            _ => return None,
        };
        Some(text)
    }

    fn without_suffix(&self) -> &str {
        self.unit.rsplit_once('.').map_or(&self.unit, |(name, _)| name)
    }

    fn prefix(&self) -> &str {
        self.without_suffix()
            .split_once('@')
            .map_or(self.without_suffix(), |(prefix, _)| prefix)
    }

    fn instance(&self) -> &str {
        self.without_suffix()
            .split_once('@')
            .map_or("", |(_, instance)| instance)
    }

    fn last_part(&self) -> &str {
        self.prefix()
            .rsplit_once('-')
            .map_or(self.prefix(), |(_, last)| last)
    }

    fn kernel(&self, name: &str) -> Option<String> {
        let path = format!("/proc/sys/kernel/{name}");
        Some(fs::read_to_string(self.paths.under(path)).ok()?.trim().to_owned())
    }

    /// An ID of 128 bits as systemd prints it: 32 hexadecimal digits.
    fn identity(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.paths.under(path)).ok()?;
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        (digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
    }

    fn os_release(&self, key: &str) -> Option<String> {
        self.variable("/etc/os-release", key)
            .or_else(|| self.variable("/usr/lib/os-release", key))
    }

    /// A variable of a file of shell assignments, the quotes around it taken off.
    fn variable(&self, path: &str, key: &str) -> Option<String> {
        let text = fs::read_to_string(self.paths.under(path)).ok()?;
        let value = text
            .lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
        let bare = ['"', '\'']
            .iter()
            .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q))
            .unwrap_or(value);
        Some(bare.to_owned()).filter(|value| !value.is_empty())
    }
}

/// systemd's word for the architecture (systemd.unit(5), `ConditionArchitecture=`).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64-le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loongarch64",
        other => other,
    }
}

/// Undoes systemd's escaping of unit names: `-` is `/`, `\xhh` a byte. `None` if that gives no text.
fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'-', _) => bytes.push(b'/'),
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digit = |byte: u8| {
                    char::from(byte)
                        .to_digit(16)
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                bytes.push(digit(*high)? * 16 + digit(*low)?);
                rest = behind;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_unit_name() {
        let paths = Paths::default();
        let plain = Specifiers::new("pod-web-front-end.service", &paths);
        for (c, expected) in [
            ('n', "pod-web-front-end.service"),
            ('N', "pod-web-front-end"),
            ('p', "pod-web-front-end"),
            ('i', ""),
        ] {
            assert_eq!(plain.value(c).as_deref(), Some(expected), "{c}");
        }
        for (c, expected) in [
            ('j', "end"),
            ('P', "pod/web/front/end"),
            ('f', "/pod/web/front/end"),
            ('t', "/run"),
        ] {
            assert_eq!(plain.value(c).as_deref(), Some(expected), "{c}");
        }
        let instance = Specifiers::new("pod-web-a@srv-data\\x2d1.service", &paths);
        for (c, expected) in [
            ('p', "pod-web-a"),
            ('N', "pod-web-a@srv-data\\x2d1"),
            ('i', "srv-data\\x2d1"),
            ('I', "srv/data-1"),
            ('f', "/srv/data-1"),
            ('j', "a"),
        ] {
            assert_eq!(instance.value(c).as_deref(), Some(expected), "{c}");
        }
        assert_eq!(plain.value('z'), None);
    }

    #[test]
    fn facts_of_the_system_are_read_under_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(
            root.path().join("etc/machine-id"),
            "0123456789abcdef0123456789abcdef\n",
        )
        .unwrap();
        fs::write(
            root.path().join("etc/os-release"),
            "ID=debian\nVERSION_ID=\"13\"\nIMAGE_ID=\n",
        )
        .unwrap();
        let specifiers = Specifiers::new("a.service", &Paths::new(root.path()));
        assert_eq!(
            specifiers.value('m').as_deref(),
            Some("0123456789abcdef0123456789abcdef")
        );
        assert_eq!(specifiers.value('o').as_deref(), Some("debian"));
        assert_eq!(specifiers.value('w').as_deref(), Some("13"));
        assert_eq!(specifiers.value('M').as_deref(), Some(""));
        assert_eq!(specifiers.value('b'), None);
    }
}
