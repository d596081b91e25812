//! The supervisor of one pod. Thin on purpose: no TLS, no tar, no YAML in a long-lived root process.

use podunit::model::Paths;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name] = arguments.as_slice() else {
        eprintln!("usage: podunit-supervise POD (systemd runs it, as pod-POD.service)");
        return ExitCode::from(2);
    };
    podunit::supervise::supervise(name, &Paths::default()).unwrap_or_else(|error| {
        eprintln!("podunit-supervise: pod {name}: {error:#}");
        ExitCode::FAILURE
    })
}
