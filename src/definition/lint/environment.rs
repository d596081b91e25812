//! Secrets in `Environment=`.

use crate::definition::section::Settings;
use crate::diagnostic::Problem;

/// Words in the name of a variable that holds a secret.
const SECRETS: [&str; 8] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "SECRET",
    "TOKEN",
    "CREDENTIALS",
    "KEY",
];
/// Words that make of such a name one that holds no secret, such as `PASSWORD_FILE` or `PUBLIC_KEY`.
const HARMLESS: [&str; 9] = [
    "FILE", "PATH", "DIR", "PUBLIC", "ID", "LENGTH", "TTL", "EXPIRY", "URL",
];
/// Values that are no secret, whatever the name: they switch something on or off.
const NO_SECRET: [&str; 10] = ["", "true", "false", "yes", "no", "on", "off", "none", "0", "1"];

/// Values that look like a secret, each variable once.
pub(super) fn secrets(settings: &Settings, told: &mut Vec<Problem>) -> Vec<Problem> {
    let mut found = Vec::new();
    for word in settings.values("Environment", told) {
        let Some((name, value)) = word.text.split_once('=') else {
            continue;
        };
        // A path leads to the secret; a specifier is not the secret itself.
        let is_harmless = NO_SECRET.contains(&value.to_ascii_lowercase().as_str())
            || value.starts_with(['/', '%'])
            || !is_secret(name);
        if is_harmless {
            continue;
        }
        let message =
            format!("the value of {name} looks like a secret, and stands in a file that others may read");
        let help = format!(
            "write {name}= into a file of mode 0600 and name that in EnvironmentFile=, or mount the secret as a file with \
             Volume=/path/secret:/run/secrets/secret:ro"
        );
        // Not as `Value::warning` has it: the value is not to be shown once more, in a log of a pipeline say.
        let problem = Problem::warning(word.place(), message);
        found.push(problem.help(help).code("secret-in-environment"));
    }
    found
}

fn is_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let parts: Vec<&str> = upper.split(['_', '-', '.']).collect();
    let is_one = |part: &&str| {
        SECRETS
            .iter()
            .any(|word| part == word || word.len() > 4 && part.ends_with(word))
    };
    parts.iter().any(is_one) && !parts.iter().any(|part| HARMLESS.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "PASSWORD",
            "POSTGRES_PASSWORD",
            "PGPASSWORD",
            "DB_PASS",
            "API_KEY",
            "KEY",
            "gh_token",
            "secret",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "POSTGRES_PASSWORD_FILE",
            "PUBLIC_KEY",
            "ACCESS_KEY_ID",
            "KEYBOARD",
            "MONKEY",
            "COMPASS",
            "PATH",
            "TOKEN_TTL",
            "PROXY_PASS_URL",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
