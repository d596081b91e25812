//! The pods that are operated on, and what becomes of their definitions.

use anyhow::Result;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

/// A pod.
pub struct Pod {
    pub name: &'static str,
    /// Its members, in the order in which they start. The first has a `ReloadSignal=`.
    pub members: &'static [&'static str],
    /// Whether it has a PID 1.
    pub shares_pid: bool,
    /// Whether it is on the pods' bridge.
    pub on_bridge: bool,
    /// Members and the one that each `Requires=`.
    pub requirements: &'static [(&'static str, &'static str)],
    definition: &'static str,
}

/// The member that some definitions have in addition.
pub const EXTRA: &str = "extra";

/// Heeds HUP by doing nothing and TERM by ending, as PID 1 too.
const SLEEPER: &str =
    r#"Exec=sh -c "trap 'exit 0' TERM; trap : HUP; sleep 1000000 & while true; do wait; done""#;

/// Few, so that they are often met in every state; each differs from the others in what matters to podunit.
pub const PODS: [Pod; 4] = [
    Pod {
        name: "pair",
        members: &["web", "client"],
        shares_pid: true,
        on_bridge: true,
        requirements: &[],
        definition: "[Pod]\nShare=net pid\nPublishPort=8081:80\n\
                     [Container web]\nImage=nginx\nReloadSignal=HUP\n\
                     [Container client]\nImage=busybox\nSLEEPER\n[Unit client]\nAfter=web\n",
    },
    Pod {
        name: "solo",
        members: &["a"],
        shares_pid: true,
        on_bridge: false,
        requirements: &[],
        definition: "[Pod]\nShare=net pid\nNetwork=none\n[Container a]\nImage=busybox\nReloadSignal=HUP\nSLEEPER\n",
    },
    Pod {
        name: "plain",
        members: &["a", "b"],
        shares_pid: false,
        on_bridge: false,
        requirements: &[],
        definition: "[Pod]\nNetwork=none\n[Container a]\nImage=busybox\nReloadSignal=HUP\nSLEEPER\n\
                     [Container b]\nImage=busybox\nSLEEPER\n[Unit b]\nAfter=a\n[Service b]\nRestart=always\n",
    },
    Pod {
        name: "trio",
        members: &["a", "b", "c"],
        shares_pid: true,
        on_bridge: false,
        requirements: &[("b", "a")],
        definition: "[Pod]\nShare=net ipc uts pid\nNetwork=none\n[Container a]\nImage=busybox\nReloadSignal=HUP\nSLEEPER\n\
                     [Container b]\nImage=busybox\nSLEEPER\n[Unit b]\nRequires=a\nAfter=a\n\
                     [Container c]\nImage=busybox\nStopSignal=KILL\nSLEEPER\n[Unit c]\nWants=b\nAfter=b\n",
    },
];

/// What a definition is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it was first.
    First,
    /// With another value.
    Changed,
    /// With a member more.
    Longer,
    /// With an error.
    Broken,
    /// No file.
    Gone,
}

impl Form {
    pub const ALL: [Form; 5] = [Form::First, Form::Changed, Form::Longer, Form::Broken, Form::Gone];

    /// Whether there is a pod of this form.
    pub fn is_valid(self) -> bool {
        !matches!(self, Form::Broken | Form::Gone)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Form::First => "as at first",
            Form::Changed => "with another value",
            Form::Longer => "with another member",
            Form::Broken => "broken",
            Form::Gone => "removed",
        })
    }
}

impl Pod {
    /// `pod-X.service`.
    pub fn unit(&self) -> String {
        format!("pod-{}.service", self.name)
    }

    pub fn infra_unit(&self) -> String {
        format!("pod-{}-infra.service", self.name)
    }

    pub fn member_unit(&self, member: &str) -> String {
        format!("pod-{}-{member}.service", self.name)
    }

    pub fn slice(&self) -> String {
        format!("pods-{}.slice", self.name)
    }

    /// The member that is reloaded with the pod.
    pub fn reloaded(&self) -> &'static str {
        self.members[0]
    }

    /// Members of any form.
    pub fn all_members(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().copied().chain([EXTRA])
    }

    /// Makes the definition into that form. systemd has still to read it.
    pub fn write(&self, form: Form) -> Result<()> {
        let path = PathBuf::from(format!("/etc/podunit/{}.pod", self.name));
        let text = self.definition.replace("SLEEPER", SLEEPER);
        let text = match form {
            Form::First => text,
            Form::Changed => {
                let header = format!("[Container {}]\n", self.members[0]);
                text.replacen(&header, &format!("{header}Environment=CHANGED=yes\n"), 1)
            }
            Form::Longer => format!("{text}[Container {EXTRA}]\nImage=busybox\n{SLEEPER}\n"),
            Form::Broken => text + "[Container broken]\nno such line\n",
            Form::Gone => {
                return match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                    _ => Ok(()),
                };
            }
        };
        fs::create_dir_all("/etc/podunit")?;
        Ok(fs::write(path, text)?)
    }
}
