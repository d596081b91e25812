//! The start of a member (`ExecStart=`): from the compiled pod to a process that is systemd's, and then gone.

use super::oci::Spec;
use super::output::Output;
use super::runtime::Runtime;
use super::spec::{Place, Run, joined};
use super::{
    Error, Member, absolute, arguments, capability, clean, environment, expand, kernel, main_process, mounts,
    rlimit, rootfs, spec, surroundings, user, volumes,
};
use crate::model::{
    Container, ContainerKind, ImageConfig, ImageSource, MemberName, Paths, PodName, Ready, Signal,
    UnpackedImage,
};
use crate::sys::cgroup;
use crate::sys::file::{read_unlocked, replace};
use crate::sys::namespace::Kind;
use crate::sys::pidfd;
use crate::sys::reaper;
use crate::sys::tree::Tree;
use crate::systemd::notify;
use crate::timeline::{Phase, Timeline};
use rustix::fs::inotify;
use std::fs::{self, DirBuilder};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the runtime may take to end after its call has returned, so that its child becomes systemd's.
const ORPHANED_WITHIN: Duration = Duration::from_secs(10);

/// Starts the member. `image` is what its `Image=` names; none with `Rootfs=`. After an error, tell it to whom it
/// concerns and call [`abandon`]. Of an earlier life nothing may be left ([`clean::clean`]).
///
/// Everything is made ready beside infra, which connects the pod to its network meanwhile; then the program waits for
/// that.
///
/// systemd hears `MAINPID=` while the process is still held before its program starts, so that whatever the program
/// does, its exit status is systemd's to see. A member that counts as ready once it runs is announced just before its
/// program starts: after that, a short program could have ended before the message, and systemd would call its
/// success a failure ("protocol").
///
/// # Errors
/// What kept it from starting.
pub fn start(
    member: Member<'_>,
    image: Option<&UnpackedImage>,
    runtime: &Runtime,
    timeline: &mut Timeline,
) -> Result<(), Error> {
    let paths = member.member_paths();
    let id = member.pod.name.container_id(&member.container.name);
    check_pins(member)?;
    if member.container.ready == Ready::Notify {
        wait_for_file(&paths.notify_socket())?;
    }
    timeline.begin(Phase::Overlay);
    make_bundle(member)?;
    rootfs::enter(member)?;
    match (&member.container.image, image) {
        (ImageSource::Rootfs(directory), _) => {
            rootfs::mount_directory(member, &absolute(&member.specifiers(), "Rootfs", directory)?)?;
        }
        (ImageSource::Image(_), Some(image)) => rootfs::mount_image(member, image)?,
        (ImageSource::Image(request), None) => {
            return Err(Error::setting(
                "Image",
                &request.reference,
                "the image is not in the store",
            ));
        }
    }
    timeline.begin(Phase::Config);
    let config = image.map(|image| image.config.clone()).unwrap_or_default();
    let reaper = reaper(member)?;
    let spec = decide(member, &config, reaper.as_deref())?;
    write_bundle(member, &spec, &config)?;

    let user = &spec.process.user;
    let output = if member.container.process.is_silent {
        Output::nowhere()?
    } else {
        let output = Output::open(&paths, user.uid, user.gid)?;
        output.entrust()?;
        output
    };
    timeline.begin(Phase::Create);
    let created = runtime.create(&id, &paths.bundle(), &paths.pid_file(), output);
    created.map_err(|error| explain(member, error))?;

    timeline.begin(Phase::Handover);
    let ended = || Error::NotRunning("its process ended before its program started".to_owned());
    let pid = main_process::read_pid(&paths.pid_file())?.ok_or_else(ended)?;
    wait_until_systemds(pid)?;
    notify::send(&[&format!("MAINPID={pid}"), "STATUS="]).map_err(Error::Notify)?;
    notify::barrier().map_err(Error::Notify)?;
    timeline.begin(Phase::Network);
    wait_until_connected(member)?;
    timeline.begin(Phase::Start);
    let counts_once_it_runs = member.container.ready == Ready::Started && !member.container.is_gated();
    if counts_once_it_runs && member.container.kind != ContainerKind::Init {
        // systemd reads this before it looks at processes that have ended. Nothing may come in between: should this
        // process be killed here, the unit would be active and its program never start.
        notify::send(&["READY=1"]).map_err(Error::Notify)?;
    }
    runtime.start(&id)
}

/// Leaves nothing of a container that could not be started. The last thing to do: once systemd knows the container's
/// process, its end makes systemd kill whatever else runs in the unit.
pub fn abandon(paths: &Paths, pod: &PodName, member: &MemberName) {
    // In a shared PID namespace the runtime kills nothing by itself.
    let pid = main_process::read_pid(&paths.pod(pod).member(member).pid_file())
        .ok()
        .flatten();
    if let Some(pid) = pid
        && let Ok(process) = pidfd::open(pid)
        // Held first, looked at then: a number that an earlier life left may be anybody's.
        && cgroup::of("self").is_some_and(|own| cgroup::of(&pid.to_string()) == Some(own))
    {
        // Gone is as good as killed; what is left is in the unit's cgroup, and systemd kills it.
        let _ = pidfd::send(process.as_fd(), Signal::KILL.number());
    }
    // The error to tell was the first one; the next start cleans again and reports what it cannot remove.
    clean::clean(paths, pod, member);
}

/// Starts the PID 1 of a PID namespace for this member alone, where the definition asks for one that reaps and the pod
/// has none, and gives the namespace. It stays in the unit's cgroup, and ends with it.
fn reaper(member: Member<'_>) -> Result<Option<PathBuf>, Error> {
    if member.pod.share.pid || !member.container.process.run_init {
        return Ok(None);
    }
    let kinds: Vec<Kind> = [Kind::Net, Kind::Ipc, Kind::Uts]
        .into_iter()
        .filter(|kind| joined(member.pod).contains(&kind.file()))
        .collect();
    let program = member.paths.pause_program();
    let pins = member.pod_paths().namespaces();
    let started = reaper::start(&program, &pins, &kinds).map_err(Error::file("start", program))?;
    Ok(Some(PathBuf::from(format!("/proc/{}/ns/pid", started.pid))))
}

/// Everything that the runtime is told, from the definition, the image's configuration and the mounted root.
fn decide(member: Member<'_>, image: &ImageConfig, own_pid: Option<&Path>) -> Result<Spec, Error> {
    let Member { pod, container, .. } = member;
    let specifiers = member.specifiers();
    let own_variable = |name: &str| std::env::var(name).ok();
    let hostname = expand(&specifiers, "HostName", pod.hostname())?;
    let user = find_user(member, image)?;
    let shared = mounts::Shared {
        shm: match pod.share.ipc {
            true => mounts::Shm::Pod(member.pod_paths().shm()),
            false => mounts::Shm::Own(container.shm_size.unwrap_or(pod.shm_size)),
        },
        etc: existing(["hosts", "resolv.conf", "hostname"].map(|name| member.pod_paths().etc().join(name))),
        localtime: surroundings::localtime(member)?,
        notify: (container.ready == Ready::Notify).then(|| member.member_paths().notify_dir()),
        volumes: volumes::prepare(member, image, &user)?,
    };
    let socket = format!("{}/socket", mounts::NOTIFY_DIR);
    let sources = environment::Sources {
        container,
        image,
        of_unit: &environment::of_unit(&container.process, std::env::vars_os()),
        files: &environment_files(member)?,
        hostname: &hostname,
        home: &user.home,
        notify_socket: shared.notify.as_ref().map(|_| socket.as_str()),
    };
    let status = "/proc/self/status";
    let status = fs::read_to_string(status).map_err(Error::file("read", status))?;
    let available = capability::available(&status);
    let capabilities = capability::sets(
        user.uid,
        &container.add_capabilities,
        &container.drop_capabilities,
        &available,
    )
    .map_err(|name| {
        Error::setting(
            "AddCapability",
            name,
            "the unit itself does not have it (CapabilityBoundingSet=)",
        )
    })?;
    let kernel = kernel::decide(member, &capabilities.bounding)?;
    let run = Run {
        rlimits: rlimit::resolve(&container.process.ulimits),
        new_privileges: container.process.new_privileges,
        apparmor: surroundings::apparmor(member)?,
        arguments: arguments::resolve(container, image, &specifiers, &own_variable)?,
        environment: environment::resolve(&sources, &specifiers, &own_variable)?.lines(),
        working_dir: working_dir(member, image)?,
        user,
        capabilities,
    };
    let place = Place {
        root: &member.root(),
        read_only: container.read_only,
        mounts: &mounts::resolve(container, &shared, &specifiers, &|path| path.exists())?,
        hostname: &hostname,
        pins: &member.pod_paths().namespaces(),
        own_pid,
        kernel: &kernel,
    };
    Ok(spec::build(pod, &place, run))
}

fn find_user(member: Member<'_>, image: &ImageConfig) -> Result<user::User, Error> {
    let (passwd, group) = rootfs::accounts(member)?;
    let mut user = main_user(member, image, &passwd, &group)?;
    for name in &member.container.process.groups {
        let expanded = expand(&member.specifiers(), "GroupAdd", name)?;
        user.add_group(&expanded, &group)
            .map_err(|error| Error::setting("GroupAdd", name, error))?;
    }
    Ok(user)
}

fn main_user(
    member: Member<'_>,
    image: &ImageConfig,
    passwd: &str,
    group: &str,
) -> Result<user::User, Error> {
    match (&member.container.user, &image.user) {
        (Some(text), _) => {
            let expanded = expand(&member.specifiers(), "User", text)?;
            user::resolve(&expanded, passwd, group).map_err(|error| Error::setting("User", text, error))
        }
        (None, Some(text)) if !text.is_empty() => {
            user::resolve(text, passwd, group).map_err(|error| Error::Image(format!("its user: {error}")))
        }
        _ => user::resolve("0", passwd, group).map_err(|error| Error::Image(error.to_string())),
    }
}

fn working_dir(member: Member<'_>, image: &ImageConfig) -> Result<String, Error> {
    if let Some(path) = &member.container.working_dir {
        return absolute(&member.specifiers(), "WorkingDir", path);
    }
    match image.working_dir.as_deref() {
        None | Some("") => Ok("/".to_owned()),
        Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(path.to_owned()),
        Some(path) => Err(Error::Image(format!(
            "its working folder {path:?} is not an absolute path"
        ))),
    }
}

/// Longest `EnvironmentFile=` that is read, in bytes.
const ENVIRONMENT_FILE_MAX: u64 = 1 << 20;

fn environment_files(member: Member<'_>) -> Result<Vec<String>, Error> {
    let Container {
        environment_files, ..
    } = member.container;
    let host = member.paths.root();
    let host = Tree::open(host).map_err(Error::file("open", host))?;
    let mut texts = Vec::new();
    for file in environment_files {
        let path = absolute(&member.specifiers(), "EnvironmentFile", &file.path)?;
        // Bounded, and no FIFO: neither may hold the start.
        let text = host.read_file(&path, ENVIRONMENT_FILE_MAX).and_then(|text| {
            String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        });
        match text {
            Ok(text) => texts.push(text),
            Err(error) if file.optional && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::setting("EnvironmentFile", &file.path, error)),
        }
    }
    Ok(texts)
}

fn existing(paths: [PathBuf; 3]) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.exists()).collect()
}

/// Longest content of [`crate::model::paths::PodPaths::connected`] that is read, in bytes.
const CONNECTED_MAX: u64 = 16;

/// Waits until infra has connected the pod to its network, or has given up.
fn wait_until_connected(member: Member<'_>) -> Result<(), Error> {
    let path = member.pod_paths().connected();
    match read_unlocked(&path, CONNECTED_MAX) {
        Ok(content) if content.is_empty() => Err(Error::NotConnected),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::InfraGone),
        Err(error) => Err(Error::file("wait for", path)(error)),
    }
}

/// The runtime's message for a missing namespace is of no use to anybody.
fn check_pins(member: Member<'_>) -> Result<(), Error> {
    let pins = member.pod_paths().namespaces();
    let all_there = joined(member.pod).iter().all(|name| pins.join(name).exists());
    if all_there { Ok(()) } else { Err(Error::InfraGone) }
}

/// A PID namespace whose PID 1 has ended can be joined, but nothing can be started in it: the kernel then says that
/// memory is short (`ENOMEM`).
fn explain(member: Member<'_>, error: Error) -> Error {
    match &error {
        Error::Runtime { message, .. }
            if member.pod.share.pid && message.contains("Cannot allocate memory") =>
        {
            Error::InfraGone
        }
        _ => error,
    }
}

/// Says which image the member holds from now on. Whoever removes images looks here; what was found in the store
/// before is sure only if it is found again after this.
///
/// # Errors
/// The record cannot be written.
pub fn hold(member: Member<'_>, image: &UnpackedImage) -> Result<(), Error> {
    let path = member.member_paths().image();
    let text = format!("{}\n{}\n", image.digest, image.reference);
    replace(&path, text.as_bytes(), 0o600).map_err(Error::file("write", path))
}

fn make_bundle(member: Member<'_>) -> Result<(), Error> {
    let bundle = member.member_paths().bundle();
    let made = DirBuilder::new().mode(0o700).create(&bundle);
    made.map_err(Error::file("make", bundle))
}

fn write_bundle(member: Member<'_>, spec: &Spec, image: &ImageConfig) -> Result<(), Error> {
    let config = member.member_paths().bundle().join("config.json");
    let text = serde_json::to_vec(spec).map_err(|error| Error::file("write", &config)(error.into()))?;
    write(&config, &text)?;
    match image.stop_signal {
        Some(signal) => write(&member.stop_signal_file(), format!("{signal}\n").as_bytes()),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &[u8]) -> Result<(), Error> {
    replace(path, text, 0o600).map_err(Error::file("write", path))
}

/// Waits until a file that another process makes is there.
fn wait_for_file(path: &Path) -> Result<(), Error> {
    let wait = || {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let events = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::DELETE_SELF
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&watch, folder, events)?;
        // Watched first, looked at then: nothing can happen in between.
        while !path.exists() {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(watch.as_fd(), &mut buffer);
            let happened = reader.next()?.events();
            if happened.intersects(inotify::ReadFlags::DELETE_SELF | inotify::ReadFlags::IGNORED) {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
        Ok(())
    };
    if path.exists() {
        return Ok(());
    }
    // Where this takes long, `systemctl status` says why.
    notify::send(&["STATUS=waiting for the pod's supervisor"]).map_err(Error::Notify)?;
    wait().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::InfraGone,
        _ => Error::file("wait for", path)(error),
    })
}

/// Waits until the process is a child of whoever started us, which is systemd: of any other parent's child systemd
/// would never learn the exit status, and would kill it without waiting. Started by hand there is nobody to ask.
fn wait_until_systemds(pid: i32) -> Result<(), Error> {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Ok(());
    }
    let ours = nix::unistd::getppid().as_raw();
    loop {
        let Some(parent) = parent_of(pid) else {
            return Err(Error::NotRunning(
                "its process ended before its program started".to_owned(),
            ));
        };
        if parent == ours {
            return Ok(());
        }
        // The runtime leaves a process behind for a moment that hands its child over as it ends.
        let ended = pidfd::open(parent).and_then(|runtime| pidfd::wait(runtime.as_fd(), ORPHANED_WITHIN));
        // One that cannot be opened is gone already.
        if !ended.unwrap_or(true) || parent_of(pid) == Some(parent) {
            return Err(Error::Alien { pid, parent });
        }
    }
}

fn parent_of(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()
}
