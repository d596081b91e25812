//! `podunit member`: the steps of a member's unit, which systemd calls.

use super::{FAILURE, output};
use crate::compiled;
use crate::image::store::Store;
use crate::member::runtime::Runtime;
use crate::member::{self, Member};
use crate::model::{ImageSource, MemberName, Paths, Pod, PodName};
use crate::sys::descriptor;
use crate::sys::file::lock;
use crate::systemd::notify;
use crate::timeline::{Phase, Timeline};
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
    // What this was started with besides is not for the container.
    descriptor::close_inherited().context("cannot close inherited files")?;
    match command {
        Command::Start(which) => start(which, paths).or_else(|error| {
            // Told before it is cleaned up, since that may end this process. The message is one line.
            let _ = notify::send(&[&format!("STATUS={error:#}")]);
            output::error(&error);
            member::start::abandon(paths, &which.pod, &which.member);
            Ok(ExitCode::from(FAILURE))
        }),
        Command::Stop(which) => with(which, paths, |member| member::signal::stop(member, main_pid())),
        Command::Reload(which) => with(which, paths, |member| member::signal::reload(member, main_pid())),
    }
}

fn with(
    which: &Which,
    paths: &Paths,
    step: impl FnOnce(Member<'_>) -> Result<(), member::Error>,
) -> anyhow::Result<ExitCode> {
    let pod = compiled::running(paths, &which.pod)?;
    step(find(paths, &pod, &which.member)?)?;
    Ok(ExitCode::SUCCESS)
}

fn start(which: &Which, paths: &Paths) -> anyhow::Result<ExitCode> {
    let mut timeline = Timeline::default();
    timeline.begin(Phase::Prepare);
    let pod = compiled::running(paths, &which.pod)?;
    let member = find(paths, &pod, &which.member)?;
    let launching = member.member_paths().launching();
    let _launching = lock(&launching).with_context(|| format!("{}: cannot lock it", launching.display()))?;
    let runtime = runtime(paths)?.in_memory();
    clean(which, paths)?;
    timeline.begin(Phase::Image);
    let image = match &member.container.image {
        ImageSource::Rootfs(_) => None,
        ImageSource::Image(request) => {
            let specifiers = member.specifiers();
            let reference = specifier::expand(&request.reference, &|c| specifiers.value(c))
                .with_context(|| format!("Image={}", request.reference))?;
            let platform = request.platform.as_ref();
            let store = Store::new(paths);
            member::start::hold(member, &store.find(&reference, platform)?)?;
            Some(store.find(&reference, platform)?)
        }
    };
    member::start::start(member, image.as_ref(), &runtime, &mut timeline)?;
    timeline.begin(Phase::Done);
    timeline.write(&member.member_paths().timeline());
    Ok(ExitCode::SUCCESS)
}

/// Removes what an earlier life of the member left.
fn clean(which: &Which, paths: &Paths) -> anyhow::Result<()> {
    let left: Vec<String> = member::clean::clean(paths, &which.pod, &which.member)
        .into_iter()
        .map(|error| format!("{:#}", anyhow::Error::from(error)))
        .collect();
    anyhow::ensure!(
        left.is_empty(),
        "what the member's last life left could not be removed: {}",
        left.join("; ")
    );
    Ok(())
}

/// The member of this name.
///
/// # Errors
/// The pod has none of this name.
pub(super) fn find<'a>(paths: &'a Paths, pod: &'a Pod, name: &MemberName) -> anyhow::Result<Member<'a>> {
    let Some(container) = pod.member(name.as_str()) else {
        let names: Vec<&str> = pod.members.iter().map(|member| member.name.as_str()).collect();
        anyhow::bail!(
            "the pod `{}` has no member `{name}`; its members are {}",
            pod.name,
            names.join(", ")
        );
    };
    Ok(Member {
        paths,
        pod,
        container,
    })
}

/// The OCI runtime that podunit.conf names.
///
/// # Errors
/// The settings cannot be read, or name a runtime that cannot be used.
pub(super) fn runtime(paths: &Paths) -> anyhow::Result<Runtime> {
    let settings = super::settings::read(paths)?;
    Ok(Runtime::new(&settings.runtime, &paths.runtime_state())?)
}

/// What systemd says is the unit's main process.
fn main_pid() -> Option<i32> {
    std::env::var("MAINPID").ok()?.parse().ok().filter(|pid| *pid > 0)
}
