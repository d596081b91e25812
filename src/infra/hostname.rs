//! The host name that processes of a pod see.

use super::InfraError;
use crate::model::Pod;
use crate::unitfile::specifier;

/// Longest host name, in bytes (`HOST_NAME_MAX` of gethostname(2)).
const LONGEST: usize = 64;

/// The host name of the pod: `HostName=` with the specifiers `%H`, `%l` and `%i` expanded (systemd.unit(5)); without it the
/// pod's name, with a `-` for what cannot be in a host name, cut where one must end.
///
/// # Errors
/// `HostName=` gives no host name.
pub fn hostname(pod: &Pod) -> Result<String, InfraError> {
    let own = nix::unistd::gethostname()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match &pod.hostname {
        Some(written) => expand(written, &own, pod.name.instance().unwrap_or_default()).map_err(|problem| {
            InfraError::HostName {
                written: written.clone(),
                problem,
            }
        }),
        None => Ok(from_name(pod.name.as_str())),
    }
}

fn expand(written: &str, host: &str, instance: &str) -> Result<String, String> {
    let name = specifier::expand(written, &|specifier| match specifier {
        'H' => Some(host.to_owned()),
        'i' => Some(instance.to_owned()),
        'l' => Some(host.split('.').next().unwrap_or_default().to_owned()),
        _ => None,
    });
    let name = name.map_err(|error| error.to_string())?;
    let fits = (1..=LONGEST).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with(['-', '.'])
        && !name.ends_with(['-', '.']);
    if fits {
        Ok(name)
    } else {
        Err(
            "a host name has 1 to 64 letters, digits, `-`, `_` and `.`, with no `-` or `.` at an end"
                .to_owned(),
        )
    }
}

fn from_name(pod: &str) -> String {
    let name: String = pod
        .bytes()
        .take(LONGEST)
        .map(|byte| if is_allowed(byte) { char::from(byte) } else { '-' })
        .collect();
    // A pod's name begins with neither, but `@x` becomes `-x`.
    name.trim_matches(['-', '.']).to_owned()
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_definition_says_is_expanded_and_checked() {
        assert_eq!(
            expand("web-1.example", "host", ""),
            Ok("web-1.example".to_owned())
        );
        assert_eq!(
            expand("web.%H", "host.example", ""),
            Ok("web.host.example".to_owned())
        );
        assert_eq!(expand("web-%l", "host.example", ""), Ok("web-host".to_owned()));
        assert_eq!(expand("web-%i", "host", "a"), Ok("web-a".to_owned()));
        for bad in ["", "a b", "a\nb", "-a", "a.", "%n", "%e", "ä", &"x".repeat(65)] {
            assert!(expand(bad, "host", "").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_name_of_a_pod_becomes_a_host_name() {
        assert_eq!(from_name("my-shared-pod"), "my-shared-pod");
        assert_eq!(from_name("web@a:1"), "web-a-1");
        assert_eq!(from_name(&"x".repeat(90)).len(), LONGEST);
    }
}
