//! Work on many values by two threads: the generator is waited for when a machine boots.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `make` makes of each item, in their order; where there are many, a second thread takes a part of them.
pub(super) fn map<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    // Taken in one go: enough that taking costs nothing, and so few that both end at the same time.
    const CHUNK: usize = 16;
    let chunks: Vec<&[T]> = items.chunks(CHUNK).collect();
    // For fewer, a thread would cost more than it does.
    if chunks.len() <= 2 {
        return items.iter().map(make).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut parts: Vec<(usize, Vec<R>)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = chunks.get(at) else { return parts };
            parts.push((at, chunk.iter().map(&make).collect()));
        }
    };
    let mut parts = thread::scope(|scope| {
        let second = thread::Builder::new().spawn_scoped(scope, work);
        let mut parts = work();
        // Without a second thread, this one has done all.
        if let Ok(second) = second {
            parts.extend(second.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        parts
    });
    parts.sort_unstable_by_key(|(at, _)| *at);
    parts.into_iter().flat_map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn order_is_kept() {
        for count in [0, 1, 32, 33, 1000] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(super::map(&items, |item| *item), items);
        }
    }
}
