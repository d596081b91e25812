//! The supervisor of one pod. Thin on purpose: no TLS, no tar, no YAML in a long-lived root process.

fn main() {}
