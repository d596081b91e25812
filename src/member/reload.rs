//! The reload of a member by a signal (`ExecReload=`).

use super::main_process::MainProcess;
use super::{Error, Member};

/// Sends the member's reload signal to its process. `main_pid` is systemd's `$MAINPID`.
///
/// # Errors
/// The process is gone, is not the container's, or would be ended by the signal.
pub fn by_signal(member: Member<'_>, main_pid: Option<i32>) -> Result<(), Error> {
    let Some(signal) = member.container.reload_signal else {
        return Err(Error::NotRunning(
            "it has neither ReloadSignal= nor ReloadCmd=, so that nothing tells it to reload".to_owned(),
        ));
    };
    let gone = || Error::NotRunning("its process is gone, nothing was reloaded".to_owned());
    let process = MainProcess::find(member, main_pid)?.ok_or_else(gone)?;
    if !process.fate(signal).ok_or_else(gone)?.is_survived() {
        return Err(Error::setting(
            "ReloadSignal",
            signal.to_string(),
            "its process has no handler for this signal, whose default action would end it; nothing was sent",
        ));
    }
    if process.send(signal)? {
        Ok(())
    } else {
        Err(gone())
    }
}
