//! The only unsafe code of the house, behind safe functions; nothing here knows of pods.

pub mod cgroup;
pub mod descriptor;
pub mod file;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod overlay;
pub mod pidfd;
pub mod proc;
pub mod process;
pub mod reactor;
pub mod reaper;
pub mod tree;
