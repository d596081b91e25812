//! A profile of `SeccompProfile=`: the file format of Podman and Docker (seccomp.json(5)), whose rules may depend on
//! capabilities, processor and kernel, as the runtime takes it.

use super::oci::{Argument, Rule, Seccomp};
use serde::Deserialize;
use std::borrow::Cow;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is no such file.
    #[error("it is not a seccomp profile: {0}")]
    Json(#[from] serde_json::Error),
    /// A rule that depends on a kernel's version, which is none.
    #[error("`{0}` is not the version of a kernel")]
    Kernel(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    arch_map: Vec<Architecture>,
    #[serde(default)]
    syscalls: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Architecture {
    architecture: String,
    #[serde(default)]
    sub_architectures: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileRule {
    #[serde(default)]
    names: Vec<String>,
    name: Option<String>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<FileArgument>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileArgument {
    index: u32,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// The machine that rules may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'m> {
    /// Capabilities of the container.
    pub capabilities: &'m [String],
    /// As Go calls the processor: `amd64`.
    pub architecture: &'m str,
    /// The kernel's release, `6.12.1-x`.
    pub kernel: &'m str,
}

/// Reads a profile for a container on a machine.
///
/// # Errors
/// It is none.
pub fn read(text: &str, machine: Machine<'_>) -> Result<Seccomp, ProfileError> {
    let file: File = serde_json::from_str(text)?;
    let mut syscalls = Vec::new();
    for rule in file.syscalls {
        if !applies(&rule.includes, machine, true)? || !applies(&rule.excludes, machine, false)? {
            continue;
        }
        syscalls.push(Rule {
            names: rule.names.into_iter().chain(rule.name).map(Cow::Owned).collect(),
            action: rule.action.into(),
            errno_ret: rule.errno_ret,
            args: rule.args.unwrap_or_default().into_iter().map(argument).collect(),
        });
    }
    Ok(Seccomp {
        default_action: file.default_action.into(),
        default_errno_ret: file.default_errno_ret,
        architectures: architectures(file.architectures, file.arch_map, machine),
        syscalls,
    })
}

fn argument(argument: FileArgument) -> Argument {
    Argument {
        index: argument.index,
        value: argument.value,
        value_two: (argument.value_two != 0).then_some(argument.value_two),
        op: argument.op.into(),
    }
}

fn architectures(
    listed: Vec<String>,
    map: Vec<Architecture>,
    machine: Machine<'_>,
) -> Vec<Cow<'static, str>> {
    let native = match machine.architecture {
        "amd64" => "SCMP_ARCH_X86_64",
        "arm64" => "SCMP_ARCH_AARCH64",
        // The runtime knows its own.
        _ => "",
    };
    let own = map.into_iter().find(|entry| entry.architecture == native);
    let mapped = own.map(|entry| {
        std::iter::once(entry.architecture)
            .chain(entry.sub_architectures)
            .collect::<Vec<String>>()
    });
    mapped.unwrap_or(listed).into_iter().map(Cow::Owned).collect()
}

/// Whether a rule with this condition is in force: what it includes must all be there, of what it excludes nothing.
fn applies(condition: &Condition, machine: Machine<'_>, includes: bool) -> Result<bool, ProfileError> {
    let has = |name: &String| machine.capabilities.contains(name);
    let capabilities = condition.caps.as_ref().filter(|names| !names.is_empty());
    let arches = condition.arches.as_ref().filter(|names| !names.is_empty());
    let is_arch = arches.map(|names| names.iter().any(|name| name == machine.architecture));
    let is_new = match &condition.min_kernel {
        Some(version) => Some(at_least(machine.kernel, version)?),
        None => None,
    };
    Ok(match includes {
        true => {
            capabilities.is_none_or(|names| names.iter().all(has))
                && is_arch != Some(false)
                && is_new != Some(false)
        }
        false => {
            !capabilities.is_some_and(|names| names.iter().any(has))
                && is_arch != Some(true)
                && is_new != Some(true)
        }
    })
}

/// Whether a release, `6.12.1-x`, is a version, `4.8`, or later.
fn at_least(release: &str, version: &str) -> Result<bool, ProfileError> {
    let numbers = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let wanted = numbers(version).ok_or_else(|| ProfileError::Kernel(version.to_owned()))?;
    // Not to know one's own kernel is no reason to fail; all that podunit runs on are later.
    Ok(numbers(release).is_none_or(|own| own >= wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine<'_> = Machine {
        capabilities: &[],
        architecture: "amd64",
        kernel: "6.12.1-debian",
    };

    const PROFILE: &str = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}
        ],
        "syscalls": [
            {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "", "includes": {}, "excludes": {}},
            {"name": "clone", "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}], "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["future"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "7.0"}},
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": null}
        ]
    }"#;

    fn names(machine: Machine<'_>) -> Vec<String> {
        let profile = read(PROFILE, machine).unwrap();
        let rules = profile.syscalls.into_iter();
        rules.flat_map(|rule| rule.names).map(Cow::into_owned).collect()
    }

    #[test]
    fn rules_depend_on_the_machine() {
        assert_eq!(
            names(MACHINE),
            ["read", "write", "clone", "arch_prctl", "ptrace", "mkdir"]
        );
        let admin = ["CAP_SYS_ADMIN".to_owned()];
        let admin = Machine {
            capabilities: &admin,
            architecture: "arm64",
            kernel: "4.4",
        };
        assert_eq!(names(admin), ["read", "write", "mount", "mkdir"]);
        let read = read(PROFILE, admin).unwrap();
        assert_eq!(read.architectures, ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
        assert_eq!(
            (read.default_errno_ret, read.syscalls[2].errno_ret),
            (Some(38), Some(1))
        );
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for bad in ["", "[]", "{}", r#"{"defaultAction": 1}"#] {
            assert!(read(bad, MACHINE).is_err(), "{bad}");
        }
        let kernel = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "new"}}]}"#;
        assert!(read(kernel, MACHINE).is_err());
    }
}
