//! What only shows when all parts are looked at together: names that are taken, and orders that go round in a circle.

use super::directive::{Order, Why};
use super::member::Member;
use super::outcome::Outcome;
use crate::diagnostic::{Place, Problem};
use crate::model::name::UNIT_NAME_MAX;
use crate::model::{Container, Directive, Network, Pod, PodName};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// Looks for members of one name; `members` are sorted by name.
pub(super) fn one_of_each_name(members: &[Member], problems: &mut Vec<Problem>) {
    for pair in members.windows(2) {
        let [first, second] = pair else { continue };
        if first.container.name == second.container.name {
            let message = format!("the pod has two containers called `{}`", second.container.name);
            let problem =
                Problem::error(second.place.clone(), message).other(first.place.clone(), "the first one");
            problems.push(problem.help("rename or remove one of them"));
        }
    }
}

/// Looks for units whose names would be too long.
pub(super) fn unit_names_fit(pod: &PodName, members: &[Member], problems: &mut Vec<Problem>) {
    for member in members {
        let unit = pod.member_unit(&member.container.name);
        if unit.len() > UNIT_NAME_MAX {
            let message = format!(
                "the unit of this container would have a name of {} bytes",
                unit.len()
            );
            let help = format!(
                "shorten the name of the pod or of the container; {UNIT_NAME_MAX} bytes are the most"
            );
            problems.push(Problem::error(member.place.clone(), message).help(help));
        }
    }
}

/// Looks for volumes of templates in a pod that systemd knows no instance of.
pub(super) fn volumes_have_instances(pod: &PodName, members: &[Member], problems: &mut Vec<Problem>) {
    if pod.is_template() || pod.instance().is_some() {
        return;
    }
    for member in members {
        let mut needed = member
            .container
            .units
            .unit
            .iter()
            .filter(|line| line.key == "Requires");
        let template = needed.find_map(|line| line.value.split(' ').find(|unit| unit.ends_with("@.service")));
        if let Some(unit) = template {
            let message =
                format!("a volume of this container is that of a template, {unit}, and the pod is none");
            let help = "name an instance of it: Volume=NAME@INSTANCE.volume:/path";
            problems.push(Problem::error(member.place.clone(), message).help(help));
        }
    }
}

/// Looks for members or pods that wait for each other, and draws each circle once; `what` they are is for messages.
pub(super) fn no_circles(what: &str, orders: &[Order], problems: &mut Vec<Problem>) {
    let mut waits: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    let mut waiters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // For how many others each one waits still.
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for order in orders {
        waits.entry(&order.then).or_default().push(order);
        waiters.entry(&order.first).or_default().push(&order.then);
        left.entry(&order.first).or_default();
        *left.entry(&order.then).or_default() += 1;
    }
    let mut free: Vec<&str> = left
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(name, _)| *name)
        .collect();
    loop {
        while let Some(name) = free.pop() {
            left.remove(name);
            for waiter in waiters.get(name).into_iter().flatten() {
                if let Some(count) = left.get_mut(waiter) {
                    *count -= 1;
                    if *count == 0 {
                        free.push(waiter);
                    }
                }
            }
        }
        // Everyone left waits for someone left, so a walk from anywhere comes back to where it was.
        let Some(mut at) = left.keys().next().copied() else {
            return;
        };
        let mut path: Vec<&Order> = Vec::new();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        while !seen.contains_key(at) {
            let next = waits
                .get(at)
                .into_iter()
                .flatten()
                .find(|order| left.contains_key(order.first.as_str()));
            let Some(next) = next else { return };
            seen.insert(at, path.len());
            path.push(next);
            at = &next.first;
        }
        let circle = &path[seen[at]..];
        problems.push(draw(what, circle));
        free.extend(circle.iter().map(|order| order.then.as_str()));
    }
}

fn draw(what: &str, circle: &[&Order]) -> Problem {
    let mut names: Vec<&str> = circle.iter().map(|order| order.then.as_str()).collect();
    names.extend(circle.last().map(|order| order.first.as_str()));
    let mut message = format!(
        "these {what} wait for each other in a circle: {}",
        names.join(" → ")
    );
    let is_implied = |order: &&&Order| order.why != Why::Written;
    if circle.iter().any(|order| is_implied(&order)) {
        let reasons: Vec<String> = circle.iter().map(|order| reason(order)).collect();
        message += &format!("; {}", reasons.join(", "));
    }
    let place = circle.first().map(|order| order.place.clone());
    let problem = Problem::error(place.unwrap_or_else(|| Place::file("")), message);
    let problem = match circle.last().filter(|_| circle.len() > 1) {
        Some(last) => problem.other(
            last.place.clone(),
            format!("here `{}` waits for `{}`", last.then, last.first),
        ),
        None => problem,
    };
    let joins = circle.iter().any(|order| order.why == Why::Network);
    problem.help(if joins {
        "remove one After=, Before= or Network= of the circle"
    } else {
        "remove one After= or Before= of the circle"
    })
}

/// Why one waits for the other, where After= and Before= alone do not tell.
fn reason(order: &Order) -> String {
    let Order { first, then, .. } = order;
    match order.why {
        Why::Written => format!("`{then}` is to start after `{first}`"),
        Why::Init => format!("`{first}` is an init member, which comes before `{then}`"),
        Why::Network => format!("`{then}` joins the network of `{first}`"),
        Why::Sidecar => format!("`{first}` is a sidecar, which comes before `{then}`"),
    }
}

/// Looks for aliases that are units of the pod, or aliases of another of its units.
pub(super) fn aliases_are_free(pod: &Pod, problems: &mut Vec<Problem>) {
    let mut taken: BTreeMap<String, String> = pod
        .service_units()
        .into_iter()
        .map(|unit| (unit.clone(), unit))
        .collect();
    let member = |member: &Container| (pod.name.member_unit(&member.name), aliases(&member.units.install));
    let quadlet = pod.quadlet_names().into_iter();
    let all = pod
        .members
        .iter()
        .map(member)
        .chain([(pod.name.unit(), aliases(&pod.units.install))])
        .chain(quadlet.map(|(alias, unit)| (unit, vec![alias])));
    for (unit, aliases) in all {
        for alias in aliases {
            let owner = taken.entry(alias.clone()).or_insert_with(|| unit.clone());
            if *owner != unit {
                let message = format!("the name {alias}, by which {unit} is known too, is taken by {owner}");
                let help = "choose another with Alias= or ServiceName=, or rename the file";
                problems.push(Problem::error(Place::file(&pod.source), message).help(help));
            }
        }
    }
}

fn aliases(install: &[Directive]) -> Vec<String> {
    let lines = install.iter().filter(|line| line.key == "Alias");
    lines
        .flat_map(|line| line.value.split_ascii_whitespace().map(str::to_owned))
        .collect()
}

/// Looks for units of one name. Of two pods that would have one, the first by name stands; the other is broken, or
/// nothing at all where even the unit of its own name is the other's.
pub(super) fn units_differ(outcomes: &mut [Outcome]) {
    outcomes.sort_by(|a, b| (a.name(), &a.files).cmp(&(b.name(), &b.files)));
    // Units, and whose they are: the place of the owner in `owners`.
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut owners: Vec<(PodName, PathBuf)> = Vec::new();
    for outcome in outcomes {
        let Some(name) = outcome.name().cloned() else {
            continue;
        };
        let mut units = outcome.pod().map(units_of).unwrap_or_default();
        let clash = units
            .iter()
            .find_map(|unit| Some((unit, &owners[*taken.get(unit)?])));
        if let Some((unit, (owner, source))) = clash {
            let message =
                format!("the pod `{name}` would have a unit {unit}, but the pod `{owner}` has it already");
            let problem = Problem::error(Place::file(outcome.source()), message);
            outcome.fail(
                problem
                    .other(Place::file(source), format!("the pod `{owner}`"))
                    .help("rename one of the pods or containers"),
            );
        }
        // A broken pod has one unit, which says so.
        if outcome.pod().is_none() {
            units = vec![name.unit()];
            if taken.contains_key(&units[0]) {
                outcome.forget();
                continue;
            }
        }
        taken.extend(units.into_iter().map(|unit| (unit, owners.len())));
        owners.push((name, outcome.source().to_owned()));
    }
}

/// Looks for whole pods that wait for each other. The first pod of a circle by name is broken, which leaves the others
/// as they are: without it they wait for nobody who waits for them.
pub(super) fn no_circles_of_pods(outcomes: &mut [Outcome]) {
    let pods = || outcomes.iter().filter_map(Outcome::pod);
    let joins = |pod: &Pod| matches!(pod.network, Network::Pod(_));
    if !pods().any(|pod| joins(pod) || pod.units.unit.iter().any(is_order)) {
        return;
    }
    let units: BTreeMap<String, String> = pods()
        .map(|pod| (pod.name.unit(), pod.name.to_string()))
        .collect();
    let orders: Vec<Order> = pods().flat_map(|pod| orders_of(pod, &units)).collect();
    let mut problems = Vec::new();
    no_circles("pods", &orders, &mut problems);
    for problem in problems {
        let first = outcomes
            .iter_mut()
            .find(|outcome| outcome.pod().is_some_and(|pod| pod.source == problem.place.path));
        if let Some(outcome) = first {
            outcome.fail(problem);
        }
    }
}

fn is_order(line: &Directive) -> bool {
    ["After", "Before"].contains(&line.key.as_str())
}

/// The orders between a pod and others that its `[Unit]` asks for, and its network; `units` are the pods by their units.
fn orders_of(pod: &Pod, units: &BTreeMap<String, String>) -> Vec<Order> {
    let mut orders = Vec::new();
    if let Network::Pod(other) = &pod.network {
        orders.push(Order {
            first: other.to_string(),
            then: pod.name.to_string(),
            place: Place::file(&pod.source),
            why: Why::Network,
        });
    }
    for line in pod.units.unit.iter().filter(|line| is_order(line)) {
        let others = line
            .value
            .split_ascii_whitespace()
            .filter_map(|unit| units.get(unit));
        for other in others {
            let (own, other) = (pod.name.to_string(), other.clone());
            let (first, then) = if line.key == "After" {
                (other, own)
            } else {
                (own, other)
            };
            let place = Place::file(&pod.source);
            orders.push(Order {
                first,
                then,
                place,
                why: Why::Written,
            });
        }
    }
    orders
}

/// Names of all units of a pod, aliases too.
fn units_of(pod: &Pod) -> Vec<String> {
    let installs = pod
        .members
        .iter()
        .map(|member| &member.units.install)
        .chain([&pod.units.install]);
    let aliases = installs.flat_map(|install| aliases(install));
    let quadlet = pod.quadlet_names().into_iter().map(|(alias, _)| alias);
    let mut units: Vec<String> = aliases.chain(pod.service_units()).chain(quadlet).collect();
    units.sort_unstable();
    units.dedup();
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(orders: &[(&str, &str)]) -> Vec<String> {
        let order = |(then, first): &(&str, &str)| Order {
            first: (*first).to_owned(),
            then: (*then).to_owned(),
            place: Place::file("x.pod"),
            why: Why::Written,
        };
        let orders: Vec<Order> = orders.iter().map(order).collect();
        let mut problems = Vec::new();
        no_circles("containers", &orders, &mut problems);
        let drawn = |problem: Problem| problem.message.rsplit(": ").next().unwrap().to_owned();
        problems.into_iter().map(drawn).collect()
    }

    #[test]
    fn circles_are_drawn_once() {
        assert!(circles(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
        assert_eq!(circles(&[("a", "a")]), ["a → a"]);
        assert_eq!(
            circles(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("a", "e")]),
            ["a → b → c → a"]
        );
        assert_eq!(
            circles(&[("x", "y"), ("y", "x"), ("a", "b"), ("b", "a")]),
            ["a → b → a", "x → y → x"]
        );
        // A walk that begins outside of the circle.
        assert_eq!(
            circles(&[("c", "a"), ("a", "b"), ("b", "d"), ("d", "b"), ("d", "c")]),
            ["b → d → b"]
        );
    }

    #[test]
    fn long_chains_are_no_burden() {
        let names: Vec<String> = (0..20_000).map(|n| format!("m{n:05}")).collect();
        let chain: Vec<(&str, &str)> = names
            .windows(2)
            .map(|pair| (pair[0].as_str(), pair[1].as_str()))
            .collect();
        assert!(circles(&chain).is_empty());
    }
}
