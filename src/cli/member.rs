//! `podunit member`: the steps of a member's unit, which systemd calls.

use crate::compiled;
use crate::image::store::Store;
use crate::member::runtime::Runtime;
use crate::member::{self, Member};
use crate::model::{ImageSource, MemberName, Paths, Pod, PodName};
use crate::systemd::notify;
use crate::unitfile::specifier;
use anyhow::Context;
use std::process::ExitCode;

/// One step.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Starts the container and leaves its process to systemd (ExecStart=).
    Start(Which),
    /// Asks the container's process to end, with the image's stop signal (ExecStop=).
    Stop(Which),
    /// Sends the member's reload signal to its process (ExecReload=).
    Reload(Which),
    /// Removes what an ended container left (ExecStopPost=).
    Clean(Which),
}

/// A member of a pod.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The pod.
    pod: PodName,
    /// The member.
    member: MemberName,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<ExitCode> {
    match command {
        Command::Start(which) => with(which, paths, |member, runtime| {
            let started = start(member, runtime);
            if let Err(error) = &started {
                // The message is one line; what cannot be told to systemd stands in the journal.
                let _ = notify::send(&[&format!("STATUS={error:#}")]);
            }
            started
        }),
        Command::Stop(which) => with(which, paths, |member, _| Ok(member::signal::stop(member, main_pid())?)),
        Command::Reload(which) => with(which, paths, |member, _| Ok(member::signal::reload(member, main_pid())?)),
        Command::Clean(which) => with(which, paths, |member, runtime| {
            let errors = member::clean::clean(member, runtime).into_iter().map(anyhow::Error::from);
            let errors: Vec<String> = errors.map(|error| format!("{error:#}")).collect();
            anyhow::ensure!(errors.is_empty(), "not everything could be removed: {}", errors.join("; "));
            Ok(())
        }),
    }
}

fn with(
    which: &Which,
    paths: &Paths,
    step: impl FnOnce(Member<'_>, &Runtime) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let pod = compiled::running(paths, &which.pod)?;
    let member = find(paths, &pod, &which.member)?;
    step(member, &runtime(paths, &which.pod)?)?;
    Ok(ExitCode::SUCCESS)
}

fn start(member: Member<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let image = match &member.container.image {
        ImageSource::Rootfs(_) => None,
        ImageSource::Image(reference) => {
            let specifiers = member.specifiers();
            let reference = specifier::expand(reference, &|c| specifiers.value(c))
                .with_context(|| format!("Image={reference}"))?;
            Some(Store::new(member.paths).find(&reference)?)
        }
    };
    Ok(member::start::start(member, image.as_ref(), runtime)?)
}

/// The member of this name.
///
/// # Errors
/// The pod has none of this name.
pub(super) fn find<'a>(paths: &'a Paths, pod: &'a Pod, name: &MemberName) -> anyhow::Result<Member<'a>> {
    let Some(container) = pod.member(name.as_str()) else {
        let names: Vec<&str> = pod.members.iter().map(|member| member.name.as_str()).collect();
        anyhow::bail!("the pod `{}` has no member `{name}`; its members are {}", pod.name, names.join(", "));
    };
    Ok(Member { paths, pod, container })
}

/// The OCI runtime that podunit.conf names, for the containers of a pod.
///
/// # Errors
/// The settings cannot be read, or name a runtime that cannot be used.
pub(super) fn runtime(paths: &Paths, pod: &PodName) -> anyhow::Result<Runtime> {
    let settings = super::infra::settings(paths)?;
    Ok(Runtime::new(&settings.runtime, &paths.pod(pod).runtime_state())?)
}

/// What systemd says is the unit's main process.
fn main_pid() -> Option<i32> {
    std::env::var("MAINPID").ok()?.parse().ok().filter(|pid| *pid > 0)
}
