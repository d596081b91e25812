#![no_main]
#![allow(dead_code, reason = "each target has one of the properties")]

#[path = "../../tests/import/property.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::commands(data));
