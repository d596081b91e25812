//! What a command works on: `POD` or `POD/MEMBER`, as people write it.

use crate::compiled::{self, CompiledError, pods};
use crate::diagnostic::nearest::nearest;
use crate::model::{MemberName, Paths, Pod, PodName};
use crate::systemd::manager::error_name;
use anyhow::{Context, anyhow, bail};
use std::future::Future;

/// A pod that exists, and perhaps one of its members.
#[derive(Debug)]
pub struct Target {
    /// The pod, as it runs if it runs.
    pub pod: Pod,
    /// The member that was named.
    pub member: Option<MemberName>,
}

impl Target {
    /// Finds what `text` names: `X`, `pod-X`, `pod-X.service`, and each with `/member`.
    ///
    /// # Errors
    /// There is no such pod or member; the message names the one that was probably meant.
    pub fn find(text: &str, paths: &Paths) -> anyhow::Result<Self> {
        let (pod, member) = match text.split_once('/') {
            Some((pod, member)) => (pod, Some(member)),
            None => (text, None),
        };
        let pod = find_pod(pod, paths)?;
        let member = member.map(|name| find_member(&pod, name)).transpose()?;
        Ok(Self { pod, member })
    }
}

fn find_pod(text: &str, paths: &Paths) -> anyhow::Result<Pod> {
    let bare = text.strip_suffix(".service").unwrap_or(text);
    // A pod may be called `pod-x` itself, so what was written comes first.
    let spellings = [Some(bare), bare.strip_prefix("pod-")];
    let mut missing = None;
    for name in spellings.into_iter().flatten() {
        let name: PodName = name
            .parse()
            .with_context(|| format!("`{text}` is not the name of a pod"))?;
        if name.is_template() {
            bail!("`{name}` is a template: name an instance of it, such as {name}main");
        }
        match compiled::running(paths, &name) {
            Err(error @ CompiledError::Missing { .. }) => missing = missing.or(Some(error)),
            found => return Ok(found?),
        }
    }
    let error = missing.map_or_else(|| anyhow!("there is no pod `{text}`"), anyhow::Error::from);
    let known = pods(paths);
    match nearest(
        bare.strip_prefix("pod-").unwrap_or(bare),
        known.iter().map(PodName::as_str),
    ) {
        Some(near) => bail!("there is no pod `{bare}`; did you mean `{near}`?"),
        None => Err(error),
    }
}

fn find_member(pod: &Pod, name: &str) -> anyhow::Result<MemberName> {
    if let Some(member) = pod.member(name) {
        return Ok(member.name.clone());
    }
    let names: Vec<&str> = pod.members.iter().map(|member| member.name.as_str()).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => bail!(
            "the pod {} has no member `{name}`; did you mean `{near}`?",
            pod.name
        ),
        None => bail!(
            "the pod {} has no member `{name}`; it has {}",
            pod.name,
            names.join(", ")
        ),
    }
}

/// Connects to the system bus and runs `talk` with it.
///
/// # Errors
/// The bus is not there, or those of `talk`.
pub fn on_bus<T, F>(talk: impl FnOnce(zbus::Connection) -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let bus = zbus::connection::Builder::system().build().await;
        talk(
            bus.context(
                "cannot reach the system bus, over which systemd is asked (`systemctl status dbus`)",
            )?,
        )
        .await
    })
}

/// Says what it means that a pod's supervisor gave no answer.
pub fn explain(pod: &PodName, error: zbus::Error) -> anyhow::Error {
    let name = error_name(&error);
    let unit = pod.unit();
    match name.rsplit('.').next().unwrap_or_default() {
        "ServiceUnknown" | "NameHasNoOwner" => {
            anyhow!(
                "the pod {pod} does not run: its supervisor {unit} is not on the bus (`systemctl status {unit}`)"
            )
        }
        "AccessDenied" | "InteractiveAuthorizationRequired" => {
            anyhow!("not allowed: {}", words(&error))
        }
        "NoReply" | "Disconnected" => {
            anyhow!("the supervisor of {pod} ended before it answered; the pod may be stopping")
        }
        _ => anyhow::Error::from(error).context(format!("the supervisor of {pod} refused")),
    }
}

/// What an error of the bus says, without its name.
fn words(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(_, Some(words), _) => words.clone(),
        zbus::Error::FDO(error) => {
            zbus::DBusError::description(&**error).map_or_else(|| error.to_string(), str::to_owned)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_corrected() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        let generated = &paths.unit_dirs()[3];
        std::fs::create_dir_all(generated).unwrap();
        std::fs::write(generated.join("pod-web.json"), "").unwrap();
        let error = Target::find("wep", &paths).unwrap_err().to_string();
        assert_eq!(error, "there is no pod `wep`; did you mean `web`?");
    }
}
