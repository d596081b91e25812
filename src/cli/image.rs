//! `podunit image`: the images of this machine.

use super::output::{self, Format};
use crate::image::{Listed, Reference, Store};
use crate::model::Paths;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

/// Load, list and remove the images of this machine.
///
/// Images are unpacked once and shared by all pods. Nothing is fetched from a registry: a pod whose image is not
/// here fails to start and says so.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  podunit image load nginx.tar --name docker.io/library/nginx
  podunit image ls
  podunit image rm docker.io/library/nginx

Exit status: 0 if what was asked was done, 1 if it could not be done, 2 if the
command line makes no sense.")]
pub enum Command {
    /// Load images from an OCI archive or image layout.
    ///
    /// A load that fails or is interrupted changes nothing. An image of the same name is replaced; members that
    /// run the old one keep it until they are restarted.
    #[command(after_help = "Examples:
  podunit image load nginx.tar
  podunit image load nginx.tar --name docker.io/library/nginx:1.27

An archive that gives its image no name needs --name. One is made with:
  skopeo copy docker://docker.io/library/nginx oci-archive:nginx.tar:docker.io/library/nginx:latest
  podman save --format oci-archive -o nginx.tar docker.io/library/nginx

Exit status: 0 if all images of the archive were loaded, 1 if none was, 2 if
the command line makes no sense.")]
    Load {
        /// An OCI archive (tar, plain or compressed with gzip or zstd) or the directory of an image layout.
        file: PathBuf,
        /// The name to load the image under, in place of the one that the archive gives it.
        #[arg(long, value_name = "REF")]
        name: Option<Reference>,
    },
    /// List images.
    #[command(after_help = "Examples:
  podunit image ls
  podunit image ls --format json

Exit status: 0 if they were listed, 1 if the store cannot be read, 2 if the
command line makes no sense.")]
    Ls {
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove images that no running pod uses.
    #[command(after_help = "Example:
  podunit image rm docker.io/library/nginx:1.27

Exit status: 0 if all were removed, 1 if none was, because one is not there or
in use, 2 if the command line makes no sense.")]
    Rm {
        /// Names of images as `podunit image ls` shows them, or short: `nginx` is docker.io/library/nginx:latest.
        #[arg(required = true, value_name = "REF")]
        references: Vec<String>,
    },
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        anyhow::bail!(
            "podunit image needs root, since the images of a machine are shared by all its pods: use sudo"
        );
    }
    let store = Store::new(paths);
    match command {
        Command::Load { file, name } => {
            let loaded = store
                .load(file, name.as_ref())
                .with_context(|| format!("nothing was loaded from {}", file.display()))?;
            for image in loaded {
                for warning in &image.warnings {
                    output::warning(format_args!("{}: {warning}", image.reference));
                }
                output::line(format_args!("Loaded {} {}", image.reference, image.digest));
            }
        }
        Command::Ls { format: Format::Json } => output::json(&store.list()?)?,
        Command::Ls { format: Format::Text } => {
            let rows: Vec<_> = store.list()?.iter().map(row).collect();
            output::table(&["REFERENCE", "DIGEST", "SIZE", "CREATED"], &rows);
        }
        Command::Rm { references } => {
            for reference in store.remove(references).context("no image was removed")? {
                output::line(format_args!("Removed {reference}"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
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
