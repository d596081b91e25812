//! Who needs an image: definitions that are loaded, which the store itself knows nothing of, and running members.

use super::{Entry, Store};
use crate::image::error::ImageError;
use crate::model::{Digest, Platform, Reference};
use std::collections::BTreeMap;

/// What loaded definitions need.
#[derive(Debug, Clone, Default)]
pub struct Needs(pub Vec<Need>);

/// One member's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// `POD/MEMBER`.
    pub user: String,
    /// The image.
    pub reference: Reference,
    /// What it is asked for with, if that is not this machine's.
    pub platform: Option<Platform>,
}

impl Needs {
    /// The members whose definitions mean this image.
    pub(super) fn of(&self, entry: &Entry) -> Vec<String> {
        let means = |need: &&Need| need.platform == entry.platform && entry.is_named(&need.reference);
        self.0
            .iter()
            .filter(means)
            .map(|need| need.user.clone())
            .collect()
    }
}

/// Members that run images, and definitions that need them.
pub(super) struct Users<'a> {
    running: BTreeMap<Digest, Vec<String>>,
    needs: &'a Needs,
}

impl Users<'_> {
    pub(super) fn running(&self, entry: &Entry) -> Vec<String> {
        self.running.get(&entry.manifest).cloned().unwrap_or_default()
    }

    pub(super) fn needing(&self, entry: &Entry) -> Vec<String> {
        self.needs.of(entry)
    }

    /// Refuses what somebody uses.
    pub(super) fn refuse(&self, entry: &Entry) -> Result<(), ImageError> {
        let reference = entry.reference.clone();
        match (self.running(entry), self.needing(entry)) {
            (users, _) if !users.is_empty() => Err(ImageError::InUse { reference, users }),
            (_, users) if !users.is_empty() => Err(ImageError::Needed { reference, users }),
            _ => Ok(()),
        }
    }

    pub(super) fn has_none(&self, entry: &Entry) -> bool {
        self.refuse(entry).is_ok()
    }
}

impl Store {
    pub(super) fn users<'a>(&self, needs: &'a Needs) -> Result<Users<'a>, ImageError> {
        Ok(Users {
            running: self.used()?,
            needs,
        })
    }
}
