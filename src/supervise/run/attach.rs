//! What is open for each member: its FIFOs and its notification socket.

use super::Supervisor;
use crate::supervise::main_process::MainProcess;
use crate::supervise::relay::Gate;
use crate::supervise::{output, relay};
use crate::systemd::journal::Priority;
use std::os::unix::process::CommandExt;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the end of the output may take at the very end.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// What is open for one member.
pub(super) struct Attached {
    pub(super) main: watch::Sender<MainProcess>,
    /// Whether the member's probes let it be ready.
    pub(super) gate: watch::Sender<bool>,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl Supervisor {
    /// Opens what belongs to the members, which infra has just made, or made anew.
    pub(super) fn attach(&mut self) {
        self.follow_running_copy();
        for at in 0..self.plan.members.len() {
            // The end of the earlier sender ends its tasks.
            self.members[at] = None;
            let member = &self.plan.members[at];
            let (sender, main) = watch::channel(MainProcess::of(self.machine.member(at)));
            let (gate, is_open) = watch::channel(self.watches.is_open(at));
            let mut tasks = Vec::new();
            if let Some(systemd) = self.systemd.as_ref().filter(|_| member.notify) {
                let place = self.paths.pod(&self.plan.name).member(&member.name);
                let dir = place.notify_dir();
                match relay::bind_in(&dir) {
                    Ok(socket) => {
                        let said_ready = place.said_ready();
                        let gate = Gate { is_open, said_ready };
                        let forward = relay::forward(socket, main.clone(), gate, systemd.clone());
                        tasks.push(tokio::spawn(forward));
                    }
                    Err(error) => self.log.line(
                        Priority::Error,
                        &format!(
                            "{}: {error}; {} cannot say that it is ready",
                            dir.display(),
                            member.name
                        ),
                    ),
                }
            }
            match output::read(&self.paths, &self.plan.name, member, &main, &self.journal) {
                Ok(read) => tasks.extend(read),
                Err(error) => self.log.line(
                    Priority::Error,
                    &format!(
                        "the output of {} cannot be read and will be lost: {error}",
                        member.name
                    ),
                ),
            }
            self.members[at] = Some(Attached {
                main: sender,
                gate,
                tasks,
            });
        }
    }

    /// A pod keeps what infra was started with. If that is not what was read when this supervisor began, units were
    /// generated anew just in between: it begins again, as the same process.
    fn follow_running_copy(&self) {
        let Ok(running) = crate::supervise::read(&self.paths, &self.plan.name) else {
            return;
        };
        if running != self.plan {
            self.log.line(
                Priority::Info,
                "the definition changed while the pod was started; beginning again",
            );
            // By its path, if that is there still: the process would be called `exe` else.
            let program = std::env::current_exe().ok().filter(|path| path.exists());
            let error = std::process::Command::new(program.unwrap_or_else(|| "/proc/self/exe".into()))
                .arg(self.plan.name.as_str())
                .exec();
            self.log
                .line(Priority::Error, &format!("cannot begin again: {error}"));
        }
    }

    pub(super) async fn finish(mut self) -> u8 {
        let status = self.exit.unwrap_or_default();
        // What was sent is reported, also by a pod that ends.
        while let Ok(Some(_)) = timeout(LAST_OUTPUT, self.reports.join_next()).await {}
        for attached in self.members.drain(..).flatten() {
            drop(attached.main);
            for task in attached.tasks {
                // Output that the journal does not take is no reason to hold up a stop.
                let _ = timeout(LAST_OUTPUT, task).await;
            }
        }
        // Infra leaves the pod's folder when it has failed, be it while it was stopped.
        if let Err(error) = crate::infra::remove_if_dead(&self.paths, &self.plan.name) {
            self.log
                .line(Priority::Warning, &format!("{:#}", anyhow::Error::from(error)));
        }
        status
    }
}
