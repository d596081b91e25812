//! `PublishPort=`: one value, and what the values of a pod say together.

use super::section::{Settings, short};
use crate::diagnostic::{Place, Problem};
use crate::model::{PodName, PortMapping, Protocol, port};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A pod cannot publish more: there are no more ports.
const MOST: usize = 65_535;

/// A published port and where it was written.
pub(super) type Published = (PortMapping, Place);

/// The ports of a pod, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// Those that are.
    pub(super) published: Vec<Published>,
    /// Values in which something stands for the instance.
    of_instances: Vec<(String, Place)>,
}

impl Ports {
    /// Where they are written.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        let published = self.published.iter().map(|(_, place)| place);
        published.chain(self.of_instances.iter().map(|(_, place)| place))
    }

    /// Fills in the instance of a pod that is one. What a template leaves open is given back.
    pub(super) fn settle(&mut self, pod: &PodName, problems: &mut Vec<Problem>) -> Vec<String> {
        let mut open = Vec::new();
        for (text, place) in std::mem::take(&mut self.of_instances) {
            // That of a template is read as that of an instance which there could be.
            let example = pod.is_template().then_some("1");
            let read = match pod.instance().or(example) {
                Some(instance) => port::of_instance(&text, instance),
                None => Err((
                    "this pod is neither a template nor an instance".to_owned(),
                    "write the port itself, or call the file NAME@.pod or NAME@.container",
                )),
            };
            match read {
                Ok(_) if pod.is_template() => open.push(text),
                Ok(all) => self
                    .published
                    .extend(all.into_iter().map(|port| (port, place.clone()))),
                Err((message, help)) => {
                    let message = format!("PublishPort={}: {message}", short(&text));
                    problems.push(Problem::error(place, message).help(help));
                }
            }
        }
        open
    }
}

/// Adds the values of `PublishPort=` to `ports`, ranges written out.
pub(super) fn read(settings: &Settings, ports: &mut Ports, problems: &mut Vec<Problem>) {
    for value in settings.values("PublishPort", problems) {
        // Too many already, which is said in the end.
        if ports.published.len() > MOST {
            return;
        }
        if value.text.contains('%') {
            ports.of_instances.push((value.text.clone(), value.place()));
            continue;
        }
        match port::parse(&value.text) {
            Ok(all) => {
                let all = all.into_iter().map(|port| (port, value.place()));
                ports.published.extend(all);
            }
            Err((message, help)) => problems.push(value.error(message).help(help)),
        }
    }
}

/// Looks for ports of the host that would be published twice.
pub(super) fn check(ports: &[Published], problems: &mut Vec<Problem>) {
    if let Some((_, place)) = ports.get(MOST) {
        let message = format!("the pod publishes more than {MOST} ports");
        return problems
            .push(Problem::error(place.clone(), message).help("publish fewer, or write Network=host"));
    }
    let mut taken: BTreeMap<(u16, Protocol), Vec<&Published>> = BTreeMap::new();
    // Of two ranges that overlap, one pair is enough.
    let mut reported: Vec<(&Place, &Place)> = Vec::new();
    for published in ports.iter().filter(|(port, _)| port.host_port != 0) {
        let (port, place) = published;
        let earlier = taken.entry((port.host_port, port.protocol)).or_default();
        let clash = earlier
            .iter()
            .find(|(other, _)| overlap(other.host_ip, port.host_ip));
        if let Some((other, first)) = clash
            && !reported.contains(&(first, place))
        {
            reported.push((first, place));
            let message = format!(
                "port {}/{} of the host is published twice",
                port.host_port, port.protocol
            );
            problems.push(
                Problem::error(place.clone(), message)
                    .other(first.clone(), format!("published here as {other}"))
                    .help("publish each port of the host once"),
            );
        }
        earlier.push(published);
    }
}

/// Whether a port on one address is the same port as on the other; none stands for all addresses.
pub(super) fn overlap(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one == other
                || (one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified()))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_when_one_is_all() {
        let ip = |text: &str| Some(text.parse().unwrap());
        assert!(overlap(None, ip("127.0.0.1")));
        assert!(overlap(ip("0.0.0.0"), ip("127.0.0.1")));
        assert!(!overlap(ip("127.0.0.2"), ip("127.0.0.1")));
        assert!(!overlap(ip("::"), ip("127.0.0.1")));
    }
}
