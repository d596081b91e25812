//! A pod → its units, one function for each. What the lines mean together is in `docs/architecture.md`.
//!
//! Whatever a definition says for systemd comes after our own lines, so that it adds to them or overrides them.

use super::images::Images;
use super::resource::is_resource;
use super::{GenerateError, PODUNIT, SLICE_DROP_IN, SUPERVISE, UnitFile, UnitSet, begin, install};
use crate::model::{
    Container, ContainerKind, Directive, ImageSource, Network, Owner, Paths, Pod, Ready, Signal,
};
use crate::unitfile::value::TimeSpan;
use crate::unitfile::write::UnitWriter;
use crate::unitfile::{specifier, words};
use std::time::Duration;

/// What a step around a member's own stop may take: `ExecStop=` beyond the wait, infra's `ExecStopPost=`.
const STEP: Duration = Duration::from_secs(5);
/// Start of infra: netavark waits for a lock when many pods start at once.
const INFRA_START: Duration = Duration::from_secs(90);
/// Stop of infra, netavark's teardown in it.
const INFRA_STOP: Duration = Duration::from_secs(30);
/// How often a unit of a pod may be started within systemd's ten seconds. Every restart of the pod counts for each of
/// them, and what systemd does by itself counts too: systemd's own five are used up by an administrator who tries
/// things out.
const START_LIMIT: &str = "20";
/// How often the supervisor must show that it is alive, at least.
const WATCHDOG: Duration = Duration::from_secs(30);
/// The supervisors' slice. In system.slice, where other services run, they would make systemd look at all of them for
/// each unit that it drops, with every reload.
const SUPERVISORS: &str = "system-podunit.slice";
/// Before a member that died is started again: systemd's own default.
const RESTART_DELAY: Duration = Duration::from_millis(100);
/// Before infra is, for which every member waits.
const INFRA_RESTART_DELAY: Duration = Duration::from_millis(20);

/// All that is written for a pod, but for the drop-ins of `images`.
///
/// # Errors
/// Something that the definition says for systemd cannot be in a unit file, or `[Install]` names no unit.
pub fn of(pod: &Pod, images: &mut Images) -> Result<UnitSet, GenerateError> {
    let mut files = Vec::with_capacity(pod.members.len() + 3);
    slices(pod, &mut files)?;
    for member in &pod.members {
        files.push(member_unit(pod, member, images)?);
    }
    files.push(infra(pod)?);
    files.push(supervisor(pod)?);
    Ok(UnitSet {
        owner: Owner::Pod(pod.name.clone()),
        source: pod.source.clone(),
        images: Vec::new(),
        files,
        links: install::of_pod(pod)?,
        compiled: Some(serde_json::to_string(pod)? + "\n"),
    })
}

/// `pod-X.service`: what a user starts and stops.
fn supervisor(pod: &Pod) -> Result<UnitFile, GenerateError> {
    let name = &*pod.name.in_units();
    let parts: Vec<String> = pod.service_units().into_iter().skip(1).collect();
    let mut unit = begin(&format!("Pod {name}"), &pod.source);
    // Wants= without any order: an order before the members would wait for itself, one after them would let a stop
    // return while they still stop. After= the bus: it must be there as long as the supervisor stops the pod.
    unit.units("Wants", &parts)
        .units("After", &["dbus.service", "dbus-broker.service"]);
    // Here too, so that a start fails with them, and their stop is the pod's.
    let needed = networks(pod);
    unit.units("Requires", &needed).units("After", &needed);
    unit.token("StartLimitBurst", START_LIMIT);
    pass(
        &mut unit,
        pod.units.unit.iter().filter_map(|line| outward(pod, line)),
    );

    unit.section("Service")
        .token("Type", "notify")
        .token("NotifyAccess", "main");
    unit.exec_of_instance("ExecStart", &[SUPERVISE, name])
        .exec_of_instance("ExecReload", &[PODUNIT, "reload", name]);
    // A supervisor that crashed is brought back by infra's Upholds=; Restart= would restart the whole pod.
    unit.token("Restart", "no");
    // It keeps the pod's own limit, since it must stop infra when it gives up.
    unit.token("TimeoutStartSec", "infinity")
        .time("TimeoutStopSec", stop_budget(pod));
    unit.time("WatchdogSec", TimeSpan::Finite(WATCHDOG))
        .units("Slice", &[SUPERVISORS]);
    confine(&mut unit, pod);
    let own = pod.units.service.iter().filter(|line| !is_resource(&line.key));
    pass(&mut unit, own.cloned());
    finish(pod.name.unit(), unit)
}

/// Walls around the supervisor, as far as they cost nothing: it starts with every pod. A mount namespace
/// (`ProtectSystem=` and its like) and an allow list of system calls would each add more than 10 ms of CPU time to a
/// start, and `systemd-analyze security` would say 2.9 and not 4.3.
fn confine(unit: &mut UnitWriter, pod: &Pod) {
    // It speaks to systemd and journald with the credentials of members (SYS_ADMIN, SETUID, SETGID), looks at them in
    // /proc (SYS_PTRACE), and opens pipes and sockets that belong to users of containers.
    let capabilities = "CAP_SYS_ADMIN CAP_SETUID CAP_SETGID CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE \
                        CAP_FOWNER";
    unit.passthrough("CapabilityBoundingSet", capabilities)
        .token("NoNewPrivileges", "yes");
    // Not RestrictSUIDSGID=: it takes away openat2(2), by which the supervisor removes what a failed pod leaves.
    for key in [
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "ProtectClock",
        "ProtectHostname",
        "RestrictRealtime",
    ] {
        unit.token(key, "yes");
    }
    // To look for listeners in the pod's network, and to connect to them for probes.
    let connects = |member: &Container| member.probes.iter().any(|probe| probe.check.is_network());
    let families = match pod.members.iter().any(connects) {
        true => "AF_UNIX AF_NETLINK AF_INET AF_INET6",
        false => "AF_UNIX AF_NETLINK",
    };
    unit.token("RestrictNamespaces", "net")
        .passthrough("RestrictAddressFamilies", families);
    unit.token("SystemCallArchitectures", "native")
        .token("SystemCallErrorNumber", "EPERM");
    let calls = "~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @resources @swap";
    unit.passthrough("SystemCallFilter", calls);
}

/// `pod-X-infra.service`: the namespaces. A process stays only where process IDs are shared.
fn infra(pod: &Pod) -> Result<UnitFile, GenerateError> {
    let name = &*pod.name.in_units();
    let mut unit = begin(&format!("Namespaces of pod {name}"), &pod.source);
    // Upholds= is what brings a killed supervisor back, on every systemd since 249.
    unit.units("PartOf", &[pod.name.unit()])
        .units("Upholds", &[pod.name.unit()]);
    if pod.network.is_connected() {
        // They flush the rules that netavark makes.
        unit.units("After", &["firewalld.service", "nftables.service"]);
    }
    let needed = networks(pod);
    unit.units("Requires", &needed).units("After", &needed);
    let shared = pod.units.unit.iter().filter(|line| holds_for_infra(&line.key));
    pass(&mut unit, shared.filter_map(|line| outward(pod, line)));

    unit.token("StartLimitBurst", START_LIMIT);

    unit.section("Service");
    unit.token("Type", "notify").token("NotifyAccess", "all");
    if pod.share.pid {
        unit.token("Restart", "always")
            .time("RestartSec", TimeSpan::Finite(INFRA_RESTART_DELAY));
        // Its death is the death of every member.
        unit.token("OOMScoreAdjust", "-500").token("KillMode", "mixed");
    } else {
        unit.token("RemainAfterExit", "yes");
    }
    if pod.name.is_template() {
        // An instance that cannot be what its template says.
        unit.token("RestartPreventExitStatus", "78");
    }
    unit.exec_of_instance("ExecStart", &[PODUNIT, "infra", "start", name]);
    unit.exec_of_instance("ExecStopPost", &[PODUNIT, "infra", "clean", name]);
    unit.time("TimeoutStartSec", TimeSpan::Finite(INFRA_START));
    unit.time("TimeoutStopSec", TimeSpan::Finite(INFRA_STOP))
        .passthrough("Slice", &pod.name.slice_in_units());
    finish(pod.name.infra_unit(), unit)
}

/// Units that have to be there before the pod is connected: those of networks, or infra of the pod whose network it has.
fn networks(pod: &Pod) -> Vec<String> {
    match &pod.network {
        Network::Pod(other) if pod.share.net => vec![other.infra_unit()],
        network => network
            .shared()
            .map(|name| Owner::Network(name.clone()).unit())
            .collect(),
    }
}

/// `pod-X-a.service`: the container's own process.
fn member_unit(pod: &Pod, member: &Container, images: &mut Images) -> Result<UnitFile, GenerateError> {
    let (name, container) = (&*pod.name.in_units(), member.name.as_str());
    let step = |verb| [PODUNIT, "member", verb, name, container];
    let mut unit = begin(&format!("Container {container} of pod {name}"), &member.source);
    // Not BindsTo=: after a crash of infra, members that were stopped by it would stay down.
    unit.units("Requires", &[pod.name.infra_unit()])
        .units("After", &[pod.name.infra_unit()]);
    // Whether it can be had or not: the member may start with what the store has, and says so if that is nothing.
    if let Some(image) = member.request().and_then(|request| images.unit(request)) {
        unit.units("Wants", &[image]).units("After", &[image]);
    }
    unit.units("PartOf", &[pod.name.infra_unit(), pod.name.unit()]);
    unit.token("RequiresMountsFor", "/var/lib/podunit");
    for path in host_paths(member) {
        unit.passthrough("RequiresMountsFor", &specifier::escape(&words::quote(path)));
    }
    unit.token("StartLimitBurst", START_LIMIT);
    // A pod that runs has the members that it was started with. One that its definition has got since has to wait for
    // a restart of the pod, and must not try again and again.
    let folder = Paths::default().pod(&pod.name).member(&member.name);
    let folder = folder.dir().to_string_lossy().into_owned();
    let folder = specifier::escape(&folder);
    let folder = folder.replacen(pod.name.as_str(), name, usize::from(pod.name.is_template()));
    unit.passthrough("AssertPathExists", &folder);
    let shared = pod.units.unit.iter().filter(|line| holds_for_members(&line.key));
    pass(&mut unit, shared.filter_map(|line| outward(pod, line)));
    pass(
        &mut unit,
        member
            .units
            .unit
            .iter()
            .filter_map(|line| outward_of_member(pod, line)),
    );

    unit.section("Service");
    match member.kind {
        // Done when the container's own process has ended; active from then on, as long as the pod.
        ContainerKind::Init => unit.token("Type", "oneshot").token("RemainAfterExit", "yes"),
        ContainerKind::Main | ContainerKind::Sidecar => unit.token("Type", "notify"),
    };
    unit.token("NotifyAccess", "all")
        // The launcher has systemd hold the two FIFOs of the member's output.
        .token("FileDescriptorStoreMax", "2");
    unit.exec_of_instance("ExecStart", &step("start"));
    if member.has_reload() {
        unit.exec_of_instance("ExecReload", &step("reload"));
    }
    match member.kind {
        ContainerKind::Init => stopping_init(&mut unit, member),
        ContainerKind::Main | ContainerKind::Sidecar => stopping(&mut unit, pod, member, &step("stop")),
    }
    if !member.units.service.iter().any(|line| line.key == "Restart") {
        unit.token("Restart", "on-failure");
    }
    unit.time("RestartSec", TimeSpan::Finite(RESTART_DELAY))
        .passthrough("Slice", &pod.name.slice_in_units());
    unit.token("SyslogIdentifier", container);
    pass(&mut unit, member.units.service.iter().cloned());
    finish(pod.name.member_unit(&member.name), unit)
}

/// How a member is stopped. The image's stop signal is not known here: a step sends it, and waits. A signal that the
/// definition names needs no step where sending it once and waiting is all that is to be done.
fn stopping(unit: &mut UnitWriter, pod: &Pod, member: &Container, step: &[&str]) {
    unit.token("KillMode", "mixed");
    let is_plain = member.pre_stop.is_none() && member.stop_escalate.is_empty() && member.stop_repeat == 0;
    // But for systemd 0 would be no limit at all, and a member that speaks to it could put off its limit. One that is
    // PID 1 of its own namespace does not get a signal for which it has no handler yet: the step sends it again.
    let by_systemd =
        is_plain && pod.share.pid && !member.stop_timeout.is_zero() && member.ready != Ready::Notify;
    // With a step too: a stop during the start has none, and a step that failed is followed by this.
    if let Some(signal) = member.stop_signal {
        unit.token("KillSignal", &signal.to_string());
    }
    if member.stop_signal.is_some() && by_systemd {
        unit.time("TimeoutStopSec", TimeSpan::Finite(member.stop_timeout));
    } else {
        unit.exec_of_instance("ExecStop", step);
        unit.time("TimeoutStopSec", TimeSpan::Finite(member.stop_timeout + STEP));
    }
    // Dying of the stop signal, or reporting so as shells do, is a stop and no failure.
    match member.stop_signal {
        Some(signal) => unit.passthrough(
            "SuccessExitStatus",
            &format!("{} {signal}", 128 + signal.number()),
        ),
        None => unit.token("SuccessExitStatus", "143"),
    };
    // But this one the kernel sends too, and whoever means to harm: only a stop that was asked for is an end.
    if member.stop_signal == Some(Signal::KILL) && restarts_after_a_signal(member) {
        unit.token("RestartForceExitStatus", &Signal::KILL.to_string());
    }
}

/// Whether a member that a signal has ended is to be started again.
fn restarts_after_a_signal(member: &Container) -> bool {
    let restart = member
        .units
        .service
        .iter()
        .rev()
        .find(|line| line.key == "Restart");
    restart
        .is_none_or(|line| ["on-failure", "on-abnormal", "on-abort", "always"].contains(&line.value.as_str()))
}

/// How an init member is stopped while it runs: to systemd that is the middle of its start, which knows no `ExecStop=`.
fn stopping_init(unit: &mut UnitWriter, member: &Container) {
    let (signal, timeout) = match member.stop_timeout {
        // For systemd 0 would be no limit at all.
        Duration::ZERO => (Some(Signal::KILL), STEP),
        timeout => (member.stop_signal, timeout),
    };
    unit.token("KillMode", "mixed");
    if let Some(signal) = signal {
        unit.token("KillSignal", &signal.to_string());
    }
    unit.time("TimeoutStopSec", TimeSpan::Finite(timeout));
}

/// `pods-X.slice`: limits for the whole pod. Not by a drop-in for all pods' slices: systemd looks for one from the root
/// down, for each slice anew, which takes longer than reading a file. A slice is no template, so that what the slices of
/// instances are is a drop-in by the beginning of their names, which one for a single instance hides.
fn slices(pod: &Pod, files: &mut Vec<UnitFile>) -> Result<(), GenerateError> {
    let name = match pod.name.slice_of_all() {
        None => pod.name.slice(),
        Some(all) => {
            let template = pod.name.template();
            let template = template.as_ref().unwrap_or(&pod.name);
            let description = format!("Slice of all instances of pod {template}");
            files.push(finish(all, slice(pod, &description, &[]))?);
            format!("{}/{SLICE_DROP_IN}", pod.name.slice_drop_ins())
        }
    };
    let description = format!("Slice of pod {}", pod.name);
    let limits: Vec<Directive> = pod
        .units
        .service
        .iter()
        .filter(|line| is_resource(&line.key))
        .cloned()
        .collect();
    files.push(finish(name, slice(pod, &description, &limits))?);
    Ok(())
}

fn slice(pod: &Pod, description: &str, limits: &[Directive]) -> UnitWriter {
    let mut unit = begin(description, &pod.source);
    // Else it would stay when the pod is stopped.
    unit.token("StopWhenUnneeded", "yes");
    unit.section("Slice");
    pass(&mut unit, limits.iter().cloned());
    unit
}

/// Directories and files of the host that the container is made of, as far as they are known without expanding
/// specifiers.
fn host_paths(member: &Container) -> impl Iterator<Item = &str> {
    let rootfs = match &member.image {
        ImageSource::Rootfs(path) => Some(path.as_str()),
        ImageSource::Image(_) => None,
    };
    let paths = rootfs
        .into_iter()
        .chain(member.binds.iter().map(|bind| bind.source.as_str()));
    paths.filter(|path| path.starts_with('/') && !path.contains('%'))
}

/// Keys of the pod's `[Unit]` that must hold for infra too: it starts beside the supervisor, not after it, so what
/// keeps the pod from starting, or makes it wait, must keep infra.
fn holds_for_infra(key: &str) -> bool {
    const KEYS: [&str; 8] = [
        "After",
        "Before",
        "BindsTo",
        "DefaultDependencies",
        "Requires",
        "RequiresMountsFor",
        "Requisite",
        "WantsMountsFor",
    ];
    KEYS.contains(&key) || key.starts_with("Condition") || key.starts_with("Assert")
}

/// The same for members, which come after infra and need it: an order for the stop, and what would leave infra out
/// without a failure.
fn holds_for_members(key: &str) -> bool {
    ["Before", "DefaultDependencies"].contains(&key) || key.starts_with("Condition")
}

/// A line of the pod's `[Unit]` without an order towards units of the pod itself: those would wait for each other.
/// The definition was checked for the units' own names; here it is about their aliases.
fn outward(pod: &Pod, line: &Directive) -> Option<Directive> {
    let mut own = pod.service_units();
    own.extend(install::aliases(pod).map(|(alias, _)| alias));
    without(&own, line)
}

/// The same for a member, which may wait for other members but not for the pod.
fn outward_of_member(pod: &Pod, line: &Directive) -> Option<Directive> {
    let own: Vec<String> = install::aliases(pod)
        .filter(|(_, unit)| *unit == pod.name.unit())
        .map(|(alias, _)| alias)
        .chain([pod.name.unit()])
        .collect();
    without(&own, line)
}

/// A line without an order towards `units`; nothing if it says nothing else.
fn without(units: &[String], line: &Directive) -> Option<Directive> {
    if !["After", "Before"].contains(&line.key.as_str()) {
        return Some(line.clone());
    }
    let is_other = |word: &&str| !units.iter().any(|unit| unit == word);
    let value = line
        .value
        .split_ascii_whitespace()
        .filter(is_other)
        .collect::<Vec<&str>>()
        .join(" ");
    (!value.is_empty()).then(|| Directive::new(&line.key, value))
}

/// How long the supervisor may wait for everything to stop: one member after the other, then infra. That is the longest
/// that any order among them can take; drop-ins may give an order that is not known here.
fn stop_budget(pod: &Pod) -> TimeSpan {
    let members: Duration = pod
        .members
        .iter()
        .map(|member| member.stop_timeout + 2 * STEP)
        .sum();
    TimeSpan::Finite(members + INFRA_STOP + STEP)
}

/// Writes lines that systemd is to read as the definition has them.
fn pass(unit: &mut UnitWriter, lines: impl Iterator<Item = Directive>) {
    for line in lines {
        unit.passthrough(&line.key, &line.value);
    }
}

fn finish(name: String, unit: UnitWriter) -> Result<UnitFile, GenerateError> {
    Ok(UnitFile {
        name,
        text: unit.finish()?,
    })
}
