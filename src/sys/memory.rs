//! Memory that a long-lived process does not need any more after a short time of much work.

#![allow(unsafe_code)]

use nix::libc;

/// Gives back what the allocator keeps for later (malloc_trim(3)), and lets go of the program's own text, which is
/// read from the page cache again where it is needed: what a start ran through is most of it.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, length) in maps.lines().filter_map(text) {
        // SAFETY: the kernel named this mapping just now, and nothing here unmaps. It is private, of a file, and was
        // never writable, so that no page of it differs from the file's: letting go of them changes nothing (madvise(2)).
        unsafe {
            libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// The mapping of a line of `/proc/PID/maps` (proc_pid_maps(5)), if it is a program's or a library's text.
fn text(line: &str) -> Option<(usize, usize)> {
    let mut columns = line.split_ascii_whitespace();
    let (start, end) = columns.next()?.split_once('-')?;
    let (start, end) = (
        usize::from_str_radix(start, 16).ok()?,
        usize::from_str_radix(end, 16).ok()?,
    );
    let is_text = columns.next()? == "r-xp" && columns.nth(3)?.starts_with('/');
    is_text.then_some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_private_code_of_a_file() {
        let line = "55d0a000-55d0c000 r-xp 00001000 fe:00 42   /usr/bin/with blank";
        assert_eq!(text(line), Some((0x55d0_a000, 0x2000)));
        for other in [
            "55d0a000-55d0c000 r--p 00001000 fe:00 42   /usr/bin/true",
            "55d0a000-55d0c000 rw-p 00001000 fe:00 42   /usr/bin/true",
            "7ffd3000-7ffd4000 r-xp 00000000 00:00 0    [vdso]",
            "7ffd3000-7ffd4000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(text(other), None, "{other}");
        }
        give_back();
    }
}
