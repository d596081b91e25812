//! Jobs of units, from the request to their end.

use super::manager::{INTERFACE, NAME, PATH, job_rule};
use futures_util::StreamExt;
use zbus::{Connection, DynamicType, MessageStream, OwnedObjectPath, Result, Variant};

/// What is done to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Start it.
    Start,
    /// Stop it if it runs, and start it.
    Restart,
    /// The same without what it asks for: only it, whatever the state of others.
    RestartAlone,
    /// Have it read its configuration again.
    Reload,
    /// Stop it, whatever was meant to be done to it.
    Stop,
}

impl Kind {
    fn method(self) -> &'static str {
        match self {
            Self::Start => "StartUnit",
            Self::Restart | Self::RestartAlone => "RestartUnit",
            Self::Reload => "ReloadUnit",
            Self::Stop => "StopUnit",
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Self::RestartAlone => "ignore-dependencies",
            Self::Stop => "replace",
            Self::Start | Self::Restart | Self::Reload => "fail",
        }
    }
}

/// Has systemd send its signals to this connection, which it does for nobody who has not asked.
///
/// # Errors
/// There is no systemd to ask.
pub async fn subscribe(bus: &Connection) -> Result<()> {
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), "Subscribe", &())
        .await
        .map(drop)
}

/// Queues a job for a unit, unless one of another kind is queued for it already, and waits for its end. Returns systemd's
/// word for it: `done`, `failed`, `canceled`, `timeout`, `dependency`, `skipped` … The connection must be subscribed.
///
/// # Errors
/// systemd refuses, or the connection is lost.
pub async fn run(bus: &Connection, unit: &str, kind: Kind) -> Result<String> {
    queue(bus, unit, kind.method(), &(unit, kind.mode())).await
}

/// Starts a service that has no file (org.freedesktop.systemd1(5), `StartTransientUnit`) and waits for the end of the
/// job as [`run`] does: for a service of one shot that is its own end.
///
/// # Errors
/// systemd refuses, such as for a name that another unit has (`UnitExists`), or the connection is lost.
pub async fn run_transient(
    bus: &Connection,
    unit: &str,
    properties: &[(&str, Variant<'_>)],
) -> Result<String> {
    let auxiliary: &[(&str, Vec<(&str, Variant<'_>)>)] = &[];
    queue(
        bus,
        unit,
        "StartTransientUnit",
        &(unit, "fail", properties, auxiliary),
    )
    .await
}

async fn queue<B>(bus: &Connection, unit: &str, method: &str, body: &B) -> Result<String>
where
    B: serde::Serialize + DynamicType,
{
    // Before the call: an end that comes at once is not missed.
    let mut ends = MessageStream::for_match_rule(job_rule(unit).as_str(), bus, None).await?;
    let job: OwnedObjectPath = bus
        .call_method(Some(NAME), PATH, Some(INTERFACE), method, body)
        .await?
        .body()
        .deserialize()?;
    while let Some(end) = ends.next().await {
        let end = end?;
        let body = end.body();
        let (_, ended, _, result): (u32, zbus::ObjectPath<'_>, &str, &str) = body.deserialize()?;
        if ended == *job {
            return Ok(result.to_owned());
        }
    }
    Err(zbus::Error::Failure(
        "the connection to the bus was lost".to_owned(),
    ))
}
