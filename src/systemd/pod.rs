//! The interface that every supervisor serves, `org.podunit.Pod1`: its names, its types, and the client's side.

use super::manager::label_escape;
use crate::model::PodName;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use zbus::proxy::CacheProperties;
use zbus::{Connection, DeserializeDict, SerializeDict, Type, Variant, proxy};

/// The object of every supervisor.
pub const PATH: &str = "/org/podunit/Pod1";
/// The interface.
pub const INTERFACE: &str = "org.podunit.Pod1";

/// The bus name of a pod's supervisor: `org.podunit.Pod1.` and the pod's name, escaped as systemd escapes labels.
pub fn bus_name(pod: &PodName) -> String {
    format!("{INTERFACE}.{}", label_escape(pod.as_str()))
}

/// What became of a signal or a reload for one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Delivery {
    /// The member.
    pub member: String,
    /// Its unit.
    pub unit: String,
    /// Its main process, 0 for none.
    pub pid: u32,
    /// The signal that was asked for (`SIGHUP`), empty for a reload.
    pub asked: String,
    /// The signal that was meant for it, which its map may have made another, empty for none.
    pub signal: String,
    /// `sent`, `would-send`, `reloaded`, `skipped` or `failed`.
    pub result: String,
    /// Why it was skipped or failed, empty otherwise.
    pub detail: String,
    /// What may come as a surprise: that its main process has no handler for the signal, or ignores it. Empty if nothing
    /// does.
    pub warning: String,
}

/// One member in the property `Members`: a dictionary, so that it can have more in later releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct MemberState {
    /// The member.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its main process, 0 for none.
    pub main_pid: u32,
    /// How it stands, in one word of the pod's: `ready`, `starting`, `failed` …
    pub state: String,
    /// Since when its unit is as it is, in microseconds since 1970; 0 if that is not known.
    pub since: u64,
    /// Automatic restarts since the last start that somebody asked for.
    pub restarts: u32,
    /// Why it is not ready, empty if it is.
    pub detail: String,
    /// What its health check says: `starting`, `healthy` or `unhealthy`; empty without one.
    pub health: String,
    /// How its process last ended: 0 not yet, 1 it exited, 2 it was killed, 3 it was killed and dumped core (waitid(2)).
    pub exit_code: i32,
    /// Its exit status, or the signal that killed it.
    pub exit_status: i32,
}

/// The properties of the interface, or some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct Properties {
    /// The pod's state in one word.
    pub state: Option<String>,
    /// The state in words.
    pub status: Option<String>,
    /// Since when, in microseconds since 1970.
    pub since: Option<u64>,
    /// How many members are ready.
    pub ready_count: Option<u32>,
    /// All members, sorted by name.
    pub members: Option<Vec<MemberState>>,
}

/// The interface, as a client calls it. A user who may not act yet can be asked for a password (polkit(8)).
#[proxy(interface = "org.podunit.Pod1", default_path = "/org/podunit/Pod1")]
pub trait Pod1 {
    /// Sends a signal. `member` empty means all of them; `whom` is `main` or `all`; `options` are `value` and `dry-run`.
    #[zbus(allow_interactive_auth)]
    fn signal(
        &self,
        member: &str,
        whom: &str,
        signal: i32,
        options: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<Vec<Delivery>>;

    /// Reloads a member, empty for all that can be, and waits until they have done so.
    #[zbus(allow_interactive_auth)]
    fn reload(&self, member: &str) -> zbus::Result<Vec<Delivery>>;

    /// Holds every process of the pod still, and waits until it is so.
    #[zbus(allow_interactive_auth)]
    fn freeze(&self) -> zbus::Result<()>;

    /// Lets the processes of the pod go on.
    #[zbus(allow_interactive_auth)]
    fn thaw(&self) -> zbus::Result<()>;
}

/// A pod's supervisor on the bus, whether it runs or not.
///
/// # Errors
/// The bus is not there.
pub async fn supervisor<'a>(bus: &Connection, pod: &PodName) -> zbus::Result<Pod1Proxy<'a>> {
    Pod1Proxy::builder(bus)
        .destination(bus_name(pod))
        .cache_properties(CacheProperties::No)
        .build()
        .await
}

/// Asks a pod's supervisor how the pod is.
///
/// # Errors
/// The supervisor does not run, or the bus is not there.
pub async fn properties(bus: &Connection, pod: &PodName) -> zbus::Result<Properties> {
    let interface = Some("org.freedesktop.DBus.Properties");
    let answer = bus
        .call_method(Some(bus_name(pod)), PATH, interface, "GetAll", &(INTERFACE,))
        .await?;
    answer.body().deserialize()
}
