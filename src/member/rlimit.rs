//! `Ulimit=` in the runtime's words. What is not named keeps the limits of the unit (`LimitNOFILE=` and its like), which
//! hold for the steps of the start as well.

use super::oci::Rlimit;
use crate::model::Ulimit;

/// The limits as the runtime sets them on the container's process, just before its program starts.
pub fn resolve(ulimits: &[Ulimit]) -> Vec<Rlimit> {
    // RLIM_INFINITY
    let number = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    ulimits
        .iter()
        .map(|limit| Rlimit {
            kind: format!("RLIMIT_{}", limit.name.to_ascii_uppercase()),
            soft: number(limit.soft),
            hard: number(limit.hard),
        })
        .collect()
}
