//! The supervisor of one pod. Thin on purpose: it is root for as long as the pod lives, so what reads
//! images, archives and command lines is not in it.

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
