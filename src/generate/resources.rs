//! Definitions that are neither pod nor container → their units.

use super::images::Images;
use super::{GenerateError, Link, PODUNIT, UnitFile, UnitSet, begin, install};
use crate::model::{
    Directive, ImageDefinition, Owner, Passthrough, PullPolicy, SharedNetwork, Volume, VolumeSource,
};
use crate::unitfile::value::TimeSpan;
use crate::unitfile::write::UnitWriter;
use crate::unitfile::{specifier, words};
use std::path::Path;
use std::time::Duration;

/// What a mount may take: the server of a file system may never answer.
const MOUNT: Duration = Duration::from_secs(90);

/// `x-volume.service`: makes the volume, and mounts what its definition asks for. It stays as long as that is mounted.
///
/// # Errors
/// Something that the definition says for systemd cannot be in a unit file.
pub fn volume(volume: &Volume) -> Result<UnitSet, GenerateError> {
    let name = &*volume.name.in_units();
    let mut unit = begin(&format!("Volume {name}"), &volume.source);
    unit.token("RequiresMountsFor", "/var/lib/podunit");
    if let Some(source) = &volume.mount {
        follows(&mut unit, source);
    }
    pass(&mut unit, &volume.units.unit);
    unit.section("Service")
        .token("Type", "oneshot")
        .token("RemainAfterExit", "yes");
    unit.exec_of_instance("ExecStart", &[PODUNIT, "volume", "start", name]);
    if volume.mount.is_some() {
        unit.exec_of_instance("ExecStop", &[PODUNIT, "volume", "stop", name]);
    }
    unit.time("TimeoutSec", TimeSpan::Finite(MOUNT));
    pass(&mut unit, &volume.units.service);
    let compiled = serde_json::to_string(volume)?;
    set(
        Owner::Volume(volume.name.clone()),
        &volume.source,
        unit,
        &volume.units,
        compiled,
    )
}

/// What has to be there before it can be mounted.
fn follows(unit: &mut UnitWriter, source: &VolumeSource) {
    let is_path = source.device.starts_with('/') && !source.device.contains('%');
    let is_here = source.kind == "bind" || source.device.starts_with("/dev/");
    if is_path && is_here {
        unit.passthrough(
            "RequiresMountsFor",
            &specifier::escape(&words::quote(&source.device)),
        );
    }
    let of_network = [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "ceph",
        "glusterfs",
        "9p",
        "fuse.sshfs",
    ];
    let said = source.options.as_deref().unwrap_or_default();
    if of_network.contains(&source.kind.as_str()) || said.split(',').any(|option| option == "_netdev") {
        unit.units("Wants", &["network-online.target"])
            .units("After", &["network-online.target", "remote-fs-pre.target"]);
    }
}

/// `x-image.service`: there when the image is. The unit that fetches it is that of its request, which it shares with
/// every container that asks for the same; what the definition says for systemd stands in a drop-in of that.
///
/// # Errors
/// Something that the definition says for systemd cannot be in a unit file.
pub fn image(image: &ImageDefinition, images: &mut Images) -> Result<UnitSet, GenerateError> {
    let name = image.name.as_str();
    let mut unit = begin(&format!("Image {name}"), &image.source);
    if let Some(fetch) = images.unit(&image.request) {
        unit.units("Requires", &[fetch]).units("After", &[fetch]);
    }
    if image.request.policy == PullPolicy::Never {
        // Nobody fetches it.
        pass(&mut unit, &image.units.unit);
    }
    unit.section("Service")
        .token("Type", "oneshot")
        .token("RemainAfterExit", "yes");
    // Nothing is to be done that the other unit has not, and so no process is spent on it. systemd wants a command.
    unit.exec("ExecStop", &["/usr/bin/true"]);
    let compiled = serde_json::to_string(image)?;
    set(image.owner(), &image.source, unit, &image.units, compiled)
}

/// `x-network.service`: there while pods can be connected to the network.
///
/// # Errors
/// Something that the definition says for systemd cannot be in a unit file.
pub fn network(network: &SharedNetwork) -> Result<UnitSet, GenerateError> {
    let name = network.name.as_str();
    let mut unit = begin(&format!("Network {name}"), &network.source);
    pass(&mut unit, &network.units.unit);
    unit.section("Service")
        .token("Type", "oneshot")
        .token("RemainAfterExit", "yes");
    unit.exec("ExecStart", &[PODUNIT, "network", "start", name]);
    unit.exec("ExecStop", &[PODUNIT, "network", "stop", name]);
    pass(&mut unit, &network.units.service);
    let compiled = serde_json::to_string(network)?;
    set(
        Owner::Network(network.name.clone()),
        &network.source,
        unit,
        &network.units,
        compiled,
    )
}

/// `[Unit]` and `[Service]` of an image's definition, for the unit that fetches it.
pub(super) fn pass_fetch(unit: &mut UnitWriter, units: &Passthrough) {
    pass(unit, &units.unit);
    if !units.service.is_empty() {
        unit.section("Service");
        pass(unit, &units.service);
    }
}

fn pass(unit: &mut UnitWriter, lines: &[Directive]) {
    for line in lines {
        unit.passthrough(&line.key, &line.value);
    }
}

fn set(
    owner: Owner,
    source: &Path,
    unit: UnitWriter,
    units: &Passthrough,
    compiled: String,
) -> Result<UnitSet, GenerateError> {
    let name = owner.unit();
    let links: Vec<Link> = install::links(&name, &units.install)?;
    Ok(UnitSet {
        owner,
        source: source.to_owned(),
        images: Vec::new(),
        files: vec![UnitFile {
            name,
            text: unit.finish()?,
        }],
        links,
        compiled: Some(compiled + "\n"),
    })
}
