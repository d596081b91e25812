//! Newer images for running members, and the way back from one that does not work.
//!
//! ```text
//! running members ── plan ──▶ groups of one image ── run, one ──▶ pull; attempt ── trial ──▶ stays, or the image before
//!                                                      │
//!                                                   record: what a successor needs to finish or undo it
//!                                                   rejected: what did not come up, and is not tried again
//! ```
//!
//! An update of an image is taken by all members that ask for it, or by none: a name stands for one image on a machine.

mod attempt;
mod file;
mod one;
pub mod plan;
pub mod record;
pub mod rejected;
pub mod run;
pub mod trial;

use crate::model::{AutoUpdate, MemberName, PodName};
use serde::Serialize;

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It runs what there is.
    Current,
    /// There is a newer image, and nothing was done.
    Pending,
    /// What its registry has did not come up before, and was not tried again.
    Rejected,
    /// It runs the newer image now.
    Updated,
    /// It did not come up with the newer image, or another member with the same did not, and runs the one before again.
    RolledBack,
    /// It could not be seen whether there is a newer image, or it does not run as it did before.
    Failed,
}

impl Outcome {
    /// The word for users.
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Updated => "updated",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
        }
    }
}

/// One member in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its pod.
    pub pod: PodName,
    /// The member.
    pub member: MemberName,
    /// The image, in full.
    pub image: String,
    /// Where a newer one was looked for.
    pub policy: AutoUpdate,
    /// What became of it.
    pub outcome: Outcome,
    /// Digest of the image that it ran before.
    pub before: String,
    /// Digest of the image that was found.
    pub found: String,
    /// Why, empty where there is nothing to say.
    pub detail: String,
}
