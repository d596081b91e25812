//! Memory that the allocator keeps for later.

#![allow(unsafe_code)]

/// Gives memory that is not in use back to the kernel (malloc_trim(3)): for a long-lived process after a short time
/// of much work.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and may be called at any time.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
