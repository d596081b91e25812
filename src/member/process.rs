//! A further process in a running container (`podunit exec`): the container's own, changed where the user says so.

use super::environment::Environment;
use super::oci::{Capabilities, ConsoleSize, Process};
use super::user::User;
use serde::Deserialize;

/// What a user may say of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// Variables beside the container's own; later ones win.
    pub environment: Vec<(String, String)>,
    /// Another user than the container's.
    pub user: Option<User>,
    /// Another working folder than the container's.
    pub working_dir: Option<String>,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// The size of that at first.
    pub console_size: Option<ConsoleSize>,
}

/// Reads the container's own process from its `config.json`.
///
/// # Errors
/// The text is not what the launcher wrote.
pub fn of_container(config: &str) -> Result<Process, serde_json::Error> {
    #[derive(Deserialize)]
    struct Config {
        process: Process,
    }
    serde_json::from_str(config).map(|config: Config| config.process)
}

/// The process to run beside `own`. It never has more capabilities than `own` could get, and never gains any.
pub fn beside(own: Process, wanted: Wanted) -> Process {
    let mut environment = Environment::from_lines(&own.env);
    let mut process = Process {
        terminal: wanted.terminal,
        console_size: wanted.console_size,
        args: wanted.arguments,
        ..own
    };
    if let Some(cwd) = wanted.working_dir {
        process.cwd = cwd;
    }
    if let Some(user) = wanted.user {
        process.capabilities = for_user(user.uid, process.user.uid, process.capabilities);
        process.user.uid = user.uid;
        process.user.gid = user.gid;
        process.user.additional_gids = user.groups;
        environment.set("HOME", user.home);
    }
    if wanted.terminal && environment.get("TERM").is_none() {
        environment.set("TERM", "xterm");
    }
    for (name, value) in wanted.environment {
        environment.set(name, value);
    }
    process.env = environment.lines();
    process.no_new_privileges = true;
    process
}

/// Root can have what the container can; another user than the container's has nothing.
fn for_user(uid: u32, own_uid: u32, own: Capabilities) -> Capabilities {
    if uid == own_uid {
        return own;
    }
    let bounding = own.bounding;
    if uid == 0 {
        return Capabilities {
            effective: bounding.clone(),
            permitted: bounding.clone(),
            bounding,
            ..Capabilities::default()
        };
    }
    Capabilities {
        bounding,
        ..Capabilities::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{capability, spec};

    fn own(uid: u32) -> Process {
        let available = capability::available("CapPrm:\t1ffffffffff");
        spec::process(spec::Run {
            arguments: vec!["nginx".to_owned()],
            environment: vec!["PATH=/bin".to_owned(), "A=1".to_owned()],
            user: User {
                uid,
                gid: 7,
                groups: vec![8],
                home: "/home".to_owned(),
            },
            working_dir: "/srv".to_owned(),
            capabilities: capability::sets(uid, &["CAP_NET_RAW".to_owned()], &[], &available).unwrap(),
            rlimits: Vec::new(),
            new_privileges: false,
            apparmor: None,
        })
    }

    #[test]
    fn what_is_not_said_is_the_containers() {
        let wanted = Wanted {
            arguments: vec!["ps".to_owned()],
            environment: vec![("A".to_owned(), "2".to_owned())],
            ..Wanted::default()
        };
        let process = beside(own(33), wanted);
        let expected = Process {
            args: vec!["ps".to_owned()],
            env: vec!["PATH=/bin".to_owned(), "A=2".to_owned()],
            ..own(33)
        };
        assert_eq!(process, expected);
    }

    #[test]
    fn another_user_has_no_more_than_the_container() {
        let user = |uid| Wanted {
            user: Some(User {
                uid,
                gid: 5,
                groups: vec![],
                home: "/x".to_owned(),
            }),
            ..Wanted::default()
        };
        let root = beside(own(33), user(0));
        assert_eq!(root.capabilities.effective, own(33).capabilities.bounding);
        assert!(root.capabilities.ambient.is_empty() && root.capabilities.inheritable.is_empty());
        let other = beside(own(0), user(44));
        assert!(other.capabilities.effective.is_empty() && other.capabilities.permitted.is_empty());
        assert_eq!((other.user.gid, other.user.additional_gids.len()), (5, 0));
        assert!(other.env.contains(&"HOME=/x".to_owned()));
    }

    #[test]
    fn the_launchers_file_is_read_back() {
        let text = serde_json::json!({ "ociVersion": "1.0.2", "process": own(0) }).to_string();
        assert_eq!(of_container(&text).unwrap(), own(0));
        assert!(of_container("{}").is_err());
    }
}
