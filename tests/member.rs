//! A member's root file system on a real kernel, and its removal. The whole life of a member is in the end-to-end
//! tests.

#![allow(clippy::unwrap_used)]

#[path = "common/root.rs"]
mod root;
#[path = "common/skip.rs"]
mod skip;

use podunit::infra;
use podunit::member::{Member, clean, rootfs, user};
use podunit::model::{ImageConfig, Paths, Pod, UnpackedImage};
use root::is_root;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

const POD: &str = r#"{"version":1,"name":"web","source":"/etc/podunit/web.pod",
    "share":{"net":true,"ipc":true,"uts":true,"pid":false},"hostname":null,"network":"none","ports":[],
    "shm_size":65536,"labels":{},"start_timeout":null,"units":{"unit":[],"service":[],"install":[]},
    "members":[{"name":"a","source":"/etc/podunit/web.pod","image":{"image":{"reference":"x"}},"exec":null,"entrypoint":null,
    "environment":[],"environment_files":[],"user":null,"working_dir":null,"binds":[],"tmpfs":[],"read_only":false,
    "add_capabilities":[],"drop_capabilities":[],"stop_signal":null,"stop_timeout":1000000,"reload_signal":null,
    "signal_map":{},"ready":"started","labels":{},"units":{"unit":[],"service":[],"install":[]}}]}"#;

fn file(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn layers_are_stacked_unseen_and_accounts_are_the_containers_own() {
    if !is_root("layers_are_stacked_unseen_and_accounts_are_the_containers_own") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::new(folder.path());
    let pod: Pod = serde_json::from_str(POD).unwrap();
    let member = Member {
        paths: &paths,
        pod: &pod,
        container: &pod.members[0],
    };
    let image_of = |count: usize| {
        let layers: Vec<_> = (0..count)
            .map(|number| folder.path().join(format!("layers/{number}")))
            .collect();
        for (number, layer) in layers.iter().enumerate() {
            file(&layer.join(format!("only-{number}")), "");
            file(&layer.join("which"), &number.to_string());
        }
        UnpackedImage {
            reference: "x".to_owned(),
            digest: "sha256:0".to_owned(),
            layers,
            config: ImageConfig::default(),
        }
    };
    let image = image_of(127);
    let top = image.layers.last().unwrap();
    fs::set_permissions(top, fs::Permissions::from_mode(0o751)).unwrap();
    // A link out of the image: followed inside it.
    file(&top.join("usr/passwd"), "www:x:33:34::/var/www:/bin/sh\n");
    fs::create_dir_all(top.join("etc")).unwrap();
    symlink("/../../usr/passwd", top.join("etc/passwd")).unwrap();
    symlink("/proc/self/environ", top.join("etc/group")).unwrap();

    // What infra makes: a mount point of its own.
    let place = paths.roots();
    fs::create_dir_all(member.pod_paths().root()).unwrap();
    podunit::sys::mount::bind_once(&place).unwrap();
    podunit::sys::mount::bind_once(&place).unwrap();
    let seen_by_host = std::thread::spawn({
        let (layer, member_root) = (
            paths.writable_layer(&pod.name, &pod.members[0].name),
            member.root(),
        );
        file(&layer.join("upper/left-behind"), "");
        let (paths, pod, image) = (paths.clone(), pod.clone(), image.clone());
        // A thread of its own: the mount namespace is the thread's.
        move || {
            let member = Member {
                paths: &paths,
                pod: &pod,
                container: &pod.members[0],
            };
            let left = podunit::member::clean::clean(&paths, &pod.name, &pod.members[0].name);
            assert_eq!(left.len(), 0);
            rootfs::enter(member).unwrap();
            rootfs::mount_image(member, &image).unwrap();
            assert_eq!(fs::read_to_string(member_root.join("which")).unwrap(), "126");
            assert!(member_root.join("only-0").exists());
            assert!(!member_root.join("left-behind").exists());
            assert_eq!(fs::metadata(&member_root).unwrap().mode() & 0o7777, 0o751);
            fs::write(member_root.join("written"), "").unwrap();
            assert!(layer.join("upper/written").exists());
            let (passwd, group) = rootfs::accounts(member).unwrap();
            assert_eq!(user::resolve("www", &passwd, &group).unwrap().gid, 34);
            assert_eq!(group, "");
        }
    });
    seen_by_host.join().unwrap();
    assert_eq!(fs::read_dir(member.root()).unwrap().count(), 0);

    let too_many = image_of(300);
    let error = std::thread::spawn({
        let (paths, pod) = (paths.clone(), pod.clone());
        move || {
            let member = Member {
                paths: &paths,
                pod: &pod,
                container: &pod.members[0],
            };
            rootfs::enter(member).unwrap();
            rootfs::mount_image(member, &too_many).unwrap_err().to_string()
        }
    });
    assert!(error.join().unwrap().contains("300 layers"));
    podunit::sys::mount::unmount_below(&paths.run()).unwrap();
    infra::remove(&paths, &pod.name).unwrap();
}

#[test]
fn a_member_without_infra_says_so() {
    if !is_root("a_member_without_infra_says_so") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::new(folder.path());
    let pod: Pod = serde_json::from_str(POD).unwrap();
    let error = std::thread::spawn(move || {
        let member = Member {
            paths: &paths,
            pod: &pod,
            container: &pod.members[0],
        };
        let missing = rootfs::enter(member).unwrap_err().to_string();
        fs::create_dir_all(member.pod_paths().root()).unwrap();
        [missing, rootfs::enter(member).unwrap_err().to_string()]
    });
    for message in error.join().unwrap() {
        assert!(message.contains("infra unit is not running"), "{message}");
    }
}

#[test]
fn cleaning_leaves_what_is_infras() {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::new(folder.path());
    let pod: Pod = serde_json::from_str(POD).unwrap();
    let (name, member) = (&pod.name, &pod.members[0].name);
    assert!(clean::clean(&paths, name, member).is_empty());

    let state = paths.runtime_state().join(name.container_id(member));
    let files = paths.pod(name).member(member);
    file(&state.join("status"), "");
    file(&files.bundle().join("config.json"), "");
    file(&files.pid_file(), "1\n");
    file(&files.image(), "");
    file(&files.stdout(), "");
    file(&paths.writable_layer(name, member).join("upper/deep/file"), "");
    for _ in 0..2 {
        let left = clean::clean(&paths, name, member);
        assert!(left.is_empty(), "{left:?}");
    }
    assert!(!state.exists() && !paths.writable_layer(name, member).exists());
    // Infra's, for the member's next life.
    assert_eq!(fs::read_dir(files.dir()).unwrap().count(), 1);
}
