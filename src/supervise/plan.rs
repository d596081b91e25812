//! What the supervisor keeps of a compiled pod: little, since it stays in memory as long as the pod.

use super::probe::Rules;
use crate::model::{
    ContainerKind, ExitPolicy, FailurePolicy, MemberName, Pod, PodName, Probes, Protocol, PullPolicy, Ready,
    Request, Signal, SignalMap,
};
use std::time::Duration;

/// A pod, as its supervisor sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Name of the pod.
    pub(super) name: PodName,
    /// TCP ports of the pod that are published, each once.
    pub(super) ports: Vec<u16>,
    /// Whether the members share a network namespace.
    pub(super) share_net: bool,
    /// How long the pod may take until it is ready.
    pub(super) start_timeout: Option<Duration>,
    /// What becomes of the pod when a member has failed for good.
    pub(super) on_failure: FailurePolicy,
    /// What becomes of the pod when all of its members have ended.
    pub(super) on_end: ExitPolicy,
    /// Members, sorted by name.
    pub(super) members: Vec<MemberPlan>,
    /// Images that units fetch, each once.
    pub(super) images: Vec<ImagePlan>,
}

/// An image that a unit fetches.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImagePlan {
    /// The image, as the definition has it.
    pub(super) reference: String,
    /// The unit.
    pub(super) unit: String,
}

/// A member, as the supervisor sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MemberPlan {
    /// Name.
    pub(super) name: MemberName,
    /// Its unit.
    pub(super) unit: String,
    /// Whether it sends `READY=1` itself.
    pub(super) notify: bool,
    /// Its probes.
    pub(super) probes: Probes,
    /// How they run, if there are any.
    pub(super) rules: Option<Rules>,
    /// Whether one of them has to pass before it is ready.
    pub(super) is_gated: bool,
    /// Whether the pod needs it.
    pub(super) essential: bool,
    /// Whether it runs to its end before others start.
    pub(super) init: bool,
    /// `SignalMap=`.
    pub(super) signal_map: SignalMap,
    /// `ReloadSignal=`.
    pub(super) reload_signal: Option<Signal>,
    /// The image that it waits for, by its place in the pod.
    pub(super) image: Option<usize>,
}

impl Plan {
    /// Takes what is needed from a compiled pod.
    pub(super) fn new(pod: Pod) -> Self {
        let tcp = pod.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
        let mut ports: Vec<u16> = tcp.map(|port| port.container_port).collect();
        ports.sort_unstable();
        ports.dedup();
        let name = pod.name;
        let mut images: Vec<ImagePlan> = Vec::new();
        let mut image = |request: &Request| {
            if request.policy == PullPolicy::Never {
                return None;
            }
            let unit = request.unit();
            let known = images.iter().position(|image| image.unit == unit);
            Some(known.unwrap_or_else(|| {
                let reference = request.reference.clone();
                images.push(ImagePlan { reference, unit });
                images.len() - 1
            }))
        };
        let members = pod.members.into_iter().map(|member| MemberPlan {
            unit: name.member_unit(&member.name),
            notify: member.ready == Ready::Notify,
            essential: member.essential,
            init: member.kind == ContainerKind::Init,
            image: member.request().and_then(&mut image),
            rules: Rules::of(&member.name, member.ready, &member.probes),
            is_gated: member.is_gated(),
            probes: member.probes,
            signal_map: member.signal_map,
            reload_signal: member.reload_signal,
            name: member.name,
        });
        let members: Vec<MemberPlan> = members.collect();
        Self {
            name,
            ports,
            share_net: pod.share.net,
            start_timeout: pod.start_timeout,
            on_failure: pod.on_failure,
            on_end: pod.exit_policy,
            members,
            images,
        }
    }

    /// The units that fetch images for the pod.
    pub(super) fn image_units(&self) -> Vec<String> {
        self.images.iter().map(|image| image.unit.clone()).collect()
    }

    /// The units of the pod: supervisor, infra, members.
    pub(super) fn units(&self) -> Vec<String> {
        let members = self.members.iter().map(|member| member.unit.clone());
        [self.name.unit(), self.name.infra_unit()]
            .into_iter()
            .chain(members)
            .collect()
    }
}
