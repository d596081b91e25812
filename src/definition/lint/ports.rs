//! Ports of the host that two pods publish.

use crate::definition::outcome::Outcome;
use crate::definition::port::{Published, overlap};
use crate::diagnostic::{Place, Problem};
use crate::model::Protocol;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Looks for ports that two pods publish. Told of are pods that are `wanted`, each pair of lines once.
pub(in crate::definition) fn across(outcomes: &mut [Outcome], wanted: &dyn Fn(&Outcome) -> bool) {
    let mut taken: BTreeMap<(u16, Protocol), Vec<(usize, usize)>> = BTreeMap::new();
    for (pod, outcome) in outcomes.iter().enumerate() {
        for (at, (port, _)) in outcome.published.iter().enumerate() {
            taken
                .entry((port.host_port, port.protocol))
                .or_default()
                .push((pod, at));
        }
    }
    let mut found = Vec::new();
    // Of two ranges, the first port that both have is enough.
    let mut known = BTreeSet::new();
    for (_, users) in taken.iter().filter(|(_, users)| users.len() > 1) {
        for (one, first) in users.iter().enumerate() {
            for second in users[one + 1..].iter().filter(|second| second.0 != first.0) {
                let of = |(pod, at): (usize, usize)| &outcomes[pod].published[at];
                let ((port, place), (other, other_place)) = (of(*first), of(*second));
                let mut is_new = || known.insert([key(place), key(other_place)]);
                if !overlap(port.host_ip, other.host_ip)
                    || exclude(&outcomes[first.0], &outcomes[second.0])
                    || !is_new()
                {
                    continue;
                }
                // The later one repeats the earlier, unless only the earlier is asked about.
                let (told, first) = if wanted(&outcomes[second.0]) {
                    (second, first)
                } else {
                    (first, second)
                };
                if wanted(&outcomes[told.0]) {
                    found.push((told.0, problem(&outcomes[first.0], of(*told), of(*first))));
                }
            }
        }
    }
    for (pod, problem) in found {
        outcomes[pod].problems.push(problem);
    }
}

fn key(place: &Place) -> (&Path, Option<(usize, usize)>) {
    (&place.path, place.bytes)
}

/// Whether one of two pods says that it does not run beside the other.
fn exclude(one: &Outcome, other: &Outcome) -> bool {
    let says = |one: &Outcome, other: &Outcome| {
        let (Some(pod), Some(other)) = (one.pod(), other.name()) else {
            return false;
        };
        let mut conflicts = pod.units.unit.iter().filter(|line| line.key == "Conflicts");
        conflicts.any(|line| line.value.split(' ').any(|unit| unit == other.unit()))
    };
    says(one, other) || says(other, one)
}

fn problem(owner: &Outcome, (port, place): &Published, (other, first): &Published) -> Problem {
    let name = owner.name().map(ToString::to_string).unwrap_or_default();
    let message = format!(
        "the pod `{name}` publishes port {}/{} of the host too: the two cannot run at the same time",
        port.host_port, port.protocol
    );
    Problem::warning(place.clone(), message)
        .other(first.clone(), format!("published here as {other}"))
        .help("publish another port, or write Conflicts= in [Unit] if only one of the two is meant to run")
        .code("port-repeated")
}
