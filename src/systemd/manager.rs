//! The few calls to systemd's manager (org.freedesktop.systemd1(5)) that podunit makes. Units are addressed by name;
//! nothing is cached.

use super::unit::{Active, Properties, Unit, is_restarting};
use zbus::message::Message;
use zbus::{Connection, DynamicType, Result};

/// systemd's name on the bus.
pub const NAME: &str = "org.freedesktop.systemd1";
/// The manager's object.
pub const PATH: &str = "/org/freedesktop/systemd1";
/// The manager's interface.
pub const INTERFACE: &str = "org.freedesktop.systemd1.Manager";
/// Interface of every unit.
pub const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// Interface of service units.
pub const SERVICE: &str = "org.freedesktop.systemd1.Service";
/// Interface of the bus itself and its name.
pub const BUS: &str = "org.freedesktop.DBus";

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// One unit in an answer to `ListUnitsByNames`: all units of one answer were looked at in the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The unit's name.
    pub name: String,
    /// `LoadState`.
    pub load: String,
    /// `ActiveState`.
    pub active: Active,
    /// Waiting for its automatic restart.
    pub restarting: bool,
    /// A job of it is queued or runs.
    pub job: bool,
    /// That job is a start. Of a unit that is being stopped: it waits for the end of that.
    pub starts: bool,
}

impl Listed {
    /// Whether its processes have ended and systemd does not mean to start them again by itself.
    pub fn is_down(&self) -> bool {
        matches!(self.active, Active::Inactive | Active::Failed) && !self.restarting
    }
}

/// Escapes text for one element of an object path or bus name, as systemd's `bus_label_escape` does: everything
/// but ASCII letters and digits becomes `_` and two hex digits, also a digit at the beginning.
pub fn label_escape(text: &str) -> String {
    if text.is_empty() {
        return "_".to_owned();
    }
    let mut label = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            label.push(char::from(byte));
        } else {
            label.push_str(&format!("_{byte:02x}"));
        }
    }
    label
}

/// The object of a unit; systemd loads the unit when the object is asked for.
pub fn unit_path(unit: &str) -> String {
    format!("{PATH}/unit/{}", label_escape(unit))
}

/// Match rules for a client that follows `units` and nothing else: their property changes, the end of a
/// `daemon-reload`, and another systemd (after `daemon-reexec`) taking over the name.
///
/// They name no sender, so that others can send such signals too: look at who sent what. With a sender, dbus-daemon
/// asks for each signal and each rule on the bus, before it looks at the path, who owns that name; and it has the rules
/// of every running pod.
pub fn match_rules(units: &[String]) -> Vec<String> {
    let mut rules = vec![
        format!("type='signal',interface='{BUS}',member='NameOwnerChanged',arg0='{NAME}'"),
        format!("type='signal',path='{PATH}',interface='{INTERFACE}',member='Reloading'"),
    ];
    rules.extend(units.iter().map(|unit| changes_rule(unit)));
    rules
}

/// The match rule for the property changes of one unit, without a sender as in [`match_rules`].
pub fn changes_rule(unit: &str) -> String {
    let path = unit_path(unit);
    format!("type='signal',path='{path}',interface='{PROPERTIES}',member='PropertiesChanged'")
}

/// The match rule for the ends of one unit's jobs.
pub fn job_rule(unit: &str) -> String {
    format!(
        "type='signal',sender='{NAME}',path='{PATH}',interface='{INTERFACE}',member='JobRemoved',arg2='{unit}'"
    )
}

/// A call that is sent by hand, so that its answer can be told in order with the signals around it.
///
/// # Errors
/// A name that cannot stand in a message.
pub fn call<B>(destination: &str, path: &str, interface: &str, method: &str, body: &B) -> Result<Message>
where
    B: serde::Serialize + DynamicType,
{
    Message::method_call(path, method)
        .destination(destination)
        .interface(interface)
        .build(body)
}

/// Asks for all properties of one interface of a unit.
///
/// # Errors
/// A name that cannot stand in a message.
pub fn get_all(unit: &str, interface: &str) -> Result<Message> {
    call(NAME, &unit_path(unit), PROPERTIES, "GetAll", &(interface,))
}

/// Asks for the states of units, all at one moment.
///
/// # Errors
/// A name that cannot stand in a message.
pub fn list_units(units: &[impl AsRef<str>]) -> Result<Message> {
    let units: Vec<&str> = units.iter().map(AsRef::as_ref).collect();
    call(NAME, PATH, INTERFACE, "ListUnitsByNames", &(units,))
}

/// Reads the answer to [`list_units`].
///
/// # Errors
/// An answer of another shape.
pub fn listed(answer: &Message) -> Result<Vec<Listed>> {
    // name, description, load, active, sub state, followed unit, object, job id, job type, job object
    type Row<'m> = (
        &'m str,
        &'m str,
        &'m str,
        &'m str,
        &'m str,
        &'m str,
        zbus::ObjectPath<'m>,
        u32,
        &'m str,
        zbus::ObjectPath<'m>,
    );
    let body = answer.body();
    let rows: Vec<Row<'_>> = body.deserialize()?;
    let listed = |row: Row<'_>| Listed {
        name: row.0.to_owned(),
        load: row.2.to_owned(),
        active: Active::parse(row.3),
        restarting: is_restarting(row.4),
        job: row.7 != 0,
        starts: row.7 != 0 && row.8 == "start",
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// Whether a unit is being stopped or restarted because somebody asked for that: it has a job that is no start.
///
/// # Errors
/// systemd cannot be asked.
pub async fn is_being_stopped(bus: &Connection, unit: &str) -> Result<bool> {
    let body = (&[unit][..],);
    let answer = bus.call_method(Some(NAME), PATH, Some(INTERFACE), "ListUnitsByNames", &body);
    let units = listed(&answer.await?)?;
    Ok(units.iter().any(|unit| unit.job && !unit.starts))
}

/// Queues a stop of a unit and of what depends on it; does not wait.
///
/// # Errors
/// systemd refuses, or there is no systemd to ask.
pub async fn stop_unit(bus: &Connection, unit: &str) -> Result<()> {
    let body = (unit, "replace");
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "StopUnit", &body)
        .await
        .map(drop)
}

/// Queues a start of a unit, unless a job of another kind is queued for it already; does not wait.
///
/// # Errors
/// systemd refuses, or there is no systemd to ask.
pub async fn start_unit(bus: &Connection, unit: &str) -> Result<()> {
    let body = (unit, "fail");
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "StartUnit", &body)
        .await
        .map(drop)
}

/// Queues a restart of a unit alone: what requires it stays as it is. Does not wait.
///
/// # Errors
/// systemd refuses, or there is no systemd to ask.
pub async fn restart_unit_alone(bus: &Connection, unit: &str) -> Result<()> {
    let body = (unit, "ignore-dependencies");
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "RestartUnit", &body)
        .await
        .map(drop)
}

/// Queues a restart of a unit and of what requires it, unless a job of another kind is queued for it already; does not
/// wait.
///
/// # Errors
/// systemd refuses, or there is no systemd to ask.
pub async fn restart_unit(bus: &Connection, unit: &str) -> Result<()> {
    let body = (unit, "fail");
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "RestartUnit", &body)
        .await
        .map(drop)
}

/// Has systemd run its generators and read all units again, and waits.
///
/// # Errors
/// systemd refuses, or there is no systemd to ask.
pub async fn reload(bus: &Connection) -> Result<()> {
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "Reload", &())
        .await
        .map(drop)
}

/// Forgets that a unit has failed, and how often it was started of late.
///
/// # Errors
/// systemd refuses, or there is no systemd to ask.
pub async fn reset_failed(bus: &Connection, unit: &str) -> Result<()> {
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "ResetFailedUnit", &(unit,))
        .await
        .map(drop)
}

/// The name of an error that was answered, such as `org.freedesktop.systemd1.NoSuchUnit`; empty for one that nobody
/// answered. zbus keeps those of the bus' own specification apart.
pub fn error_name(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, ..) => name.as_str().to_owned(),
        zbus::Error::FDO(error) => zbus::DBusError::name(&**error).to_string(),
        _ => String::new(),
    }
}

/// Sends a signal to the processes of a unit: `main` or `all`. systemd knows its processes by pidfd, so a process ID
/// that is used again meanwhile is no danger.
///
/// # Errors
/// systemd refuses (`NoSuchProcess`: it has ended), or there is no systemd to ask.
pub async fn kill_unit(bus: &Connection, unit: &str, whom: &str, signal: i32) -> Result<()> {
    let body = (unit, whom, signal);
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "KillUnit", &body)
        .await
        .map(drop)
}

/// Sends a real-time signal with a value, as [`kill_unit`] does. systemd 254 and later can.
///
/// # Errors
/// systemd refuses (`NoSuchProcess`), does not know the call (`UnknownMethod`), or there is no systemd to ask.
pub async fn queue_signal_unit(
    bus: &Connection,
    unit: &str,
    whom: &str,
    signal: i32,
    value: i32,
) -> Result<()> {
    let body = (unit, whom, signal, value);
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "QueueSignalUnit", &body)
        .await
        .map(drop)
}

/// Holds every process of a unit still, or lets them go on; a slice's with those of all units in it. Returns when it is
/// done.
///
/// # Errors
/// systemd refuses (the unit is not active, it is just being frozen), or there is no systemd to ask.
pub async fn freeze_unit(bus: &Connection, unit: &str, still: bool) -> Result<()> {
    let method = if still { "FreezeUnit" } else { "ThawUnit" };
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), method, &(unit,))
        .await
        .map(drop)
}

/// Reads what a pod is judged by, and lets `more` read further properties of the unit and service interfaces.
///
/// # Errors
/// There is no systemd to ask.
pub async fn read_unit(bus: &Connection, unit: &str, mut more: impl FnMut(&Properties<'_>)) -> Result<Unit> {
    let mut found = Unit::default();
    for interface in [UNIT, SERVICE] {
        let path = unit_path(unit);
        let answer = bus
            .call_method(Some(NAME), path, Some(PROPERTIES), "GetAll", &(interface,))
            .await?;
        let body = answer.body();
        let properties: Properties<'_> = body.deserialize()?;
        found.apply(&properties);
        more(&properties);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_as_systemd_does() {
        assert_eq!(
            unit_path("pod-x1.service"),
            "/org/freedesktop/systemd1/unit/pod_2dx1_2eservice"
        );
        assert_eq!(label_escape("1a_b"), "_31a_5fb");
        assert_eq!(label_escape(""), "_");
    }
}
