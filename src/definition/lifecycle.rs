//! `Init=`, `Sidecar=`, `Essential=` and `OnFailure=`: when members run, the order that follows from it, and what becomes
//! of the pod without them.

use super::directive::{Order, Why};
use super::member::Member;
use super::section::Settings;
use crate::diagnostic::{Place, Problem};
use crate::model::{ContainerKind, Directive, ExitPolicy, FailurePolicy, MemberName, Pod};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Most sidecars of a pod: every other member names each of them.
const MOST_SIDECARS: usize = 16;

/// Keys about a program that stays, and why a member with `Init=true` cannot have them.
const STAYS: [(&str, &str); 5] = [
    (
        "Notify HealthCmd HealthStartupCmd ReadyProbe LiveProbe StartupProbe",
        "an init member is ready when it has ended with success",
    ),
    (
        "ReloadSignal ReloadCmd",
        "an init member has ended when the pod is reloaded",
    ),
    (
        "AutoUpdate",
        "an init member runs when its pod starts, and is not restarted in between",
    ),
    ("SignalMap", "an init member has ended when signals arrive"),
    (
        "PreStop StopEscalate StopRepeat",
        "to systemd an init member is being started as long as it runs, and such a start ends by one signal",
    ),
];

/// Reads `Init=` and `Sidecar=`.
pub(super) fn kind(settings: &Settings, problems: &mut Vec<Problem>) -> ContainerKind {
    let init = settings.flag("Init", problems).filter(|(flag, _)| *flag);
    let sidecar = settings.flag("Sidecar", problems).filter(|(flag, _)| *flag);
    match (init, sidecar) {
        (Some((_, init)), Some((_, sidecar))) => {
            let problem = sidecar
                .error(
                    "an init member runs to its end before others start, a sidecar stays as long as they do",
                )
                .other(init.place(), "it is an init member by this");
            problems.push(problem.help("remove one of Init= and Sidecar="));
            ContainerKind::Init
        }
        (Some((_, init)), None) => {
            for (keys, why) in STAYS {
                let entries = keys
                    .split(' ')
                    .filter_map(|key| settings.last_entry(key))
                    .filter(|entry| !entry.value().is_empty());
                for entry in entries {
                    let message = format!("{}= cannot go with Init=true: {why}", entry.key());
                    let problem = Problem::error(entry.key_place(), message);
                    let help = format!("remove {}=", entry.key());
                    problems.push(problem.other(init.place(), "Init= is here").help(help));
                }
            }
            ContainerKind::Init
        }
        (None, Some(_)) => ContainerKind::Sidecar,
        (None, None) => ContainerKind::Main,
    }
}

/// Reads `OnFailure=`.
pub(super) fn on_failure(settings: &Settings, problems: &mut Vec<Problem>) -> FailurePolicy {
    let Some(value) = settings.value("OnFailure", problems) else {
        return FailurePolicy::Isolate;
    };
    match value.text.as_str() {
        "isolate" => FailurePolicy::Isolate,
        "restart-pod" => FailurePolicy::RestartPod,
        "stop-pod" => FailurePolicy::StopPod,
        other => {
            let help = if other.contains('.') {
                "write isolate, restart-pod or stop-pod; units to start after a failure go into [Unit]"
            } else {
                "write isolate, restart-pod or stop-pod"
            };
            let problem = value.error("this is not a policy for failed members");
            problems.push(problem.help(help));
            FailurePolicy::Isolate
        }
    }
}

/// `ExitPolicy=`, which for Podman is `stop` if nothing is said.
pub(super) fn exit_policy(settings: &Settings, problems: &mut Vec<Problem>) -> ExitPolicy {
    let Some(value) = settings.value("ExitPolicy", problems) else {
        return ExitPolicy::Continue;
    };
    match value.text.as_str() {
        "continue" => ExitPolicy::Continue,
        "stop" => ExitPolicy::Stop,
        _ => {
            let problem = value.error("this is not a policy for pods whose containers have ended");
            problems.push(problem.help("write stop or continue"));
            ExitPolicy::Continue
        }
    }
}

/// Looks for members that cannot be what they are said to be.
pub(super) fn check(members: &[Member], problems: &mut Vec<Problem>) {
    let of = |kind| {
        move |member: &&Member| {
            let container = &member.container;
            container.kind == kind
        }
    };
    for member in members.iter().filter(of(ContainerKind::Init)) {
        let restart = member.service.iter().rev().find(|entry| entry.key() == "Restart");
        if let Some(entry) = restart.filter(|entry| ["always", "on-success"].contains(&entry.value())) {
            let message = format!(
                "Restart={} cannot go with Init=true: an init member is done when it has ended with success",
                entry.value()
            );
            let problem = Problem::error(entry.value_place(), message);
            let problem = problem.other(member.place.clone(), "the init member");
            problems.push(problem.help("write Restart=on-failure or Restart=no"));
        }
    }
    if let Some(member) = members
        .iter()
        .filter(of(ContainerKind::Sidecar))
        .nth(MOST_SIDECARS)
    {
        let message = format!("the pod has more than {MOST_SIDECARS} sidecars");
        let help = "write After= in [Unit NAME] for an order among members";
        problems.push(Problem::error(member.place.clone(), message).help(help));
    }
    let stay: Vec<&Member> = (members.iter())
        .filter(|member| member.container.kind != ContainerKind::Init)
        .collect();
    match (members.first(), stay.first()) {
        (Some(first), None) => {
            let message = "all members of the pod are init members, so that nothing would stay running";
            let problem = Problem::error(first.place.clone(), message);
            problems.push(problem.help("remove Init= of the one that stays"));
        }
        (_, Some(first)) if stay.iter().all(|member| !member.container.essential) => {
            let message =
                "no member of the pod is essential: it would be called ready whatever becomes of them";
            let problem = Problem::error(first.place.clone(), message);
            problems.push(problem.help("remove Essential= of the one that the pod is there for"));
        }
        _ => {}
    }
}

/// Adds to the members' `[Unit]` the order that follows from their kinds, and to `orders`, which holds what is written:
/// sidecars before all others, init members one after the other before the rest. A sidecar that is written to come after
/// another member does.
pub(super) fn order(pod: &Pod, members: &mut [Member], orders: &mut Vec<Order>) {
    let implied = implied(pod, members, orders);
    let mut lines: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for Implied {
        order,
        first,
        requires,
    } in &implied
    {
        for key in requires.then_some("Requires").into_iter().chain(["After"]) {
            let units = lines.entry((&order.then, key)).or_default();
            units.push(pod.name.member_unit(first));
        }
    }
    for member in members {
        let name = member.container.name.to_string();
        let own = ["Requires", "After"].into_iter().filter_map(|key| {
            let value = lines.get(&(name.as_str(), key))?.join(" ");
            Some(Directive::new(key, value))
        });
        member.container.units.unit.splice(0..0, own);
    }
    // By itself this order goes round in no circle.
    if !orders.is_empty() {
        orders.extend(implied.into_iter().map(|implied| implied.order));
    }
}

/// An order that nobody has written.
struct Implied {
    order: Order,
    first: MemberName,
    /// Whether the second cannot do without the first. Otherwise it does not even ask for it: a member's restart is none
    /// of an init member that has failed.
    requires: bool,
}

impl Implied {
    fn new(first: &Member, then: &Member, why: Why) -> Self {
        Self {
            order: Order {
                first: first.container.name.to_string(),
                then: then.container.name.to_string(),
                place: first.place.clone(),
                why,
            },
            first: first.container.name.clone(),
            requires: why == Why::Init && first.container.essential,
        }
    }
}

fn implied(pod: &Pod, members: &[Member], written: &[Order]) -> Vec<Implied> {
    let of_kind = |kind| members.iter().filter(move |member| member.container.kind == kind);
    let mut implied = Vec::new();
    // Each names the one before it, and where that is not essential the last one that is too. So all come in order, and
    // none runs if an essential one before it has failed.
    let mut last: Vec<&Member> = Vec::new();
    for init in inits(pod, members, written) {
        implied.extend(last.iter().map(|first| Implied::new(first, init, Why::Init)));
        last.retain(|before| before.container.essential && !init.container.essential);
        last.push(init);
    }
    for member in of_kind(ContainerKind::Main) {
        implied.extend(last.iter().map(|first| Implied::new(first, member, Why::Init)));
    }
    let of_inits = implied.iter().map(|implied| &implied.order);
    let mut waits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for order in written.iter().chain(of_inits) {
        waits
            .entry(order.then.clone())
            .or_default()
            .push(order.first.clone());
    }
    for sidecar in of_kind(ContainerKind::Sidecar).take(MOST_SIDECARS) {
        let before = all_before(sidecar.container.name.as_str(), &waits);
        let others = members.iter().filter(|member| {
            member.container.kind != ContainerKind::Sidecar
                && !before.contains(member.container.name.as_str())
        });
        implied.extend(others.map(|member| Implied::new(sidecar, member, Why::Sidecar)));
    }
    implied
}

/// The init members in their order: as written with `After=` and `Before=`, and otherwise as they are defined.
fn inits<'m, 'a>(pod: &Pod, members: &'m [Member<'a>], written: &[Order]) -> Vec<&'m Member<'a>> {
    // Others come as early as they can, so that they change nothing among these.
    let key = |member: &'m Member<'a>| {
        let is_init = member.container.kind == ContainerKind::Init;
        (is_init, definition_order(pod, member))
    };
    let by_name: BTreeMap<&str, &Member> = members
        .iter()
        .map(|member| (member.container.name.as_str(), member))
        .collect();
    let mut waiters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut left: BTreeMap<&str, usize> = by_name.keys().map(|name| (*name, 0)).collect();
    for order in written {
        waiters.entry(&order.first).or_default().push(&order.then);
        left.entry(&order.then).and_modify(|count| *count += 1);
    }
    let mut free: BTreeMap<_, &Member> = BTreeMap::new();
    let release = |name: &str, free: &mut BTreeMap<_, _>| {
        if let Some(member) = by_name.get(name) {
            free.insert(key(member), *member);
        }
    };
    for (name, _) in left.iter().filter(|(_, count)| **count == 0) {
        release(name, &mut free);
    }
    let mut ordered = Vec::new();
    while let Some((_, member)) = free.pop_first() {
        ordered.push(member);
        for waiter in waiters.get(member.container.name.as_str()).into_iter().flatten() {
            if let Some(count) = left.get_mut(waiter) {
                *count -= 1;
                if *count == 0 {
                    release(waiter, &mut free);
                }
            }
        }
    }
    // Those in a circle are none of these; it is an error by itself.
    ordered.retain(|member| member.container.kind == ContainerKind::Init);
    ordered
}

/// As members are defined: in the pod's own file, then in its drop-ins, then in files of their own by name.
fn definition_order<'m>(pod: &Pod, member: &'m Member) -> (u8, &'m Path, usize, &'m str) {
    let Place { path, bytes } = &member.place;
    let start = bytes.map_or(0, |(start, _)| start);
    let name = member.container.name.as_str();
    match () {
        () if member.container.source != pod.source => (2, Path::new(""), 0, name),
        () if *path != pod.source => (1, path, start, name),
        () => (0, path, start, name),
    }
}

/// All that come before a member.
fn all_before<'w>(member: &str, waits: &'w BTreeMap<String, Vec<String>>) -> BTreeSet<&'w str> {
    let mut before = BTreeSet::new();
    let mut open: Vec<&str> = vec![member];
    while let Some(at) = open.pop() {
        let new = waits.get(at).into_iter().flatten().map(String::as_str);
        let new: Vec<&str> = new.filter(|name| before.insert(*name)).collect();
        open.extend(new);
    }
    before
}
