//! Names of units: which are valid, and how other text becomes part of one.

use super::Alphabet;

/// Longest name of a unit in bytes, the type included.
const UNIT_NAME_MAX: usize = 255;

const UNIT_TYPES: [&str; 11] = [
    "service",
    "socket",
    "target",
    "device",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
];

/// What a name is made of.
static NAME: Alphabet = Alphabet::with(b":-_.\\");
/// The same of one that may be a template or an instance.
static NAME_OR_INSTANCE: Alphabet = Alphabet::with(b":-_.\\@");

/// Whether systemd takes `name` as the name of a unit: plain, template (`a@.service`) or instance (`a@b.service`);
/// systemd.unit(5).
pub fn unit_name_is_valid(name: &str) -> bool {
    let Some((prefix, unit_type)) = name.rsplit_once('.') else {
        return false;
    };
    name.len() <= UNIT_NAME_MAX
        && UNIT_TYPES.contains(&unit_type)
        && !prefix.is_empty()
        && !prefix.starts_with('@')
        && NAME_OR_INSTANCE.spells(prefix)
}

/// `text` as a part of a unit's name, as systemd-escape(1) gives it: `/` becomes `-`, and `\xhh` stands for what
/// cannot be in a name and for `-` and `\` themselves.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            // A leading dot would hide the unit's file.
            b'.' if at > 0 => escaped.push('.'),
            b'.' | b'-' | b'\\' => escaped.push_str(&format!("\\x{byte:02x}")),
            _ if NAME.has(byte) => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_units() {
        for good in [
            "a.service",
            "-.slice",
            "pods-my\\x2dpod.slice",
            "a@.service",
            "a@b@c.service",
            "a.b:c_d-e.target",
            ".hidden.mount",
        ] {
            assert!(unit_name_is_valid(good), "{good}");
        }
        let long = format!("{}.service", "x".repeat(248));
        for bad in [
            "",
            "a",
            ".service",
            "@b.service",
            "a.pod",
            "a b.service",
            "a/b.mount",
            "ä.service",
            "a%i.service",
            &long,
        ] {
            assert!(!unit_name_is_valid(bad), "{bad}");
        }
        assert!(unit_name_is_valid(&long[1..]));
    }

    #[test]
    fn escaping_as_systemd_escape_does() {
        for (text, expected) in [
            ("", ""),
            ("a-b/c.d", "a\\x2db-c.d"),
            (".a", "\\x2ea"),
            ("ä @", "\\xc3\\xa4\\x20\\x40"),
            ("\\", "\\x5c"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }
}
