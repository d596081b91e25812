//! Keys of the definitions that are neither pod nor container: `[Volume]`, `[Network]` and `[Image]`. Part of the one
//! table, [`super::keys`].

use super::keys::Rule::{All, Args, Bool, Pairs, Single};
use super::keys::Status::{Honoured, NoEffect, Unsupported};
use super::keys::{Key, NO_GLOBAL, NO_MODULE, key};

const UNIT_NAME: &str = "units are named after the file; write Alias= in [Install]";
const NO_PODMAN: &str = "podunit runs no Podman; write what it should do as keys of its own";

/// Keys of `[Volume]`.
#[rustfmt::skip]
pub(super) const VOLUME: &[Key] = &[
    key("ContainersConfModule", All, Unsupported(NO_MODULE), "Modules of containers.conf"),
    key("Copy", Bool, Honoured, "Whether the first container that uses it copies what its image has there; yes if absent"),
    key("Device", Single, Honoured, "What is mounted: a device, a folder of the host, SERVER:/PATH"),
    key("Driver", Single, Honoured, "Always local: there is no other"),
    key("GID", Single, Honoured, "Group of its folder: a name or number of this machine"),
    key("GlobalArgs", Args, Unsupported(NO_GLOBAL), "Arguments to podman"),
    key("Group", Single, Honoured, "As GID="),
    key("Image", Single, Unsupported("volumes are not made of images; run a container of the image that writes into it, with Init=true"), "Image that is the volume"),
    key("Label", Pairs, Honoured, "Labels, NAME=value"),
    key("Options", Single, Honoured, "Options of the mount (mount(8)); without Type= and Device= uid= and gid= only"),
    key("PodmanArgs", Args, Unsupported(NO_PODMAN), "Arguments to podman volume create"),
    key("ServiceName", Single, Unsupported(UNIT_NAME), "Name of the unit"),
    key("Type", Single, Honoured, "File system that is mounted, such as tmpfs or nfs; bind for a folder of the host"),
    key("UID", Single, Honoured, "Owner of its folder: a name or number of this machine"),
    key("User", Single, Honoured, "As UID="),
    key("VolumeName", Single, Honoured, "Name of the volume; systemd- and the name of the file if absent"),
];

/// Keys of `[Image]`.
#[rustfmt::skip]
pub(super) const IMAGE: &[Key] = &[
    key("AllTags", Bool, Unsupported("write a file for each tag that is needed"), "All tags of a repository"),
    key("Arch", Single, Honoured, "Processor that the image is for, such as arm64; this machine's if absent"),
    key("AuthFile", Single, Honoured, "The file with credentials for the registry (containers-auth.json(5))"),
    key("CertDir", Single, Honoured, "The folder with certificates for the registry (containers-certs.d(5))"),
    key("ContainersConfModule", All, Unsupported(NO_MODULE), "Modules of containers.conf"),
    key("Creds", Single, Unsupported("a definition is no place for a password: write AuthFile="), "User and password"),
    key("DecryptionKey", Single, Unsupported("encrypted images are not supported by this version"), "Key of an encrypted image"),
    key("GlobalArgs", Args, Unsupported(NO_GLOBAL), "Arguments to podman"),
    key("Image", Single, Honoured, "Image that is pulled"),
    key("ImageTag", Single, Unsupported("an image has the name in Image=; archives are loaded with `podunit image load --name`"), "Name of an image from an archive"),
    key("OS", Single, Honoured, "Operating system that the image is for; linux if absent"),
    key("PodmanArgs", Args, Unsupported(NO_PODMAN), "Arguments to podman image pull"),
    key("Policy", Single, Honoured, "When the registry is asked: always, missing (if absent), never or newer"),
    key("Retry", Single, Honoured, "How often a pull that failed is tried again; 3 if absent"),
    key("RetryDelay", Single, Honoured, "Time between these attempts; from a second, doubled each time, if absent"),
    key("ServiceName", Single, Unsupported(UNIT_NAME), "Name of the unit"),
    key("TLSVerify", Bool, Honoured, "Whether the registry must show a certificate that is trusted"),
    key("Variant", Single, Honoured, "Variant of that processor, such as v7"),
];

/// Keys of `[Network]`.
#[rustfmt::skip]
pub(super) const NETWORK: &[Key] = &[
    key("ContainersConfModule", All, Unsupported(NO_MODULE), "Modules of containers.conf"),
    key("DNS", All, Honoured, "Name servers that are asked for names that are none on the network; the host's if absent"),
    key("DisableDNS", Bool, Honoured, "Whether pods cannot find each other by name"),
    key("Driver", Single, Honoured, "How pods are connected: bridge (if absent), macvlan or ipvlan"),
    key("Gateway", All, Honoured, "The address that leads out of the Subnet= at the same position; the first of it if absent"),
    key("GlobalArgs", Args, Unsupported(NO_GLOBAL), "Arguments to podman"),
    key("IPAMDriver", Single, Honoured, "Who gives out addresses: host-local (podunit, if absent), or none"),
    key("IPRange", All, Honoured, "Addresses that are given out of the Subnet= at the same position: FIRST-LAST, or a smaller subnet"),
    key("IPv6", Bool, Honoured, "Whether there is a subnet of IPv6: one is chosen if no Subnet= is"),
    key("InterfaceName", Single, Honoured, "Name of the bridge; with macvlan and ipvlan the interface of the host that pods share"),
    key("Internal", Bool, Honoured, "Whether nothing leads out of it"),
    key("Label", Pairs, Honoured, "Labels, NAME=value"),
    key("NetworkDeleteOnStop", Bool, NoEffect("a network is gone when its unit is stopped, always"), "Whether it is removed then"),
    key("NetworkName", Single, Honoured, "Another name for Network= of pods; systemd- and the name of the file if absent"),
    key("Options", Pairs, Honoured, "Options of the driver: mtu, vlan, isolate, metric, no_default_route, vrf, mode, bclim, parent"),
    key("PodmanArgs", Args, Unsupported(NO_PODMAN), "Arguments to podman network create"),
    key("Route", All, Honoured, "Routes of the pods: DESTINATION,GATEWAY[,METRIC]"),
    key("ServiceName", Single, Unsupported(UNIT_NAME), "Name of the unit"),
    key("Subnet", All, Honoured, "Addresses of the network, such as 10.20.0.0/24; chosen if absent"),
];
