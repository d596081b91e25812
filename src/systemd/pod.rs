//! The interface that every supervisor serves, `org.podunit.Pod1`: its names, its types, and the client's side.

use super::manager::label_escape;
use crate::model::PodName;
use serde::{Deserialize, Serialize};
use zbus::{Connection, Type};

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
    /// Its main process, 0 for none.
    pub pid: u32,
    /// The signal that was meant for it (`SIGHUP`), empty for none.
    pub signal: String,
    /// `sent`, `reloaded`, `skipped` or `failed`.
    pub result: String,
    /// Why it was skipped or failed, empty otherwise.
    pub detail: String,
}

/// One member in the property `Members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct MemberState {
    /// The member.
    pub member: String,
    /// Its unit.
    pub unit: String,
    /// Its main process, 0 for none.
    pub pid: u32,
    /// systemd's `ActiveState`.
    pub active: String,
    /// Why it is not up, empty if it is.
    pub detail: String,
}

/// Asks a pod's supervisor to send a signal to its members. `member` empty means all; `whom` is `main` or `all`.
///
/// # Errors
/// The supervisor refuses, does not run, or the bus is not there.
pub async fn kill(
    bus: &Connection,
    pod: &PodName,
    member: &str,
    whom: &str,
    signal: i32,
) -> zbus::Result<Vec<Delivery>> {
    let answer = bus
        .call_method(
            Some(bus_name(pod)),
            PATH,
            Some(INTERFACE),
            "Kill",
            &(member, whom, signal),
        )
        .await?;
    answer.body().deserialize()
}

/// Asks a pod's supervisor to reload its members, and waits until all have done so.
///
/// # Errors
/// The supervisor refuses, does not run, or the bus is not there.
pub async fn reload(bus: &Connection, pod: &PodName) -> zbus::Result<Vec<Delivery>> {
    let answer = bus
        .call_method(Some(bus_name(pod)), PATH, Some(INTERFACE), "Reload", &())
        .await?;
    answer.body().deserialize()
}

/// The pod's state in one word, from its supervisor: `starting`, `ready`, `degraded`, `recovering`, `stopping` or
/// `failed`.
///
/// # Errors
/// The supervisor does not run, or the bus is not there.
pub async fn state(bus: &Connection, pod: &PodName) -> zbus::Result<String> {
    let body = (INTERFACE, "State");
    let properties = Some("org.freedesktop.DBus.Properties");
    let answer = bus
        .call_method(Some(bus_name(pod)), PATH, properties, "Get", &body)
        .await?;
    let body = answer.body();
    let value: zbus::Variant<'_> = body.deserialize()?;
    String::try_from(value)
}
