//! The one way in which a unit file is written.
