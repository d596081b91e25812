//! How long the start of a pod took and why, from what systemd and our own programs recorded while it went. Pure, but
//! for the reading of those records: [`record`] has them, [`start`] lays them side by side, [`path`] finds what the
//! pod waited for, [`words`] and [`svg`] show it.

pub mod path;
pub mod record;
pub mod start;
pub mod step;
pub mod svg;
pub mod words;

#[cfg(test)]
mod tests;
