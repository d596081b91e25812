//! Work on many values by two threads: the generator is waited for when a machine boots.

use std::panic::resume_unwind;
use std::thread;

/// What `make` makes of each item, in their order; of many items, a second thread does half.
pub(super) fn map<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    // For fewer, a thread would cost more than it does.
    const FEW: usize = 32;
    let all = |items: &[T]| items.iter().map(&make).collect::<Vec<R>>();
    if items.len() <= FEW {
        return all(items);
    }
    let (here, there) = items.split_at(items.len() / 2);
    thread::scope(|scope| {
        let second = thread::Builder::new().spawn_scoped(scope, || all(there));
        let mut made = all(here);
        made.extend(match second {
            Ok(second) => second.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Without a second thread, this one does all.
            Err(_) => all(there),
        });
        made
    })
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
