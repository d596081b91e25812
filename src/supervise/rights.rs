//! Who may act on a pod over D-Bus: root, and whom polkit(8) lets. Everyone may read.

use super::report::Log;
use crate::model::PodName;
use crate::systemd::journal::Priority;
use crate::systemd::manager::BUS;
use std::collections::HashMap;
use std::fmt;
use zbus::fdo::Error;
use zbus::message::{Flags, Header};
use zbus::{Connection, Variant};

/// The action that polkit is asked for; its details `pod` and `verb` are for an administrator's rules.
const ACTION: &str = "org.podunit.manage";
/// polkit's name and interface on the bus.
const POLKIT: (&str, &str) = (
    "org.freedesktop.PolicyKit1",
    "org.freedesktop.PolicyKit1.Authority",
);
/// `CheckAuthorization` may ask the user for a password.
const ALLOW_USER_INTERACTION: u32 = 1;

/// What is to be done with the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Signal,
    Reload,
    Restart,
    Freeze,
    Thaw,
}

impl Verb {
    /// The word in polkit's details and in the journal.
    fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who calls, as the bus has it from the kernel.
struct Caller {
    uid: u32,
    pid: u32,
}

/// Whether the sender of `call` may do `verb`. Who may not is told why, and so is the journal.
///
/// # Errors
/// It may not, or that cannot be found out.
pub(super) async fn check(
    bus: &Connection,
    call: &Header<'_>,
    pod: &PodName,
    verb: Verb,
    log: &Log,
) -> Result<(), Error> {
    let sender = call.sender().map_or("", |sender| sender.as_str());
    let caller = match caller(bus, sender).await {
        Ok(caller) if caller.uid == 0 => return Ok(()),
        Ok(caller) => caller,
        Err(error) => {
            let why = format!("the bus does not say who {sender} is: {error}");
            log.line(Priority::Warning, &format!("Refused to {verb}: {why}"));
            return Err(Error::AccessDenied(why));
        }
    };
    let uid = caller.uid;
    let may_ask_user = call.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH);
    let (kind, why): (fn(String) -> Error, String) = match polkit(bus, sender, pod, verb, may_ask_user).await
    {
        Ok(Answer::Yes) => return Ok(()),
        Ok(Answer::AfterQuestion) => (
            Error::InteractiveAuthorizationRequired,
            format!(
                "to {verb} the pod {pod} a password is needed, for which the caller lets nobody be asked"
            ),
        ),
        Ok(Answer::No) => (
            Error::AccessDenied,
            format!("polkit does not let user {uid} {verb} the pod {pod} ({ACTION})"),
        ),
        Err(error) => (
            Error::AccessDenied,
            format!("only root may {verb} the pod {pod}: polkit cannot be asked who else may ({error})"),
        ),
    };
    let text = format!(
        "Refused to {verb} for user {uid} (PID {pid}): {why}",
        pid = caller.pid
    );
    log.line(Priority::Warning, &text);
    Err(kind(why))
}

async fn caller(bus: &Connection, sender: &str) -> zbus::Result<Caller> {
    let path = "/org/freedesktop/DBus";
    let answer = bus
        .call_method(Some(BUS), path, Some(BUS), "GetConnectionCredentials", &(sender,))
        .await?;
    let body = answer.body();
    let credentials: HashMap<&str, Variant<'_>> = body.deserialize()?;
    let number = |key| match credentials.get(key) {
        Some(Variant::U32(number)) => Some(*number),
        _ => None,
    };
    let uid = number("UnixUserID").ok_or_else(|| zbus::Error::Failure("it has no user".to_owned()))?;
    Ok(Caller {
        uid,
        pid: number("ProcessID").unwrap_or(0),
    })
}

enum Answer {
    Yes,
    /// If the user were asked for a password.
    AfterQuestion,
    No,
}

async fn polkit(
    bus: &Connection,
    sender: &str,
    pod: &PodName,
    verb: Verb,
    may_ask_user: bool,
) -> zbus::Result<Answer> {
    let subject = (
        "system-bus-name",
        HashMap::from([("name", Variant::from(sender))]),
    );
    let details = HashMap::from([
        ("pod", pod.as_str()),
        ("verb", verb.word()),
        (
            "polkit.message",
            "Authentication is required to manage the pod $(pod).",
        ),
    ]);
    let flags = if may_ask_user { ALLOW_USER_INTERACTION } else { 0 };
    let (name, interface) = POLKIT;
    let path = "/org/freedesktop/PolicyKit1/Authority";
    let body = (subject, ACTION, details, flags, "");
    let answer = bus
        .call_method(Some(name), path, Some(interface), "CheckAuthorization", &body)
        .await?;
    let body = answer.body();
    let (allowed, challenge, _): (bool, bool, HashMap<&str, &str>) = body.deserialize()?;
    Ok(match (allowed, challenge) {
        (true, _) => Answer::Yes,
        (false, true) => Answer::AfterQuestion,
        (false, false) => Answer::No,
    })
}
