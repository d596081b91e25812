//! What the definitions that are loaded need of the store.

use crate::cli::request;
use crate::compiled::{self, CompiledError};
use crate::image::{Need, Needs};
use crate::model::settings::ImageSettings;
use crate::model::{ImageSource, Paths, Pod};
use anyhow::Context;

/// Reads every pod, templates too: as systemd has it, and as it runs, since a member that is started again takes its image from
/// there.
///
/// # Errors
/// A pod that cannot be read: what it needs is not known.
pub(super) fn needs(paths: &Paths, settings: &ImageSettings) -> anyhow::Result<Needs> {
    let mut needs = Needs::default();
    for name in compiled::pods_and_templates(paths) {
        let loaded = match compiled::find(paths, &name) {
            Err(CompiledError::Missing { .. }) => None,
            other => Some(other.context("what this pod needs is not known")?.0),
        };
        let running = compiled::running(paths, &name).context("what this pod needs is not known")?;
        if let Some(loaded) = &loaded {
            add(loaded, (paths, settings), &mut needs)?;
        }
        if loaded.as_ref() != Some(&running) {
            add(&running, (paths, settings), &mut needs)?;
        }
    }
    Ok(needs)
}

fn add(pod: &Pod, (paths, settings): (&Paths, &ImageSettings), needs: &mut Needs) -> anyhow::Result<()> {
    for container in &pod.members {
        let ImageSource::Image(request) = &container.image else {
            continue;
        };
        let user = format!("{}/{}", pod.name, container.name);
        let request = request::expand(request, &pod.name.member_unit(&container.name), paths);
        let request = request.with_context(|| user.clone())?;
        let Ok(reference) = settings.complete(&request.reference) else {
            // No image has such a name, so this needs none.
            continue;
        };
        let need = Need {
            user,
            reference,
            platform: request.platform,
        };
        if !needs.0.contains(&need) {
            needs.0.push(need);
        }
    }
    Ok(())
}
