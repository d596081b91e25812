//! `podunit image ls` and `podunit image inspect`.

use super::super::output::{self, Format, size};
use super::names;
use super::needs::needs;
use crate::image::time::parse_rfc3339;
use crate::image::{Listed, Needs, Store};
use crate::model::Paths;
use crate::model::settings::ImageSettings;
use std::time::{Duration, SystemTime};

#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Images.
    #[arg(required = true, value_name = "REF")]
    references: Vec<String>,
}

/// Lists the images.
///
/// # Errors
/// A store that cannot be read.
pub(super) fn run(
    store: &Store,
    format: Format,
    paths: &Paths,
    settings: &ImageSettings,
) -> anyhow::Result<()> {
    let images = store.list(&known_needs(paths, settings))?;
    if format == Format::Json {
        return output::json(&images);
    }
    let now = SystemTime::now();
    let has_platform = images.iter().any(|image| image.platform.is_some());
    let mut heading = vec!["REFERENCE", "DIGEST", "PLATFORM", "SIZE", "CREATED", "USED BY"];
    let mut rows: Vec<Vec<String>> = images.iter().map(|image| row(image, now)).collect();
    if !has_platform {
        heading.remove(2);
        rows.iter_mut().for_each(|row| drop(row.remove(2)));
    }
    output::table(&heading, &rows);
    Ok(())
}

impl Inspect {
    /// Prints all that is known of images.
    ///
    /// # Errors
    /// [`crate::image::ImageError::NotFound`]; a store that cannot be read.
    pub(super) fn run(&self, store: &Store, paths: &Paths, settings: &ImageSettings) -> anyhow::Result<()> {
        output::json(&store.inspect(&names(&self.references, settings)?, &known_needs(paths, settings))?)
    }
}

/// Here a pod that cannot be read hides nothing but itself.
fn known_needs(paths: &Paths, settings: &ImageSettings) -> Needs {
    needs(paths, settings).unwrap_or_else(|error| {
        output::warning(format_args!("{error:#}"));
        Needs::default()
    })
}

fn row(image: &Listed, now: SystemTime) -> Vec<String> {
    let digest: String = image.digest.chars().take("sha256:".len() + 12).collect();
    let created = image.created.as_deref().and_then(parse_rfc3339);
    let age = created.map(|created| now.duration_since(created).unwrap_or_default());
    let mut users = image.used_by.clone();
    users.extend(
        image
            .needed_by
            .iter()
            .filter(|user| !image.used_by.contains(user))
            .cloned(),
    );
    vec![
        image.reference.clone(),
        digest,
        image
            .platform
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string),
        size(image.size),
        age.map_or_else(|| "-".to_owned(), ago),
        if users.is_empty() {
            "-".to_owned()
        } else {
            users.join(" ")
        },
    ]
}

/// How long ago, in the greatest unit of which there are two at least.
fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [
        (365 * 86_400, "years"),
        (30 * 86_400, "months"),
        (7 * 86_400, "weeks"),
        (86_400, "days"),
        (3600, "hours"),
        (60, "minutes"),
    ];
    match units.into_iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name} ago", seconds / unit),
        None => format!("{seconds} seconds ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, text) in [
            (0, "0 seconds ago"),
            (119, "119 seconds ago"),
            (120, "2 minutes ago"),
            (47 * 3600, "47 hours ago"),
            (20 * 86_400, "2 weeks ago"),
            (800 * 86_400, "2 years ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}
