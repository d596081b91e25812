//! What is done to pods, chosen by chance alone: nothing that is seen decides, so that a seed gives the same operations
//! again.

use crate::pods::{Form, PODS, Pod};
use fastrand::Rng;
use std::fmt;
use std::time::Duration;

/// A pod by its place in `PODS`.
pub type PodIndex = usize;

/// What systemctl is told to do with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
    Reload,
}

impl Verb {
    pub fn word(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Reload => "reload",
        }
    }
}

/// A process of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The main process of a member, by its place in the pod.
    Member(usize),
    /// The pod's PID 1, or what connects the pod while that lasts.
    Infra,
    Supervisor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `systemctl VERB` of the pod.
    Pod(PodIndex, Verb),
    /// `systemctl VERB` of a member, by its place in the pod.
    Member(PodIndex, usize, Verb),
    /// SIGKILL.
    Kill(PodIndex, Part),
    /// A member is started anew, and its launcher gets SIGKILL so many milliseconds later.
    KillLauncher(PodIndex, usize, u64),
    DaemonReload,
    DaemonReexec,
    RestartBus,
    Freeze(PodIndex),
    Thaw(PodIndex),
    /// The definition is made into another form.
    Edit(PodIndex, Form),
}

impl Operation {
    fn random(rng: &mut Rng) -> Operation {
        let pod = rng.usize(..PODS.len());
        let member = rng.usize(..PODS[pod].members.len());
        match rng.u32(..100) {
            0..16 => Operation::Pod(pod, Verb::Start),
            16..26 => Operation::Pod(pod, Verb::Stop),
            26..33 => Operation::Pod(pod, Verb::Restart),
            33..37 => Operation::Pod(pod, Verb::Reload),
            37..40 => Operation::Member(pod, member, Verb::Start),
            40..43 => Operation::Member(pod, member, Verb::Stop),
            43..47 => Operation::Member(pod, member, Verb::Restart),
            47..56 => Operation::Kill(pod, Part::Member(member)),
            56..64 => Operation::Kill(pod, Part::Infra),
            64..72 => Operation::Kill(pod, Part::Supervisor),
            72..77 => Operation::KillLauncher(pod, member, rng.u64(..40)),
            77..82 => Operation::DaemonReload,
            82..84 => Operation::DaemonReexec,
            84..86 => Operation::RestartBus,
            86..89 => Operation::Freeze(pod),
            89..92 => Operation::Thaw(pod),
            _ => Operation::Edit(pod, Form::ALL[rng.usize(..Form::ALL.len())]),
        }
    }

    /// The pod that it is done to; `None` for what concerns all, and must change none.
    pub fn pod(self) -> Option<PodIndex> {
        match self {
            Operation::Pod(pod, _)
            | Operation::Member(pod, ..)
            | Operation::Kill(pod, _)
            | Operation::KillLauncher(pod, ..)
            | Operation::Freeze(pod)
            | Operation::Thaw(pod)
            | Operation::Edit(pod, _) => Some(pod),
            Operation::DaemonReload | Operation::DaemonReexec | Operation::RestartBus => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let member = |pod: PodIndex, at: usize| {
            let pod: &Pod = &PODS[pod];
            format!("pod-{}-{}", pod.name, pod.members[at])
        };
        match *self {
            Operation::Pod(pod, verb) => write!(f, "systemctl {} pod-{}", verb.word(), PODS[pod].name),
            Operation::Member(pod, at, verb) => write!(f, "systemctl {} {}", verb.word(), member(pod, at)),
            Operation::Kill(pod, Part::Member(at)) => write!(f, "kill -9 {}", member(pod, at)),
            Operation::Kill(pod, Part::Infra) => write!(f, "kill -9 pod-{}-infra", PODS[pod].name),
            Operation::Kill(pod, Part::Supervisor) => write!(f, "kill -9 pod-{}", PODS[pod].name),
            Operation::KillLauncher(pod, at, after) => write!(
                f,
                "systemctl restart {}, its launcher gets kill -9 after {after} ms",
                member(pod, at)
            ),
            Operation::DaemonReload => f.write_str("systemctl daemon-reload"),
            Operation::DaemonReexec => f.write_str("systemctl daemon-reexec"),
            Operation::RestartBus => f.write_str("systemctl restart dbus"),
            Operation::Freeze(pod) => write!(f, "systemctl freeze {}", PODS[pod].slice()),
            Operation::Thaw(pod) => write!(f, "systemctl thaw {}", PODS[pod].slice()),
            Operation::Edit(pod, form) => write!(f, "{}.pod is {form}", PODS[pod].name),
        }
    }
}

/// Operations that follow each other so fast that one may meet the other's work; then all is left to come to rest.
#[derive(Debug)]
pub struct Burst {
    /// Each with the time until the next.
    pub steps: Vec<(Operation, Duration)>,
}

impl Burst {
    pub fn random(rng: &mut Rng) -> Burst {
        // Every other is one operation, of which it is known what must come of it.
        let length = match rng.u32(..4) {
            0 | 1 => 1,
            2 => 2,
            _ => rng.usize(3..=8),
        };
        let step = |rng: &mut Rng| {
            let operation = Operation::random(rng);
            let most = if rng.bool() { 1 } else { 80 };
            (operation, Duration::from_millis(rng.u64(..most)))
        };
        let mut steps: Vec<_> = (0..length).map(|_| step(rng)).collect();
        // systemd refuses to start and to stop what is frozen, and does not come back to it: with others that says nothing
        // of pods.
        if steps.len() > 1 {
            steps.retain(|(operation, _)| !matches!(operation, Operation::Freeze(_)));
        }
        // Many at the same pod find more than many at all of them.
        if rng.bool() {
            let pod = rng.usize(..PODS.len());
            for (operation, _) in &mut steps {
                *operation = operation.at(pod);
            }
        }
        Burst { steps }
    }

    /// The operation, if there is one only.
    pub fn single(&self) -> Option<Operation> {
        match self.steps[..] {
            [(operation, _)] => Some(operation),
            _ => None,
        }
    }
}

impl Operation {
    /// The same, at another pod.
    fn at(self, pod: PodIndex) -> Operation {
        let member = |at: usize| at % PODS[pod].members.len();
        match self {
            Operation::Pod(_, verb) => Operation::Pod(pod, verb),
            Operation::Member(_, at, verb) => Operation::Member(pod, member(at), verb),
            Operation::Kill(_, Part::Member(at)) => Operation::Kill(pod, Part::Member(member(at))),
            Operation::Kill(_, part) => Operation::Kill(pod, part),
            Operation::KillLauncher(_, at, after) => Operation::KillLauncher(pod, member(at), after),
            Operation::Freeze(_) => Operation::Freeze(pod),
            Operation::Thaw(_) => Operation::Thaw(pod),
            Operation::Edit(_, form) => Operation::Edit(pod, form),
            all @ (Operation::DaemonReload | Operation::DaemonReexec | Operation::RestartBus) => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(seed: u64) -> Vec<String> {
        let mut rng = Rng::with_seed(seed);
        let bursts = (0..200).map(|_| Burst::random(&mut rng));
        bursts
            .flat_map(|burst| {
                burst
                    .steps
                    .into_iter()
                    .map(|(operation, _)| operation.to_string())
            })
            .collect()
    }

    #[test]
    fn a_seed_gives_the_same_operations_again_and_another_gives_others() {
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
    }

    #[test]
    fn every_kind_of_operation_comes_up() {
        let all = told(1).join("\n");
        for kind in [
            "systemctl start pod-",
            "systemctl stop pod-",
            "systemctl restart pod-",
            "systemctl reload pod-",
            "kill -9 pod-solo-infra",
            "kill -9 pod-plain-a",
            "kill -9 pod-trio\n",
            "its launcher gets kill -9",
            "daemon-reload",
            "daemon-reexec",
            "restart dbus",
            "freeze pods-",
            "thaw pods-",
            "with another value",
            "with another member",
            "broken",
            "removed",
        ] {
            assert!(all.contains(kind), "{kind}");
        }
    }
}
