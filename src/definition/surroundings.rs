//! Keys of containers that can only be judged beside what the pod shares and has.

use super::linux::{Namespace, namespace_of};
use super::member::Member;
use super::section::Settings;
use crate::diagnostic::{Place, Problem};
use crate::model::{Network, Pod};
use std::collections::BTreeMap;

/// Looks for what the members cannot have; `settings` are those of `[Pod]`. What a single member says of `/dev/shm`
/// holds for the pod.
pub(super) fn check(pod: &mut Pod, settings: &Settings, members: &[Member], problems: &mut Vec<Problem>) {
    shared_memory(pod, settings, members, problems);
    parameters(pod, members, problems);
}

fn shared_memory(pod: &mut Pod, settings: &Settings, members: &[Member], problems: &mut Vec<Problem>) {
    if !pod.share.ipc {
        return;
    }
    for member in members {
        // What is wrong with the value itself has been said.
        let Some(value) = member.settings.value("ShmSize", &mut Vec::new()) else {
            continue;
        };
        if let ([one], None) = (members, settings.last_entry("ShmSize")) {
            pod.shm_size = one.container.shm_size.unwrap_or(pod.shm_size);
        } else {
            let problem = value.error("the members of this pod have one /dev/shm");
            problems.push(problem.help("write ShmSize= in [Pod], or a Share= without ipc"));
        }
    }
}

/// Kernel parameters are set by each container, in the namespace of the pod or in one of its own.
fn parameters(pod: &Pod, members: &[Member], problems: &mut Vec<Problem>) {
    let mut of_pod: BTreeMap<String, (String, Place)> = BTreeMap::new();
    for member in members {
        for value in member.settings.values("Sysctl", &mut Vec::new()) {
            let Some((name, setting)) = value.text.split_once('=') else {
                continue;
            };
            let name = name.replace('/', ".");
            let Ok(namespace) = namespace_of(&name) else {
                continue;
            };
            let is_shared = match namespace {
                Namespace::Net => pod.share.net,
                Namespace::Ipc => pod.share.ipc,
                Namespace::Uts => pod.share.uts,
            };
            if !is_shared {
                continue;
            }
            if namespace == Namespace::Net && pod.network == Network::Host {
                let problem = value.error("the pod has the network of the host, for which this would hold");
                problems.push(problem.help("write it into a file of /etc/sysctl.d (sysctl.d(5))"));
            }
            if let (Namespace::Net, Network::Pod(other)) = (namespace, &pod.network) {
                let problem = value.error(format!(
                    "the pod has the network of {other}, for which this would hold"
                ));
                problems.push(problem.help(format!("write it in a container of {other}.pod")));
            }
            let place = value.place();
            if let Some((first, other)) = of_pod.insert(name.clone(), (setting.to_owned(), place))
                && first != setting
            {
                let problem = value.error(format!(
                    "{name} is the same for all members, and is set to {first} too"
                ));
                problems.push(problem.other(other, "the other value").help("remove one of them"));
            }
        }
    }
}
