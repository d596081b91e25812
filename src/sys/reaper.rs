//! Starting a PID 1 that does nothing but reap, so that nothing of the host can be reached through it: whoever is in its
//! PID namespace sees `/proc/1`.

use super::mount;
use super::namespace::{self, Kind};
use super::process::{self, Orphan};
use std::fs::File;
use std::io;
use std::path::Path;

/// Starts `program` as PID 1 of a new PID namespace. It is in the namespaces of `kinds` that `pins`, a folder, has by
/// the names of their kinds; all others it has for itself (`/proc/1/net` would show the host's sockets).
///
/// # Errors
/// The program is not there, or the kernel refuses something on the way.
pub fn start(program: &Path, pins: &Path, kinds: &[Kind]) -> io::Result<Orphan> {
    let program = step("a copy in memory", process::sealed_copy(File::open(program)?))?;
    let enter = || -> io::Result<()> {
        let (shared, own): (Vec<Kind>, Vec<Kind>) = [Kind::Net, Kind::Ipc, Kind::Uts]
            .into_iter()
            .partition(|kind| kinds.contains(kind));
        for kind in shared {
            namespace::enter(File::open(pins.join(kind.file()))?, kind)?;
        }
        step("namespaces of its own", namespace::leave(&own))?;
        step("a cgroup namespace", namespace::leave_cgroup())?;
        step("a PID namespace", namespace::leave(&[Kind::Pid]))
    };
    process::start_orphan(enter, || {
        // In the kernel, a signal that PID 1 of a namespace neither handles nor blocks is lost. A stop that comes
        // while this starts must not be.
        process::block_signals()?;
        rustix::process::setsid()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        step("an empty root", mount::enter_empty_root(pins))?;
        step("dropping capabilities", process::drop_privileges())?;
        step("exec", process::exec(&program, c"podunit-pause"))
    })
}

/// Says at which step it failed: of a forked process, only text comes back.
fn step<T>(step: &str, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{step}: {error}")))
}
