//! Pauses between attempts, and the end of all when one has failed.

use crate::image::progress::Progress;
use crate::image::registry::RegistryError;
use crate::image::registry::retry::Pauses;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Stops all threads of a pull when one has failed.
pub(super) struct Control<'a> {
    cancelled: Mutex<bool>,
    change: Condvar,
    progress: &'a dyn Progress,
}

impl<'a> Control<'a> {
    /// Of a pull that tells `progress` why it waits.
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self {
            cancelled: Mutex::new(false),
            change: Condvar::new(),
            progress,
        }
    }

    /// Stops everything, pauses too.
    pub(super) fn cancel(&self) {
        *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.change.notify_all();
    }
}

impl Pauses for Control<'_> {
    fn pause(&self, error: &RegistryError, time: Duration) -> bool {
        let seconds = time.as_secs_f32();
        self.progress
            .note(&format!("{error}: trying again in {seconds:.1} s"));
        let cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .change
            .wait_timeout_while(cancelled, time, |cancelled| !*cancelled);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn is_cancelled(&self) -> bool {
        *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
