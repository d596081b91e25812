//! All conversation with systemd: the manager over D-Bus, and sd_notify(3) both ways.

pub mod datagram;
pub mod job;
pub mod journal;
pub mod manager;
pub mod notify;
pub mod pod;
pub mod scope;
pub mod specifiers;
pub mod unit;
