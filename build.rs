//! Link flags of `podunit-pause`, which has neither a libc nor a dynamic loader. Nothing else is built here.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for flag in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        // One small page-aligned image: no build id, no extra segments, no unwind tables.
        "-Wl,--build-id=none,-z,norelro,-z,noseparate-code,--gc-sections",
    ] {
        println!("cargo::rustc-link-arg-bin=podunit-pause={flag}");
    }
}
