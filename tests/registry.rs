//! Images from registries: from Debian's own, over TLS and with logins, and from hostile ones.
//!
//! Files of layers get owners, so nearly all of this needs root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "image/archives.rs"]
#[allow(dead_code, reason = "tests/image.rs makes more of them")]
mod archives;
#[path = "registry/certificates.rs"]
mod certificates;
#[path = "registry/debian.rs"]
mod debian;
#[path = "registry/hostile.rs"]
mod hostile;
#[path = "registry/login.rs"]
mod login;
#[path = "registry/real.rs"]
mod real;
#[path = "common/root.rs"]
mod root;
#[path = "registry/sample.rs"]
mod sample;
#[path = "registry/server.rs"]
mod server;
#[path = "common/skip.rs"]
mod skip;
#[path = "registry/token_server.rs"]
mod token_server;

use podunit::image::progress::Silent;
use podunit::image::{ImageError, Needs, Pulled, Store, pull};
use podunit::model::settings::ImageSettings;
use podunit::model::{Paths, Request};
use root::is_root;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A machine's file tree with a store in it.
struct Machine {
    folder: TempDir,
    settings: ImageSettings,
}

impl Machine {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings: ImageSettings {
                timeout: Duration::from_secs(20),
                ..ImageSettings::default()
            },
        }
    }

    /// One that waits only a moment for an answer.
    fn impatient() -> Self {
        let mut machine = Self::new();
        machine.settings.timeout = Duration::from_millis(300);
        machine
    }

    fn paths(&self) -> Paths {
        Paths::new(self.folder.path().join("root"))
    }

    fn store(&self) -> Store {
        Store::new(&self.paths())
    }

    /// A file of the machine.
    fn write(&self, path: &str, contents: &str) -> PathBuf {
        let path = self.paths().under(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    fn pull(&self, request: &Request) -> Result<Pulled, ImageError> {
        pull(&self.store(), request, &self.settings, &Silent)
    }

    /// Pulls, which has to fail, and nothing may have changed. Returns what is said.
    fn refused(&self, request: &Request) -> String {
        let error = self.pull(request).unwrap_err().to_string();
        assert!(
            self.store().list(&Needs::default()).unwrap().is_empty(),
            "{error}"
        );
        assert!(!error.chars().any(char::is_control), "{error:?}");
        error
    }

    /// Contents of a file of an image's layers, the highest that has it.
    fn file(&self, reference: &str, path: &str) -> Vec<u8> {
        let image = self.store().find(reference, None).unwrap();
        let mut layers = image.layers.iter().rev().map(|layer| layer.join(path));
        fs::read(layers.find(|file| file.exists()).unwrap()).unwrap()
    }

    /// Blobs whose download was begun and not finished, with their sizes.
    fn partial(&self) -> Vec<(String, u64)> {
        let folder = self.paths().image_store().join("partial");
        let file = |entry: fs::DirEntry| {
            let size = entry.metadata().unwrap().len();
            (entry.file_name().into_string().unwrap(), size)
        };
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| file(entry.unwrap()))
            .collect()
    }
}

/// A request that does not wait long before it tries again.
fn request(reference: impl Into<String>) -> Request {
    Request {
        retry: Some(2),
        retry_delay: Some(Duration::from_millis(1)),
        ..Request::new(reference)
    }
}
