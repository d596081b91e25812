//! Credentials for a registry, and the files that they are looked for in.

use super::auth_file;
use super::error::RegistryError;
use super::helper;
use crate::model::Paths;
use crate::sys::file;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Longest file, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// What is shown to a registry. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token with which the registry's token server gives others (`identitytoken`).
    IdentityToken(String),
}

/// Credentials, and the file that they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What is shown.
    pub credentials: Credentials,
    /// The file, for messages.
    pub file: PathBuf,
}

/// Where credentials are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// In one file only, which must be there.
    Only(PathBuf),
    /// In the first of these that knows the registry.
    First(Vec<PathBuf>),
}

impl Files {
    /// The files of a request: `auth_file` if it is given, else as the environment says.
    pub fn new(paths: &Paths, auth_file: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(file) = auth_file {
            return Self::Only(file.to_owned());
        }
        if let Some(file) = set("REGISTRY_AUTH_FILE") {
            return Self::Only(PathBuf::from(file));
        }
        // A service of the system has no home of its own.
        let home = set("HOME").unwrap_or_else(|| "/root".to_owned());
        Self::First(paths.credentials(Path::new(&home)).to_vec())
    }

    /// Credentials for `repository`, such as `quay.io/acme/app`: those of the longest key that it lies under.
    ///
    /// # Errors
    /// A file that cannot be read; a program for credentials that fails.
    pub fn find(&self, repository: &str) -> Result<Option<Found>, RegistryError> {
        let files = match self {
            Self::Only(file) => std::slice::from_ref(file),
            Self::First(files) => files.as_slice(),
        };
        for path in files {
            let json = match file::read(path, FILE_MAX) {
                Err(error) if self.may_be_missing(&error) => continue,
                read => read.map_err(|error| failed(path, format!("cannot be read: {error}")))?,
            };
            let credentials =
                auth_file::find(&json, repository, helper::ask).map_err(|problem| failed(path, problem))?;
            if let Some(credentials) = credentials {
                let file = path.clone();
                return Ok(Some(Found { credentials, file }));
            }
        }
        Ok(None)
    }

    fn may_be_missing(&self, error: &io::Error) -> bool {
        let is_missing = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        );
        is_missing && matches!(self, Self::First(_))
    }
}

fn failed(path: &Path, problem: String) -> RegistryError {
    RegistryError::Host {
        path: path.to_owned(),
        problem,
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files() {
        let paths = Paths::new("/r");
        let files = |auth_file: Option<&str>, set: &[(&str, &str)]| {
            Files::new(&paths, auth_file.map(Path::new), |name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            files(Some("/a"), &[("REGISTRY_AUTH_FILE", "/b")]),
            Files::Only("/a".into())
        );
        assert_eq!(
            files(None, &[("REGISTRY_AUTH_FILE", "/b")]),
            Files::Only("/b".into())
        );
        let Files::First(first) = files(None, &[("HOME", "/home/x")]) else {
            panic!();
        };
        assert_eq!(first[0], Path::new("/r/run/containers/0/auth.json"));
        assert_eq!(first[1], Path::new("/r/home/x/.config/containers/auth.json"));
        let missing = Files::Only("/nowhere/auth.json".into())
            .find("a/b")
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("/nowhere/auth.json: cannot be read"),
            "{missing}"
        );
    }
}
