//! What must come of one operation on pods at rest. Pure.

use crate::look::{Look, SUPERVISOR, Seen};
use crate::operation::{Operation, Part, Verb};
use crate::pods::PODS;

/// What is otherwise than it must be after `operation`; `status` is that of systemctl, if it was called, and
/// `is_known` tells whether systemd has read the definition as it is, and it is valid.
pub fn surprises(
    operation: Operation,
    status: Option<i32>,
    is_known: bool,
    before: &Look,
    after: &Look,
) -> Vec<String> {
    let mut found = Vec::new();
    for (at, pod) in PODS.iter().enumerate() {
        let (before, after) = (&before.pods[at], &after.pods[at]);
        let mut wrong = Vec::new();
        if operation.pod() == Some(at) {
            of_its_pod(operation, status, is_known, before, after, &mut wrong);
        } else {
            unchanged(before, after, &[], &mut wrong);
        }
        found.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", pod.name)));
    }
    found
}

/// Main processes must be the same, but for those named.
fn unchanged(before: &Seen, after: &Seen, but: &[&str], wrong: &mut Vec<String>) {
    let now = after.main_processes();
    for (part, pid) in before.main_processes() {
        if !but.contains(&part) && now[part] != pid {
            wrong.push(format!("the process of {part} was {pid} and is {}", now[part]));
        }
    }
    if before.own.active != after.own.active {
        wrong.push(format!("was {} and is {}", before.own.active, after.own.active));
    }
}

fn of_its_pod(
    operation: Operation,
    status: Option<i32>,
    is_known: bool,
    before: &Seen,
    after: &Seen,
    wrong: &mut Vec<String>,
) {
    let was_active = before.own.is_active();
    match operation {
        Operation::Pod(pod, Verb::Reload) => {
            // It tells the truth of the member that is to be reloaded, too.
            let runs = was_active && before.members[PODS[pod].reloaded()].is_active();
            must_exit(status, |status| (status == 0) == runs, wrong);
            unchanged(before, after, &[], wrong);
        }
        Operation::Pod(_, verb) => of_verb(verb, status, is_known, before, after, wrong),
        Operation::Member(pod, at, Verb::Restart) | Operation::KillLauncher(pod, at, _) if was_active => {
            let member = PODS[pod].members[at];
            unchanged(before, after, &with_needing(pod, member), wrong);
            must_be_up(member, after, wrong);
        }
        Operation::Member(pod, at, Verb::Stop) => {
            let member = PODS[pod].members[at];
            // As for a pod: one that is unknown cannot be stopped.
            must_exit(status, |status| status == 0 || !was_active, wrong);
            unchanged(before, after, &with_needing(pod, member), wrong);
            if after.members[member].is_active() {
                wrong.push(format!("{member} is still there"));
            }
        }
        Operation::Kill(pod, Part::Member(at)) if was_active => {
            let member = PODS[pod].members[at];
            unchanged(before, after, &with_needing(pod, member), wrong);
            if before.members[member].is_active() {
                must_be_up(member, after, wrong);
            }
        }
        Operation::Kill(pod, Part::Infra) if was_active && PODS[pod].shares_pid => {
            if after.own.main_process != before.own.main_process {
                wrong.push("the supervisor is another".to_owned());
            }
            for member in before.active_members() {
                must_be_up(member, after, wrong);
            }
            let now = after.main_processes();
            for (part, pid) in before.main_processes() {
                if part != SUPERVISOR && pid != 0 && now[part] == pid {
                    wrong.push(format!("{part} has outlived infra"));
                }
            }
        }
        // Wants= brings members along that were down.
        Operation::Kill(_, Part::Supervisor) if was_active => {
            let down: Vec<&str> = before
                .members
                .iter()
                .filter(|(_, unit)| !unit.is_active())
                .map(|(name, _)| *name)
                .collect();
            unchanged(before, after, &[&[SUPERVISOR], down.as_slice()].concat(), wrong);
            if after.own.main_process == before.own.main_process {
                wrong.push("the supervisor lives on".to_owned());
            }
        }
        Operation::Kill(..) | Operation::Freeze(_) | Operation::Thaw(_) | Operation::Edit(..) => {
            unchanged(before, after, &[], wrong);
        }
        _ => {}
    }
}

/// The member, and those of the same pod that go with a member that is stopped (`Requires=`).
fn with_needing(pod: usize, member: &'static str) -> Vec<&'static str> {
    let requirements = PODS[pod].requirements.iter();
    let needing = requirements.filter(|(_, needed)| *needed == member);
    needing.map(|(needing, _)| *needing).chain([member]).collect()
}

fn of_verb(
    verb: Verb,
    status: Option<i32>,
    is_known: bool,
    before: &Seen,
    after: &Seen,
    wrong: &mut Vec<String>,
) {
    let was_active = before.own.is_active();
    match verb {
        Verb::Start | Verb::Restart if is_known => {
            must_exit(status, |status| status == 0, wrong);
            if !after.own.is_active() {
                wrong.push(format!("is {}", after.own.active));
            }
            if verb == Verb::Restart || !was_active {
                for member in after.started_with.iter().flatten() {
                    must_be_up(member, after, wrong);
                }
            }
            let now = after.main_processes();
            for (part, pid) in before.main_processes() {
                let same = pid != 0 && now[part] == pid;
                if verb == Verb::Restart && same {
                    wrong.push(format!("{part} was not started anew"));
                }
                if verb == Verb::Start && was_active && pid != 0 && !same {
                    wrong.push(format!("the process of {part} was {pid} and is {}", now[part]));
                }
            }
        }
        Verb::Start | Verb::Restart | Verb::Reload => {}
        Verb::Stop => {
            // One that is unknown cannot be stopped, and is not there.
            must_exit(status, |status| status == 0 || !was_active, wrong);
            if after.own.is_active() {
                wrong.push("is still there".to_owned());
            }
        }
    }
}

fn must_exit(status: Option<i32>, is_right: impl Fn(i32) -> bool, wrong: &mut Vec<String>) {
    if let Some(status) = status.filter(|status| !is_right(*status)) {
        wrong.push(format!("systemctl ended with {status}"));
    }
}

fn must_be_up(member: &str, after: &Seen, wrong: &mut Vec<String>) {
    let unit = after.members.get(member);
    if !unit.is_some_and(|unit| unit.is_active()) {
        wrong.push(format!("{member} has not come up"));
    }
}
