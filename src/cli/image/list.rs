//! `podunit image ls`.

use super::super::output::{self, Format};
use crate::image::{Listed, Store};

/// Lists the images.
///
/// # Errors
/// A store that cannot be read.
pub(super) fn run(store: &Store, format: Format) -> anyhow::Result<()> {
    let images = store.list()?;
    match format {
        Format::Json => output::json(&images)?,
        Format::Text => {
            let rows: Vec<_> = images.iter().map(row).collect();
            output::table(&["REFERENCE", "DIGEST", "SIZE", "CREATED"], &rows);
        }
    }
    Ok(())
}

fn row(image: &Listed) -> Vec<String> {
    let digest: String = image.digest.chars().take("sha256:".len() + 12).collect();
    // 2024-05-01T12:00:00.123Z: the date is enough for a table.
    let created = image
        .created
        .as_deref()
        .map_or("-", |time| time.get(..10).unwrap_or(time));
    vec![
        image.reference.clone(),
        digest,
        size(image.size),
        created.to_owned(),
    ]
}

/// Bytes in decimal units with one digit behind the point, as `podman images` has them.
fn size(bytes: u64) -> String {
    let mut unit = 1000;
    if bytes < unit {
        return format!("{bytes} B");
    }
    let mut names = ["kB", "MB", "GB", "TB"].into_iter().peekable();
    while let Some(name) = names.next() {
        if bytes / unit < 1000 || names.peek().is_none() {
            return format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10));
        }
        unit *= 1000;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (4_261_550, "4.2 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(999_999_999_999_999_999), "999999.9 TB");
    }
}
