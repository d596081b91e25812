//! Makes ready what the hand-written units of the floor run: the images' files and the containers' configuration.

use crate::record::Side;
use crate::sides::Pod;
use crate::systemd::{run, systemctl};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const STATE: &str = "/run/floor";
/// Not on the root, which is an overlay: an overlay cannot be another's upper layer.
const DISK: &str = "/var/lib/containers/floor";

/// Unpacks the images from the folder `images` and takes over the configuration of podunit's containers, so that the
/// same is asked of crun. podunit's pod must be defined.
pub fn prepare(images: &Path) -> Result<()> {
    for folder in ["ns", "netavark"] {
        fs::create_dir_all(Path::new(STATE).join(folder))?;
    }
    for namespace in ["net", "pid"] {
        fs::write(Path::new(STATE).join("ns").join(namespace), "")?;
    }
    let pod = Pod::founding(0);
    systemctl("start", &pod.named(Side::Podunit))?;
    let copied = copy_configuration(&pod);
    systemctl("stop", &pod.named(Side::Podunit))?;
    copied?;
    for (member, image) in [("web", "nginx"), ("client", "busybox")] {
        for folder in ["image", "upper", "work"] {
            fs::create_dir_all(Path::new(DISK).join(member).join(folder))?;
        }
        fs::create_dir_all(Path::new(STATE).join("root").join(member))?;
        unpack(
            &images.join(image).with_extension("tar"),
            &Path::new(DISK).join(member).join("image"),
        )
        .with_context(|| format!("unpacking the image {image}"))?;
    }
    Ok(())
}

fn copy_configuration(pod: &Pod) -> Result<()> {
    let running = Path::new("/run/podunit").join(&pod.name);
    let (old, new) = (running.display().to_string(), STATE);
    let (old_root, new_root) = (
        format!("/run/podunit/.roots/{}", pod.name),
        format!("{STATE}/root"),
    );
    let mut files = vec![
        "etc/hosts".into(),
        "etc/hostname".into(),
        "etc/resolv.conf".into(),
    ];
    for member in &pod.members {
        files.push(
            PathBuf::from("members")
                .join(&member.name)
                .join("bundle/config.json"),
        );
    }
    for file in files {
        let text = fs::read_to_string(running.join(&file)).with_context(|| file.display().to_string())?;
        let to = Path::new(new).join(&file);
        fs::create_dir_all(to.parent().context("a file in no folder")?)?;
        fs::write(to, text.replace(&old_root, &new_root).replace(&old, new))?;
    }
    Ok(())
}

/// Unpacks the layers of an OCI archive over each other. A file that a later layer removes stays; nobody looks at it.
fn unpack(archive: &Path, to: &Path) -> Result<()> {
    let layout = to.with_extension("layout");
    fs::create_dir_all(&layout)?;
    tar(&["-C", &text(&layout), "-xf", &text(archive)])?;
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let manifest: Value = serde_json::from_slice(&fs::read(blob(&layout, &index["manifests"][0])?)?)?;
    for layer in manifest["layers"]
        .as_array()
        .context("a manifest without layers")?
    {
        tar(&["-C", &text(to), "-xzf", &text(&blob(&layout, layer)?)])?;
    }
    Ok(())
}

fn blob(layout: &Path, descriptor: &Value) -> Result<PathBuf> {
    let digest = descriptor["digest"]
        .as_str()
        .context("a descriptor without a digest")?;
    Ok(layout.join("blobs").join(digest.replace(':', "/")))
}

fn tar(arguments: &[&str]) -> Result<()> {
    run("tar", arguments).map(drop)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
