//! `podunit`: parse the arguments, call one command, print, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    podunit::cli::main(std::env::args_os().collect())
}
