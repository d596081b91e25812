//! sys

pub mod tree;
