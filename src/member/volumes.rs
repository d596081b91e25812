//! The volumes of a member: those that its definition names, and those of its life alone, for which it or the image asks.

use super::mounts::{self, NOTIFY_DIR};
use super::user::User;
use super::{Error, Member, expand};
use crate::model::{Bind, ImageConfig, VolumeMount};
use crate::sys::tree::Tree;
use crate::unitfile::specifier;
use crate::volume::first_use::{self, Place};
use crate::volume::{VolumeError, Volumes};
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Most volumes that an image may ask for.
const MOST_OF_IMAGE: usize = 100;

/// Where no image gets a volume: the runtime's own mounts are there.
const OF_RUNTIME: [&str; 7] = [
    "/proc",
    "/sys",
    "/dev",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    NOTIFY_DIR,
];

/// Makes the volumes that are not there yet and fills those that are new, from the mounted root file system; returns
/// them as folders of the host.
///
/// # Errors
/// A name that is none, a folder that cannot be made or filled, an image with a path that is none.
pub fn prepare(member: Member<'_>, image: &ImageConfig, user: &User) -> Result<Vec<Bind>, Error> {
    let container = member.container;
    if container.volumes.is_empty() && image.volumes.is_empty() {
        return Ok(Vec::new());
    }
    let specifiers = member.specifiers();
    let destination = |text: &str| mounts::destination(&specifiers, "Volume", text);
    let mut taken = BTreeSet::new();
    for target in (container.binds.iter().map(|bind| &bind.target))
        .chain(container.tmpfs.iter().map(|tmpfs| &tmpfs.target))
        .chain(container.devpts.iter().map(|devpts| &devpts.target))
        .chain(container.volumes.iter().map(|volume| &volume.target))
    {
        taken.insert(destination(target)?);
    }
    let mut volumes = container.volumes.clone();
    volumes.extend(of_image(image)?.into_iter().filter_map(|target| {
        // It comes from the image, in which nothing is expanded.
        let own = !taken.contains(&target);
        own.then(|| VolumeMount {
            volume: None,
            target: specifier::escape(&target).into_owned(),
            options: Vec::new(),
        })
    }));
    let root = member.root();
    let root = Tree::open(&root).map_err(Error::file("open", root))?;
    let all = Volumes::new(member.paths);
    let mut binds = Vec::with_capacity(volumes.len());
    for (at, volume) in volumes.into_iter().enumerate() {
        let target = destination(&volume.target)?;
        let folder = match root.directory(target.trim_start_matches('/')) {
            Ok(folder) => Some(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::file("find, in the container,", target)(error)),
        };
        let place = Place {
            folder,
            copy: !volume.options.iter().any(|option| option == "nocopy"),
            user: (user.uid, user.gid),
        };
        let path = match &volume.volume {
            Some(name) => {
                let held = all
                    .make(&expand(&specifiers, "Volume", name)?)
                    .map_err(Error::Volume)?;
                first_use::begin(&held, &place).map_err(Error::Volume)?;
                held.data_path()
            }
            None => own(member, at, &place)?,
        };
        binds.push(Bind {
            source: specifier::escape(&path.to_string_lossy()).into_owned(),
            target: volume.target,
            options: volume.options,
        });
    }
    Ok(binds)
}

/// A new folder that goes with the container's writable layer.
fn own(member: Member<'_>, at: usize, place: &Place) -> Result<PathBuf, Error> {
    let layer = member
        .paths
        .writable_layer(&member.pod.name, &member.container.name);
    let path = layer.join("volumes").join(at.to_string());
    let folder = path.parent().unwrap_or(&layer);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(Error::file("make", folder))?;
    let fill = || -> io::Result<()> {
        DirBuilder::new().mode(0o755).create(&path)?;
        first_use::fill_own(&Tree::open(&path)?, place)
    };
    fill().map_err(|source| {
        let (action, path) = ("fill the volume", path.clone());
        Error::Volume(VolumeError::File { action, path, source })
    })?;
    Ok(path)
}

/// Places in the container for which the image asks.
fn of_image(image: &ImageConfig) -> Result<Vec<String>, Error> {
    if image.volumes.len() > MOST_OF_IMAGE {
        let message = format!("it asks for more than {MOST_OF_IMAGE} volumes");
        return Err(Error::Image(message));
    }
    let mut places = BTreeSet::new();
    for path in &image.volumes {
        let parts: Vec<&str> = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if !path.starts_with('/') || parts.is_empty() || parts.contains(&"..") {
            let message = format!("its volume {path:?} is not an absolute path without `..`");
            return Err(Error::Image(message));
        }
        let place = format!("/{}", parts.join("/"));
        if !OF_RUNTIME.iter().any(|own| Path::new(&place).starts_with(own)) {
            places.insert(place);
        }
    }
    Ok(places.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::{container, pod};
    use super::*;
    use crate::model::{Network, Paths, Share};
    use std::fs;

    fn image(volumes: &[&str]) -> ImageConfig {
        ImageConfig {
            volumes: volumes.iter().map(|path| (*path).to_owned()).collect(),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn an_image_asks_for_paths_of_its_own_only() {
        let asked = of_image(&image(&[
            "/data/",
            "/data",
            "/proc",
            "/dev/shm",
            "/a//b/./c",
            "/device",
        ]));
        assert_eq!(asked.unwrap(), ["/a/b/c", "/data", "/device"]);
        for bad in ["data", "/", "/a/../b", ""] {
            assert!(of_image(&image(&[bad])).is_err(), "{bad}");
        }
        assert!(of_image(&image(&["/x"; 101])).is_err());
    }

    #[test]
    fn named_ones_stay_and_others_are_of_the_containers_life() {
        let tree = tempfile::tempdir().unwrap();
        let paths = Paths::new(tree.path());
        let pod = pod(Share::default(), Network::None);
        let mut container = container("a");
        container.volumes = vec![
            VolumeMount {
                volume: Some("%p-data".to_owned()),
                target: "/srv".to_owned(),
                options: vec!["ro".to_owned()],
            },
            VolumeMount {
                volume: None,
                target: "/cache".to_owned(),
                options: Vec::new(),
            },
        ];
        let member = Member {
            paths: &paths,
            pod: &pod,
            container: &container,
        };
        fs::create_dir_all(member.root().join("srv")).unwrap();
        fs::write(member.root().join("srv/file"), "of the image").unwrap();
        let user = User {
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            groups: Vec::new(),
            home: "/".to_owned(),
        };
        let binds = prepare(member, &image(&["/srv", "/of%image"]), &user).unwrap();
        let shown: Vec<(&str, &str)> = (binds.iter())
            .map(|bind| {
                let source = bind.source.strip_prefix(tree.path().to_str().unwrap()).unwrap();
                (source, bind.target.as_str())
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("/var/lib/podunit/volumes/pod-web-a-data/_data", "/srv"),
                ("/var/lib/podunit/containers/web/a/volumes/1", "/cache"),
                ("/var/lib/podunit/containers/web/a/volumes/2", "/of%%image"),
            ]
        );
        assert_eq!(binds[0].options, ["ro"]);
        let filled = paths.volumes().join("pod-web-a-data/_data/file");
        assert_eq!(fs::read_to_string(filled).unwrap(), "of the image");
    }
}
