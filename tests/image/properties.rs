//! What holds for any bytes: for those that the fuzzers have found to be of interest, and for some by chance.

use super::{is_root, property};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// Every input that fuzzing has kept for a target.
fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        property(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target}");
}

#[test]
fn inputs_of_the_fuzzers() {
    replay("documents", property::documents);
    replay("reference", property::reference);
    if is_root("properties::inputs_of_the_fuzzers") {
        replay("layer", property::layer);
        replay("archive", property::archive);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn layers(data in prop::collection::vec(any::<u8>(), 1..400)) {
        if rustix::process::geteuid().is_root() {
            property::layer(&data);
        }
    }

    #[test]
    fn documents(data in prop::collection::vec(any::<u8>(), 0..200)) {
        property::documents(&data);
    }
}
