//! podunit on a real systemd. Every test boots a machine of its own (`tests/machine/machine`), with podunit as staged
//! by `make install` and the images that `tests/images/make` made of Debian's nginx and busybox.
//!
//! `make check` sets everything up and says where it is by `PODUNIT_STAGE` and `PODUNIT_IMAGES`; without these, or
//! without root, every test here says that it was skipped.

mod analyze;
mod applications;
mod boot;
mod cost;
mod dbus;
mod definitions;
mod examples;
mod exec;
mod faults;
mod fetches;
mod founding;
mod images;
mod isolation;
mod keys;
mod machine;
mod network;
mod networks;
mod order;
mod policy;
mod probes;
mod quadlet;
mod readiness;
#[path = "../guard/record.rs"]
mod record;
mod signals;
#[path = "../common/skip.rs"]
mod skip;
mod soak;
#[path = "../guard/stage.rs"]
mod stage;
mod stops;
mod supervisor;
mod surroundings;
mod templates;
#[path = "../guard/trace.rs"]
mod trace;
mod up;
mod updates;

/// The founding pod, as in `examples/my-shared-pod.pod`.
const FOUNDING: &str = include_str!("../../examples/my-shared-pod.pod");
