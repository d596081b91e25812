//! What the kernel gives and the standard library does not: the only unsafe code.

pub mod overlay;
pub mod pidfd;
pub mod tree;
