//! `podunit member`: the steps of a member's unit, which systemd calls.

use super::{FAILURE, output, request, settings};
use crate::compiled;
use crate::image::store::Store;
use crate::member::runtime::Runtime;
use crate::member::{self, Member, command};
use crate::model::settings::ImageSettings;
use crate::model::{
    ImageSource, MemberName, Paths, Pod, PodName, ProbeKind, PullPolicy, Request, UnpackedImage,
};
use crate::sys::descriptor;
use crate::sys::file::{lock, read_text, replace};
use crate::systemd::notify;
use crate::timeline::{Phase, Timeline};
use anyhow::Context;
use std::process::ExitCode;
use std::time::Duration;

/// Longest reason for a failed refresh that is read, in bytes.
const LONGEST_REASON: u64 = 4096;

/// How long `ReloadCmd=` may take; systemd's own limit for a reload is longer, unless the definition says otherwise.
const RELOAD_LIMIT: Duration = Duration::from_secs(60);

/// One step.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Starts the container and leaves its process to systemd (ExecStart=).
    Start(Which),
    /// Asks the container's process to end, and kills it when its time is over (ExecStop=).
    Stop(Which),
    /// Reloads the member by its signal or its command (ExecReload=).
    Reload(Which),
    /// Makes the check of a probe, and leaves what it came to for the supervisor.
    Probe {
        /// Whose probe.
        #[command(flatten)]
        which: Which,
        /// Which probe: startup, ready or live.
        probe: ProbeKind,
    },
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
        Command::Stop(which) => stop(which, paths),
        Command::Reload(which) => reload(which, paths),
        Command::Probe { which, probe } => check(which, *probe, paths),
    }
}

fn stop(which: &Which, paths: &Paths) -> anyhow::Result<ExitCode> {
    let pod = compiled::running(paths, &which.pod)?;
    let member = find(paths, &pod, &which.member)?;
    // A stop without a hook needs neither settings nor runtime, which may be gone.
    let hook = |line: &str, limit| {
        let run = command::run(member, &runtime(paths)?, "PreStop", line, limit);
        run.map_err(anyhow::Error::from)
    };
    member::stop::stop(member, main_pid(), &hook, &|text| output::warning(text))?;
    Ok(ExitCode::SUCCESS)
}

fn reload(which: &Which, paths: &Paths) -> anyhow::Result<ExitCode> {
    let pod = compiled::running(paths, &which.pod)?;
    let member = find(paths, &pod, &which.member)?;
    match &member.container.reload_cmd {
        Some(line) => command::run(member, &runtime(paths)?, "ReloadCmd", line, RELOAD_LIMIT)?,
        None => member::reload::by_signal(member, main_pid())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit status says nothing of the check, which has no failed unit to show for it.
fn check(which: &Which, kind: ProbeKind, paths: &Paths) -> anyhow::Result<ExitCode> {
    let pod = compiled::running(paths, &which.pod)?;
    let member = find(paths, &pod, &which.member)?;
    let probe = member.container.probes.get(kind);
    let probe = probe.with_context(|| format!("{} has no {} probe", which.member, kind.word()))?;
    let checked = member::probe::check(member, &runtime(paths)?, &probe.check);
    let path = member.member_paths().probe(kind);
    replace(&path, &serde_json::to_vec(&checked)?, 0o600)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn start(which: &Which, paths: &Paths) -> anyhow::Result<ExitCode> {
    let mut timeline = Timeline::default();
    timeline.begin(Phase::Prepare);
    let pod = compiled::running(paths, &which.pod)?;
    let member = find(paths, &pod, &which.member)?;
    let launching = member.member_paths().launching();
    let _launching = lock(&launching).with_context(|| format!("{}: cannot lock it", launching.display()))?;
    let settings = settings::read(paths)?;
    let runtime = Runtime::new(&settings.runtime, &paths.runtime_state())?.in_memory();
    clean(which, paths)?;
    timeline.begin(Phase::Image);
    let image = match &member.container.image {
        ImageSource::Rootfs(_) => None,
        ImageSource::Image(asked) => Some(image(member, asked, &settings.image)?),
    };
    member::start::start(member, image.as_ref(), &runtime, &mut timeline)?;
    timeline.begin(Phase::Done);
    timeline.write(&member.member_paths().timeline());
    Ok(ExitCode::SUCCESS)
}

/// The image that the store has for the member, which holds it from now on.
fn image(member: Member<'_>, asked: &Request, settings: &ImageSettings) -> anyhow::Result<UnpackedImage> {
    let paths = member.paths;
    let unit = member.pod.name.member_unit(&member.container.name);
    let request = request::expand(asked, &unit, paths)?;
    let reference = settings.complete(&request.reference)?.to_string();
    let store = Store::new(paths);
    let find = || {
        let found = store.find(&reference, request.platform.as_ref());
        found.with_context(|| match request.policy {
            PullPolicy::Never => "Pull=never: nobody is asked for the image".to_owned(),
            _ => format!(
                "its image could not be fetched: `journalctl -u {}` says why",
                asked.unit()
            ),
        })
    };
    member::start::hold(member, &find()?)?;
    let image = find()?;
    if matches!(request.policy, PullPolicy::Always | PullPolicy::Newer)
        && let Ok(why) = read_text(&paths.stale_image(&asked.id()), LONGEST_REASON)
    {
        output::warning(format_args!(
            "{}: {why}; the image that is here serves, {}",
            image.reference, image.digest
        ));
    }
    Ok(image)
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
