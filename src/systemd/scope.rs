//! Moving this process into a scope of its own: a unit for a process that systemd did not start (systemd.scope(5)).

use futures_util::StreamExt;
use zbus::{Connection, OwnedObjectPath, Variant, proxy};

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;

    fn start_transient_unit(
        &self,
        name: &str,
        mode: &str,
        properties: &[(&str, Variant<'_>)],
        auxiliary: &[(&str, Vec<(&str, Variant<'_>)>)],
    ) -> zbus::Result<OwnedObjectPath>;

    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: &str, result: &str) -> zbus::Result<()>;
}

/// A scope to be.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Its name, which no other unit has: `….scope`.
    pub name: &'a str,
    /// What it is, for people.
    pub description: &'a str,
    /// The slice whose limits it is under.
    pub slice: &'a str,
    /// The unit that it ends with, and before.
    pub bound_to: &'a str,
    /// How long its processes may take to end, in microseconds, before they are killed.
    pub stop_timeout: u64,
}

/// Makes the scope with this process in it, and returns when it is. Processes started from now on are in it too.
///
/// # Errors
/// The bus cannot be reached, or systemd refuses; with a unit to be bound to that is not active the scope does not
/// start.
pub async fn enter(scope: Scope<'_>) -> zbus::Result<()> {
    let connection = Connection::system().await?;
    let manager = ManagerProxy::new(&connection).await?;
    // Both before the call: an answer that comes at once is not missed.
    let mut removed = manager.receive_job_removed().await?;
    manager.subscribe().await?;
    let properties = [
        ("PIDs", Variant::from(vec![std::process::id()])),
        ("Description", Variant::from(scope.description)),
        ("Slice", Variant::from(scope.slice)),
        ("BindsTo", Variant::from(vec![scope.bound_to])),
        ("After", Variant::from(vec![scope.bound_to])),
        ("CollectMode", Variant::from("inactive-or-failed")),
        ("TimeoutStopUSec", Variant::from(scope.stop_timeout)),
        // An interactive shell ignores SIGTERM and heeds this.
        ("SendSIGHUP", Variant::from(true)),
    ];
    let job = manager
        .start_transient_unit(scope.name, "fail", &properties, &[])
        .await?;
    while let Some(signal) = removed.next().await {
        let arguments = signal.args()?;
        if arguments.job == job {
            return match arguments.result {
                "done" => Ok(()),
                result => Err(zbus::Error::Failure(format!(
                    "the job of {} ended: {result}",
                    scope.name
                ))),
            };
        }
    }
    Err(zbus::Error::Failure("the bus closed the connection".to_owned()))
}
