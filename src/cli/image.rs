//! `podunit image`: the images of this machine.

mod fetch;
mod list;
mod load;
mod needs;
mod progress;
mod pull;
mod remove;
mod save;
mod verify;

use super::output::Format;
use super::settings;
use crate::image::{Reference, Store};
use crate::model::Paths;
use crate::model::settings::ImageSettings;
use std::process::ExitCode;

/// Pull, load, list and remove the images of this machine.
///
/// Images are unpacked once and shared by all pods.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  podunit image pull docker.io/library/nginx
  podunit image load nginx.tar --name docker.io/library/nginx
  podunit image ls
  podunit image rm docker.io/library/nginx

Exit status: 0 if what was asked was done, 1 if it could not be done, 2 if the
command line makes no sense.")]
pub enum Command {
    /// Fetch images from their registries.
    ///
    /// Credentials are those that `podman login` and `docker login` write, mirrors and the registry of short names
    /// are set in podunit.conf(5), proxies by HTTPS_PROXY and NO_PROXY. Layers that are here already are not fetched.
    /// A pull that fails or is interrupted changes nothing, and the next takes up what it has left. Members that run
    /// an image keep it until they are restarted.
    #[command(after_help = "Examples:
  podunit image pull nginx
  podunit image pull --policy=missing quay.io/acme/app:1.2
  podunit image pull --arch=arm --variant=v7 docker.io/library/busybox
  podunit image pull --authfile=/root/auth.json registry.example.com:5000/app

Exit status: 0 if all images are here now, and as the policy wants them; 1 if
not, or if it could not be seen whether a registry has a newer one; 2 if the
command line makes no sense.")]
    Pull(pull::Pull),
    /// Fetch the image of a request that a pod has; systemd calls it (podunit-image@.service).
    #[command(hide = true)]
    Fetch(fetch::Fetch),
    /// Load images from an archive or an OCI image layout.
    ///
    /// Reads what `podman save` and `docker save` write, old and new, what `skopeo copy` writes to `oci-archive:`,
    /// `docker-archive:` and `oci:`, with layers plain or compressed with gzip or zstd. A load that fails or is
    /// interrupted changes nothing. An image of the same name is replaced; members that run the old one keep it until
    /// they are restarted.
    #[command(after_help = "Examples:
  podunit image load nginx.tar
  podunit image load nginx.tar --name docker.io/library/nginx:1.27
  podman save nginx | podunit image load
  ssh builder docker save app | podunit image load -

An archive that gives its image no name needs --name. One is made with:
  skopeo copy docker://docker.io/library/nginx oci-archive:nginx.tar:docker.io/library/nginx:latest
  podman save --format oci-archive -o nginx.tar docker.io/library/nginx

Exit status: 0 if all images of the archive were loaded, 1 if none was, 2 if
the command line makes no sense.")]
    Load(load::Load),
    /// Make an image of a root file system.
    ///
    /// The archive becomes the only layer of an image for this machine's processor, which says nothing of how it is
    /// run but what --change says.
    #[command(after_help = "Examples:
  podunit image import rootfs.tar.gz localhost/debian
  podunit image import app.tar localhost/app --change 'CMD [\"/app\"]' --change 'USER 1000'
  debootstrap --variant=minbase trixie root && tar -C root -c . |
      podunit image import - localhost/debian --change 'CMD /bin/bash'

Exit status: 0 if the image was made, 1 if not, 2 if the command line makes no
sense.")]
    Import(load::Import),
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
    /// Save images to an archive or an OCI image layout.
    ///
    /// What is written can be read by `podunit image load`, `podman load`, `skopeo copy` and others. Layers are made
    /// again from their files and checked while they are written: a damaged image is not saved. A file of that name is
    /// replaced when the new one is whole; a directory must not exist yet.
    #[command(after_help = "Examples:
  podunit image save docker.io/library/nginx -o nginx.tar
  podunit image save nginx busybox --format docker-archive | ssh host podman load
  podunit image save nginx --format oci-dir -o layout

Exit status: 0 if all were saved, 1 if nothing was, 2 if the command line makes
no sense.")]
    Save(save::Save),
    /// Check that images are what they were when they came.
    ///
    /// Compares everything with the digests that it came with: manifests, configurations, the contents of all files,
    /// their owners, permissions and extended attributes. Says of each image whether it is whole, and which files are
    /// damaged.
    #[command(after_help = "Examples:
  podunit image verify
  podunit image verify nginx
  podunit image verify --remove

Exit status: 0 if all are whole, 1 if one is damaged or could not be verified,
2 if the command line makes no sense.")]
    Verify(verify::Verify),
    /// Show all that is known of images, as JSON.
    ///
    /// What `ls` shows, and the manifest and the configuration as they came, where each layer is unpacked, and the
    /// image's other names.
    #[command(after_help = "Example:
  podunit image inspect nginx

Exit status: 0 if they are there, 1 if one is not, 2 if the command line makes
no sense.")]
    Inspect(list::Inspect),
    /// Give an image further names.
    ///
    /// An image that has one of the names already loses it; members that run that one keep it until they are restarted.
    #[command(after_help = "Examples:
  podunit image tag nginx localhost/web:stable
  podunit image tag nginx@sha256:… nginx:previous

Exit status: 0 if it has all of the names, 1 if it has none of them more than
before, 2 if the command line makes no sense.")]
    Tag(remove::Tag),
    /// Remove images that nobody needs.
    ///
    /// Refuses those that a running pod uses, or that the definition of a pod names, unless --force is given.
    #[command(after_help = "Example:
  podunit image rm docker.io/library/nginx:1.27

Exit status: 0 if all were removed, 1 if none was, because one is not there or
in use, 2 if the command line makes no sense.")]
    Rm(remove::Rm),
    /// Make room: remove what broken downloads have left, and images that nobody needs.
    ///
    /// Nobody needs an image that no pod runs and no definition of a pod names. podunit-image-prune.timer does this
    /// every week for what came here more than a week ago; it is off until `systemctl enable --now
    /// podunit-image-prune.timer`.
    #[command(after_help = "Examples:
  podunit image prune
  podunit image prune --all --dry-run
  podunit image prune --all --until 2weeks

Exit status: 0 if what nobody needs was removed (perhaps nothing), 1 if not, 2 if
the command line makes no sense.")]
    Prune(remove::Prune),
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
    let settings = settings::read(paths)?.image;
    match command {
        Command::Pull(pull) => return pull.run(&store, paths),
        Command::Fetch(fetch) => return fetch.run(&store, paths),
        Command::Load(load) => load.run(&store, &settings)?,
        Command::Import(import) => import.run(&store, &settings)?,
        Command::Ls { format } => list::run(&store, *format, paths, &settings)?,
        Command::Save(save) => save.run(&store, &settings)?,
        Command::Verify(verify) => return verify.run(&store, &settings),
        Command::Inspect(inspect) => inspect.run(&store, paths, &settings)?,
        Command::Tag(tag) => tag.run(&store, &settings)?,
        Command::Rm(rm) => rm.run(&store, paths, &settings)?,
        Command::Prune(prune) => prune.run(&store, paths, &settings)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a user's words name; short ones are completed as the settings say.
fn names(texts: &[String], settings: &ImageSettings) -> anyhow::Result<Vec<Reference>> {
    let complete = |text: &String| settings.complete(text).map_err(anyhow::Error::from);
    texts.iter().map(complete).collect()
}
