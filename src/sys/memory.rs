//! Memory that a long-lived process does not need any more after a short time of much work.

#![allow(unsafe_code)]

use nix::libc;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether memory is to be given back when there is nothing to do.
#[derive(Debug, Default)]
pub struct Surplus(AtomicBool);

impl Surplus {
    /// It is to be given back before the process sleeps the next time.
    pub fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Gives it back if that was wished for. To be called right before the process sleeps: whatever it runs through
    /// after that is in its memory again.
    pub fn give_back(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            give_back();
        }
    }
}

/// Gives back what the allocator keeps for later (malloc_trim(3)), and lets go of the text and the constants of the
/// program and its libraries, which are read from the page cache again where they are needed: what a start ran through
/// is most of them.
fn give_back() {
    let lines = File::open("/proc/self/smaps").map(|file| BufReader::new(file).lines());
    let mappings: Vec<(usize, usize)> =
        unchanged(lines.into_iter().flatten().map_while(Result::ok)).collect();
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    for (start, length) in mappings {
        // SAFETY: the kernel named this mapping just now, and nothing here unmaps. It is private, of a file, cannot be
        // written, and no page of it differs from the file's: letting go of them changes nothing (madvise(2)).
        unsafe {
            libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// The mappings in `/proc/PID/smaps` (proc_pid_smaps(5)) of files that cannot be written and of which no page was:
/// not what the linker has relocated before it was made read-only.
fn unchanged(lines: impl Iterator<Item = impl AsRef<str>>) -> impl Iterator<Item = (usize, usize)> {
    let mut mapping = None;
    lines.filter_map(move |line| {
        let line = line.as_ref();
        if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            return mapping.take().filter(|_| anonymous.trim() == "0 kB");
        }
        // A field has a name with a colon, which no range of addresses has.
        if !line.split(' ').next()?.ends_with(':') {
            mapping = read_only(line);
        }
        None
    })
}

/// The mapping of a line of `/proc/PID/maps` (proc_pid_maps(5)), if it is private, of a file, and cannot be written.
fn read_only(line: &str) -> Option<(usize, usize)> {
    let mut columns = line.split_ascii_whitespace();
    let (start, end) = columns.next()?.split_once('-')?;
    let (start, end) = (
        usize::from_str_radix(start, 16).ok()?,
        usize::from_str_radix(end, 16).ok()?,
    );
    let is_read_only = ["r-xp", "r--p"].contains(&columns.next()?) && columns.nth(3)?.starts_with('/');
    is_read_only.then_some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(line: &str, anonymous: &str) -> String {
        format!("{line}\nSize:   8 kB\nAnonymous:   {anonymous}\nLazyFree: 0 kB\nVmFlags: rd mr mw me\n")
    }

    #[test]
    fn unchanged_is_what_cannot_be_written_of_a_file_and_was_not() {
        let line = "55d0a000-55d0c000 r-xp 00001000 fe:00 42   /usr/bin/with blank";
        let constants = "65d0a000-65d0c000 r--p 00001000 fe:00 42   /usr/bin/true";
        let text = mapping(line, "0 kB") + &mapping(constants, "0 kB");
        let found: Vec<_> = unchanged(text.lines()).collect();
        assert_eq!(found, [(0x55d0_a000, 0x2000), (0x65d0_a000, 0x2000)]);
        for (other, anonymous) in [
            (constants, "4 kB"),
            ("55d0a000-55d0c000 rw-p 00001000 fe:00 42   /usr/bin/true", "0 kB"),
            ("55d0a000-55d0c000 r--s 00001000 fe:00 42   /usr/bin/true", "0 kB"),
            ("7ffd3000-7ffd4000 r-xp 00000000 00:00 0    [vdso]", "0 kB"),
            ("7ffd3000-7ffd4000 r-xp 00000000 00:00 0", "0 kB"),
        ] {
            assert_eq!(
                unchanged(mapping(other, anonymous).lines()).next(),
                None,
                "{other}"
            );
        }
    }

    #[test]
    fn a_program_goes_on_without() {
        let surplus = Surplus::default();
        surplus.mark();
        surplus.give_back();
        assert!(!surplus.0.load(Ordering::Relaxed));
    }
}
