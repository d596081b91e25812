//! The interface that every supervisor serves, `org.podunit.Pod1`: its names, its types, and the client's side.

use super::manager::label_escape;
use crate::model::PodName;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use zbus::proxy::CacheProperties;
use zbus::{Connection, Type, Variant, proxy};

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

/// The interface, as a client calls it.
#[proxy(interface = "org.podunit.Pod1", default_path = "/org/podunit/Pod1")]
pub trait Pod1 {
    /// Sends a signal. `member` empty means all of them; `whom` is `main` or `all`; `options` are `value` and `dry-run`.
    fn signal(
        &self,
        member: &str,
        whom: &str,
        signal: i32,
        options: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<Vec<Delivery>>;

    /// Reloads a member, empty for all that can be, and waits until they have done so.
    fn reload(&self, member: &str) -> zbus::Result<Vec<Delivery>>;
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
    let value: Variant<'_> = body.deserialize()?;
    String::try_from(value)
}
