//! What a user types. One file for each command; [`output`] does all printing to standard output.

pub mod analyze;
pub mod auto_update;
pub mod check;
pub mod down;
pub mod exec;
pub mod freeze;
pub mod generate;
pub mod image;
pub mod import;
pub mod infra;
pub mod inspect;
pub mod kill;
pub mod logs;
pub mod member;
pub mod network;
pub mod output;
pub mod pages;
pub mod ps;
pub mod reload;
mod request;
pub mod settings;
pub mod status;
pub mod target;
pub mod top;
pub mod up;
pub mod view;
pub mod volume;

use crate::model::Paths;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Exit status of a command that could not do what was asked.
pub const FAILURE: u8 = 1;
/// Exit status of a command line that makes no sense (clap's own).
pub const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Definitions of pods are files in /etc/podunit; podunit.pod(5) says what they
hold. Pods are started and stopped by systemctl:

Examples:
  podunit image load nginx.tar --name docker.io/library/nginx
  podunit check                        what is wrong
  systemctl daemon-reload              makes the units
  systemctl start pod-my-shared-pod    returns when ready
  podunit ps
  podunit top my-shared-pod
  podunit analyze my-shared-pod        how long its start took, and why
  podunit logs my-shared-pod -f
  podunit exec my-shared-pod/busybox-client ps aux

Exit status: 0 if what was asked was done, 1 if it could not be done, 2 if the
command line makes no sense. podunit status and podunit exec have more, which
their own help lists.";

/// Pods as plain systemd units.
#[derive(Debug, Parser)]
#[command(name = "podunit", version, disable_help_subcommand = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Arguments),
    Check(check::Arguments),
    Import(import::Arguments),
    Up(up::Arguments),
    Down(down::Arguments),
    Ps(ps::Arguments),
    Status(status::Arguments),
    Top(top::Arguments),
    Exec(exec::Arguments),
    Logs(logs::Arguments),
    Kill(kill::Arguments),
    Reload(reload::Arguments),
    Freeze(freeze::Freeze),
    Thaw(freeze::Thaw),
    Inspect(inspect::Arguments),
    Analyze(analyze::Arguments),
    AutoUpdate(auto_update::Arguments),
    #[command(subcommand)]
    Image(image::Command),
    #[command(subcommand)]
    Volume(volume::Command),
    /// Manual pages and completions, for packages.
    #[command(hide = true)]
    Pages(pages::Arguments),
    /// Steps of a pod's infra unit; systemd calls them.
    #[command(subcommand, hide = true)]
    Infra(infra::Command),
    /// Steps of a network's unit; systemd calls them.
    #[command(subcommand, hide = true)]
    Network(network::Command),
    /// Steps of a member's unit; systemd calls them.
    #[command(subcommand, hide = true)]
    Member(member::Command),
}

/// Runs the command that `arguments` name; the first is the name the program was called by.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let called_as = arguments.first().map(Path::new).and_then(Path::file_name);
    if called_as.is_some_and(|name| name == "podunit-generator") {
        return generate::as_systemd_generator(&arguments[1..]);
    }
    let paths = Paths::default();
    if called_as == paths.name_server().file_name() {
        output::error(&crate::network::answer_for_names(&paths, &arguments[1..]).into());
        return ExitCode::from(FAILURE);
    }
    let result = match Arguments::parse_from(arguments).command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Up(arguments) => up::run(&arguments, &paths),
        Command::Down(arguments) => down::run(&arguments, &paths),
        Command::Ps(arguments) => ps::run(&arguments, &paths),
        Command::Status(arguments) => status::run(&arguments, &paths),
        Command::Top(arguments) => top::run(&arguments, &paths),
        Command::Exec(arguments) => exec::run(&arguments, &paths),
        Command::Logs(arguments) => logs::run(&arguments, &paths),
        Command::Kill(arguments) => kill::run(&arguments, &paths),
        Command::Reload(arguments) => reload::run(&arguments, &paths),
        Command::Freeze(arguments) => freeze::freeze(&arguments, &paths),
        Command::Thaw(arguments) => freeze::thaw(&arguments, &paths),
        Command::Inspect(arguments) => inspect::run(&arguments, &paths),
        Command::Analyze(arguments) => analyze::run(&arguments, &paths),
        Command::AutoUpdate(arguments) => auto_update::run(&arguments, &paths),
        Command::Image(command) => image::run(&command, &paths),
        Command::Volume(command) => volume::run(&command, &paths),
        Command::Pages(arguments) => pages::run(&arguments),
        Command::Infra(command) => infra::run(&command, &paths),
        Command::Network(command) => network::run(&command, &paths),
        Command::Member(command) => member::run(&command, &paths),
    };
    result.unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::from(FAILURE)
    })
}
