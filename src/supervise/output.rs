//! Standard output and error of a member: from its FIFOs to the journal, line by line, under the member's own unit.

use super::lines;
use super::main_process::MainProcess;
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

/// Starts reading a member's FIFOs. `main` follows its main process; when the program has ended, what it left is written
/// out, and at the end of the sender reading ends.
///
/// # Errors
/// A FIFO cannot be opened.
pub(super) fn read(
    paths: &Paths,
    pod: &PodName,
    member: &MemberPlan,
    main: &watch::Receiver<MainProcess>,
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
            main.clone(),
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

async fn pump(fifo: AsyncFd<OwnedFd>, mut main: watch::Receiver<MainProcess>, mut sink: Sink) {
    let mut text = Vec::new();
    let mut writer = *main.borrow_and_update();
    loop {
        tokio::select! {
            biased;
            // First: lines must not go on under the number of a process that is gone.
            changed = main.changed() => {
                for _ in 0..LAST_CHUNKS {
                    match fill(fifo.get_ref(), &mut text) {
                        Ok(more) if more > 0 => sink.write_lines(&mut text, writer.pid, false).await,
                        _ => break,
                    }
                }
                let next = *main.borrow_and_update();
                let has_ended = changed.is_err() || writer.has_ended(next);
                sink.write_lines(&mut text, writer.pid, has_ended).await;
                if changed.is_err() {
                    return;
                }
                writer = next;
            }
            ready = fifo.readable() => {
                let Ok(mut ready) = ready else { return };
                match ready.try_io(|fifo| fill(fifo.get_ref(), &mut text)) {
                    Ok(Ok(_)) => {
                        sink.write_lines(&mut text, writer.pid, false).await;
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
        let named = match writer {
            0 => Err(io::Error::from_raw_os_error(nix::libc::ESRCH)),
            pid => self.send(line, Some(pid)).await,
        };
        match named {
            // It has ended, perhaps only while the journal was waited for.
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => self.send(line, None).await,
            result => result,
        }
    }

    async fn send(&self, line: &[u8], pid: Option<u32>) -> io::Result<()> {
        match self.fields.send(&self.journal, line, pid) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.stalled => {
                self.fields.send_within(&self.journal, line, pid, PATIENCE).await
            }
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    #[tokio::test]
    async fn a_line_outlives_its_writer_while_the_journal_is_waited_for() {
        if !rustix::process::geteuid().is_root() {
            // Only root writes in the name of another process.
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut sink = Sink {
            journal: Arc::new(Datagrams::to(path.as_os_str()).unwrap()),
            fields: Fields::new(Priority::Info),
            stalled: false,
            lost: 0,
        };
        let mut writer = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = writer.id();
        while sink.fields.send(&sink.journal, b"before", None).is_ok() {}
        let mut message = [0; 256];
        let end = async {
            writer.kill().unwrap();
            writer.wait().unwrap();
            while socket.recv(&mut message).is_ok() {}
        };
        // The line is waited with before the writer ends and the journal takes anything.
        tokio::join!(biased; sink.write(b"last", pid), end);
        assert_eq!(sink.lost, 0);
        let length = socket.recv(&mut message).unwrap();
        assert!(message[..length].ends_with(b"MESSAGE=last\n"));
    }
}
