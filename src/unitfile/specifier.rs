//! `%` specifiers (systemd.unit(5)).
