//! `podunit top POD[/MEMBER]`: the processes of a pod, by member.

use super::exec;
use super::output::{self, Format};
use super::target::Target;
use super::view::span;
use crate::diagnostic::printable;
use crate::member::{rootfs, user};
use crate::model::{MemberName, Paths, PodName};
use crate::sys::tree::Tree;
use crate::sys::{cgroup, pidfd, proc};
use anyhow::{Context, bail};
use serde::Serialize;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::process::ExitCode;

/// Shows the processes of a pod by member, those of podunit exec included.
///
/// CPU is the share of one processor that the process has used since it began; MEMORY is what is resident of it, what
/// it shares with others included; IN POD is its number in its own PID namespace. Once; watch(1) repeats it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  podunit top my-shared-pod\n  podunit top my-shared-pod/nginx-server --format json\n  \
    watch podunit top my-shared-pod\n\n\
    Exit status: 0 if the processes could be looked at, 1 if not or the pod does not run,\n2 if the command line makes no sense."
)]
pub struct Arguments {
    /// The pod, or one member of it
    #[arg(value_name = "POD[/MEMBER]")]
    target: String,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A process of a pod.
#[derive(Debug, Serialize)]
struct Row {
    /// The member; `None` for what is the pod's.
    member: Option<MemberName>,
    /// Its unit.
    unit: String,
    /// Its number on this machine.
    pid: i32,
    /// Its number in its own PID namespace.
    inner_pid: i32,
    /// Its user, by the name that the container has for it.
    user: String,
    /// Per cent of one processor since it began.
    cpu: f64,
    /// Bytes that are resident.
    memory: u64,
    /// Seconds since it began.
    age: u64,
    /// Its arguments.
    command: String,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let target = Target::find(&arguments.target, paths)?;
    let rows = look(&target)?;
    if rows.is_empty() {
        match &target.member {
            Some(member) => bail!("{}/{member} has no process", target.pod.name),
            None => bail!(
                "the pod {} does not run; `systemctl start {}` starts it",
                target.pod.name,
                target.pod.name.unit()
            ),
        }
    }
    match arguments.format {
        Format::Json => output::json(&rows)?,
        Format::Text => output::table(
            &[
                "MEMBER", "PID", "IN POD", "USER", "CPU", "MEMORY", "AGE", "COMMAND",
            ],
            &rows.iter().map(columns).collect::<Vec<_>>(),
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn columns(row: &Row) -> Vec<String> {
    vec![
        row.member
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string),
        row.pid.to_string(),
        row.inner_pid.to_string(),
        printable(&row.user).into_owned(),
        format!("{:.1}%", row.cpu),
        output::size(row.memory),
        span(row.age),
        printable(&row.command).into_owned(),
    ]
}

/// The processes of the target, by member and number; those that are the pod's first.
fn look(target: &Target) -> anyhow::Result<Vec<Row>> {
    let pod = &target.pod;
    let slice = pod.name.slice();
    let found = cgroup::processes(&pod.name.slice_cgroup())
        .with_context(|| format!("cannot see the cgroups of the pod {}", pod.name))?;
    let mut accounts = HashMap::new();
    let mut rows = Vec::with_capacity(found.len());
    for (pid, unit) in found {
        let member = member_of(&unit, &pod.name, pod.members.iter().map(|member| &member.name));
        if target.member.is_some() && target.member != member {
            continue;
        }
        // One that has ended meanwhile is not shown, nor another that has its number.
        let Ok(held) = pidfd::open(pid) else { continue };
        let groups = pidfd::read(held.as_fd(), pid, "cgroup");
        if !groups.is_ok_and(|groups| cgroup::is_of_unit(&groups, &slice)) {
            continue;
        }
        let Ok(process) = proc::look(held.as_fd(), pid) else {
            continue;
        };
        let accounts = accounts.entry(unit.clone()).or_insert_with(|| {
            Tree::open(format!("/proc/{pid}/root"))
                .and_then(|root| rootfs::read_accounts(&root).map_err(std::io::Error::other))
                .unwrap_or_default()
                .0
        });
        rows.push(Row {
            member,
            unit,
            pid,
            inner_pid: process.inner_pid,
            user: user::name(process.uid, accounts).map_or_else(|| process.uid.to_string(), str::to_owned),
            cpu: match process.age.is_zero() {
                true => 0.0,
                false => 100.0 * process.cpu.as_secs_f64() / process.age.as_secs_f64(),
            },
            memory: process.memory,
            age: process.age.as_secs(),
            command: process.command,
        });
    }
    rows.sort_by(|a, b| (&a.member, a.pid).cmp(&(&b.member, b.pid)));
    Ok(rows)
}

/// The member whose unit this is, or in which `podunit exec` runs something in this scope.
fn member_of<'a>(
    unit: &str,
    pod: &PodName,
    mut members: impl Iterator<Item = &'a MemberName>,
) -> Option<MemberName> {
    // Its random part has no dash: another member may be called as this one with more behind.
    let (scope, _) = unit.rsplit_once('-').unwrap_or_default();
    let is_scope = |name: &MemberName| exec::scope_name(pod, name, "").strip_suffix("-.scope") == Some(scope);
    let is_of = |name: &&MemberName| unit == pod.member_unit(name) || is_scope(name);
    members.find(is_of).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_of_the_member_whose_name_it_has() {
        let pod: PodName = "web".parse().unwrap();
        let members = ["a", "a-b"].map(|name| MemberName::new(name).unwrap());
        let of = |unit: &str| member_of(unit, &pod, members.iter()).map(|member| member.to_string());
        assert_eq!(of("pod-web-a.service").as_deref(), Some("a"));
        assert_eq!(of("podunit-exec-web-a-b-0123abcd.scope").as_deref(), Some("a-b"));
        assert_eq!(of("podunit-exec-web-a-0123abcd.scope").as_deref(), Some("a"));
        for other in ["pod-web-infra.service", "podunit-exec-web-c-0123abcd.scope", "a"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
