//! Standard output and error of a member: from its FIFOs to the journal, line by line, under the member's own unit.

use super::lines;
use super::plan::MemberPlan;
use crate::model::{Paths, PodName};
use crate::sys::reactor;
use crate::systemd::datagram::Datagrams;
use crate::systemd::journal::{Fields, Priority};
use rustix::fs::{FileType, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// How much is read at once.
const CHUNK: usize = 8 * 1024;
/// How much is read to the end of a process at most: more than a pipe holds (pipe(7)).
const LAST_CHUNKS: usize = 16;
/// How long a journal that takes nothing keeps the output waiting before lines are dropped and counted.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts reading a member's FIFOs. `pid` follows its main process; each change of it, and the end of its sender,
/// means that a process has ended: what it left is written out, and at the end of the sender reading ends.
///
/// # Errors
/// A FIFO cannot be opened.
pub(super) fn read(
    paths: &Paths,
    pod: &PodName,
    member: &MemberPlan,
    pid: &watch::Receiver<u32>,
    journal: &Arc<Datagrams>,
) -> io::Result<Vec<tokio::task::JoinHandle<()>>> {
    let place = paths.pod(pod).member(&member.name);
    let fifos = [
        (place.stdout(), Priority::Info),
        (place.stderr(), Priority::Error),
    ];
    let mut tasks = Vec::with_capacity(fifos.len());
    for (path, priority) in fifos {
        let name = member.name.as_str();
        let fields = Fields::new(priority)
            .with("SYSLOG_IDENTIFIER", name)
            .with("POD", pod.as_str())
            .with("CONTAINER", name)
            // The journal files a message under the unit of its process, if it finds the process alive. This
            // field, which it heeds from root only, has `journalctl -u` find the others too.
            .with("OBJECT_SYSTEMD_UNIT", &member.unit);
        let sink = Sink {
            journal: journal.clone(),
            fields,
            stalled: false,
            lost: 0,
        };
        tasks.push(tokio::spawn(pump(
            reactor::readable(open(&path)?)?,
            pid.clone(),
            sink,
        )));
    }
    Ok(tasks)
}

/// Opens a FIFO for reading and writing: with a writer of its own it has no end of file, whatever members do.
fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fifo = rustix::fs::open(path, flags, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&fifo)?.st_mode) {
        FileType::Fifo => Ok(fifo),
        _ => Err(io::Error::other("not a FIFO")),
    }
}

async fn pump(fifo: AsyncFd<OwnedFd>, mut pid: watch::Receiver<u32>, mut sink: Sink) {
    let mut text = Vec::new();
    let mut writer = *pid.borrow_and_update();
    loop {
        tokio::select! {
            biased;
            // First: lines must not go on under the number of a process that is gone.
            changed = pid.changed() => {
                for _ in 0..LAST_CHUNKS {
                    match fill(fifo.get_ref(), &mut text) {
                        Ok(more) if more > 0 => sink.write_lines(&mut text, writer, false).await,
                        _ => break,
                    }
                }
                sink.write_lines(&mut text, writer, true).await;
                if changed.is_err() {
                    return;
                }
                writer = *pid.borrow_and_update();
            }
            ready = fifo.readable() => {
                let Ok(mut ready) = ready else { return };
                match ready.try_io(|fifo| fill(fifo.get_ref(), &mut text)) {
                    Ok(Ok(_)) => {
                        sink.write_lines(&mut text, writer, false).await;
                        // A member that prints without end takes turns with everything else.
                        tokio::task::yield_now().await;
                    }
                    Ok(Err(_)) => return,
                    Err(_) => {}
                }
            }
        }
    }
}

fn fill(fifo: &OwnedFd, text: &mut Vec<u8>) -> io::Result<usize> {
    text.reserve_exact(CHUNK);
    Ok(rustix::io::read(fifo, rustix::buffer::spare_capacity(text))?)
}

/// Where the lines of one FIFO go.
struct Sink {
    journal: Arc<Datagrams>,
    fields: Fields,
    /// The journal took nothing for [`PATIENCE`]; it is not waited for again until it takes something.
    stalled: bool,
    lost: u64,
}

impl Sink {
    /// Writes the whole lines of `text` and leaves the rest in it; holds no memory while there is none.
    async fn write_lines(&mut self, text: &mut Vec<u8>, writer: u32, last: bool) {
        let mut at = 0;
        while let Some((line, took)) = lines::next(&text[at..], last) {
            self.write(line, writer).await;
            at += took;
        }
        *text = text[at..].to_vec();
    }

    async fn write(&mut self, line: &[u8], writer: u32) {
        match self.try_write(line, writer).await {
            Ok(()) => {
                self.stalled = false;
                let lost = std::mem::take(&mut self.lost);
                if lost > 0 {
                    let text = format!("{lost} lines of output are lost: the journal did not take them");
                    if self.fields.send(&self.journal, text.as_bytes(), None).is_err() {
                        self.lost = lost;
                    }
                }
            }
            Err(error) => {
                self.stalled |= error.kind() == io::ErrorKind::TimedOut;
                self.lost += 1;
            }
        }
    }

    async fn try_write(&self, line: &[u8], writer: u32) -> io::Result<()> {
        let mut pid = Some(writer).filter(|&pid| pid != 0);
        let mut result = self.fields.send(&self.journal, line, pid);
        if result
            .as_ref()
            .is_err_and(|error| error.raw_os_error() == Some(nix::libc::ESRCH))
        {
            pid = None;
            result = self.fields.send(&self.journal, line, pid);
        }
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.stalled => {
                self.fields.send_within(&self.journal, line, pid, PATIENCE).await
            }
            result => result,
        }
    }
}
