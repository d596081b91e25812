//! All conversation with systemd: the manager over D-Bus, and sd_notify(3) both ways.

pub mod notify;
pub mod scope;
pub mod specifiers;
