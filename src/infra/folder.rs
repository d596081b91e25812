//! `/run/podunit/X`.

use super::InfraError;
use crate::compiled::{self, CompiledError};
use crate::model::paths::{PodPaths, SLICE_DROP_IN};
use crate::model::{Paths, Pod, PodName};
use crate::sys::file::{lock, replace};
use crate::sys::{mount, tree};
use rustix::fs::{FileType, Mode};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

/// Makes the pod's folder with everything in it that is no mount, and the place of root file systems: the copy of the compiled pod and its units, a
/// folder with FIFOs for each member, the empty `ns` that says infra is here. What is there already is kept; a pod
/// that was started stays what it was.
///
/// # Errors
/// The pod does not exist, or something cannot be made. What has been made stays.
pub fn prepare(paths: &Paths, name: &PodName) -> Result<Pod, InfraError> {
    folder(&paths.run(), 0o755)?;
    folder(&paths.runtime_state(), 0o700)?;
    let _lock = take_lock(paths)?;
    let roots = paths.roots();
    folder(&roots, 0o700)?;
    make("the place of root file systems", &roots, mount::bind_once(&roots))?;
    let at = paths.pod(name);
    folder(at.dir(), 0o700)?;
    let pod = keep_what_is_started(paths, name, &at)?;
    for member in &pod.members {
        let at = at.member(&member.name);
        folder(at.dir(), 0o700)?;
        // The container sees this one as /run/notify, with whatever user it has.
        folder(&at.notify_dir(), 0o755)?;
        for fifo in [at.stdout(), at.stderr()] {
            make("a FIFO", &fifo, make_fifo(&fifo))?;
        }
    }
    folder(&at.etc(), 0o755)?;
    if pod.share.ipc {
        folder(&at.shm(), 0o700)?;
    }
    folder(at.root(), 0o700)?;
    // Last: `remove_if_dead` goes by it.
    folder(&at.namespaces(), 0o700)?;
    Ok(pod)
}

/// The pod as it was started, or else as it is now, which is copied.
fn keep_what_is_started(paths: &Paths, name: &PodName, at: &PodPaths) -> Result<Pod, InfraError> {
    if at.compiled().exists() {
        return Ok(compiled::running(paths, name)?);
    }
    let (pod, file) = compiled::find(paths, name)?;
    let units = at.units();
    folder(&units, 0o700)?;
    // What it was read from, which may be its template; the copies have its own names all the same.
    let from = compiled::name_of(&file).unwrap_or_else(|| pod.name.clone());
    for (unit, source) in copies(&pod, &from) {
        // Not all may be there: an administrator can have put one somewhere else.
        match fs::read(file.with_file_name(&source)) {
            Ok(text) => {
                let copy = units.join(&unit);
                make("the copy of a unit", &copy, replace(&copy, &text, 0o600))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(CompiledError::Unreadable {
                    path: file.with_file_name(&source),
                    source: error,
                }
                .into());
            }
        }
    }
    // Last: where this is, the units are whole.
    let json = serde_json::to_vec(&pod).map_err(io::Error::from);
    make(
        "the copy of the compiled pod",
        &at.compiled(),
        json.and_then(|json| replace(&at.compiled(), &json, 0o600)),
    )?;
    Ok(pod)
}

/// The units of a pod, each with the file that is copied: that of `from`, the pod itself or its template.
fn copies(pod: &Pod, from: &PodName) -> Vec<(String, String)> {
    let name = &pod.name;
    let mut copies: Vec<(String, String)> = pod
        .service_units()
        .into_iter()
        .zip(pod.service_units_of(from))
        .collect();
    copies.extend(name.slice_of_all().map(|all| (all.clone(), all)));
    copies.push((
        name.slice(),
        match name.instance() {
            None => from.slice(),
            // A drop-in that has all that a slice has.
            Some(_) => format!("{}/{SLICE_DROP_IN}", from.slice_drop_ins()),
        },
    ));
    copies
}

fn folder(path: &Path, mode: u32) -> Result<(), InfraError> {
    make(
        "a folder",
        path,
        DirBuilder::new().recursive(true).mode(mode).create(path),
    )
}

fn make_fifo(path: &Path) -> io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0) {
        Err(rustix::io::Errno::EXIST) if fs::symlink_metadata(path)?.file_type().is_fifo() => Ok(()),
        result => Ok(result?),
    }
}

pub(super) fn make<T>(what: &'static str, path: &Path, result: io::Result<T>) -> Result<T, InfraError> {
    result.map_err(|source| InfraError::Make {
        what,
        path: path.to_owned(),
        source,
    })
}

/// Takes away what cannot outlive the pod's namespaces: their pins, `shm`, `root`, what the OCI runtime knows of the
/// containers. The rest stays for the next life of infra. Done twice, it does nothing.
///
/// # Errors
/// The first thing that could not be removed, after all the rest has been.
pub fn release(paths: &Paths, name: &PodName) -> Result<(), InfraError> {
    let at = paths.pod(name);
    // Everything that is mounted there belongs to this life of the pod.
    // Not further if that fails: nothing is deleted through a mount.
    removed(at.dir(), mount::unmount_below(at.dir()))?;
    let state = paths.runtime_state();
    let mut left = removed(&state, containers(&state, &name.container_prefix()))?;
    // `ns` last: while it is there, infra is not dead.
    left.extend([at.shm(), at.root().to_owned(), at.connected(), at.namespaces()]);
    left.into_iter()
        .map(|path| removed(&path, tree::remove(&path)))
        .fold(Ok(()), Result::and)
}

/// The folders in `state` whose names begin with `prefix`.
fn containers(state: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name()));
    let names: Vec<OsString> = names.collect::<io::Result<_>>()?;
    let ours = |name: &&OsString| name.as_encoded_bytes().starts_with(prefix.as_bytes());
    Ok(names.iter().filter(ours).map(|name| state.join(name)).collect())
}

/// Takes away everything of the pod, after an intended stop.
///
/// # Errors
/// The first thing that could not be removed.
pub fn remove(paths: &Paths, name: &PodName) -> Result<(), InfraError> {
    release(paths, name)?;
    if !paths.run().exists() {
        return Ok(());
    }
    let _lock = take_lock(paths)?;
    remove_folders(paths, name)
}

/// The members' writable layers, and the pod's folder.
fn remove_folders(paths: &Paths, name: &PodName) -> Result<(), InfraError> {
    let layers = paths.writable_layers(name);
    let dir = paths.pod(name).dir().to_owned();
    removed(&layers, tree::remove(&layers)).and(removed(&dir, tree::remove(&dir)))
}

/// Removes everything of the pod if infra is not up: for the supervisor when it ends and infra has failed, before or
/// during the stop, so that the next start takes the definition of its time. True if the folder is gone.
///
/// # Errors
/// It is there and could not be removed.
pub fn remove_if_dead(paths: &Paths, name: &PodName) -> Result<bool, InfraError> {
    let at = paths.pod(name);
    if !at.dir().exists() {
        return Ok(true);
    }
    let _lock = take_lock(paths)?;
    if at.namespaces().exists() || at.network().exists() {
        return Ok(false);
    }
    removed(at.dir(), mount::unmount_below(at.dir()))?;
    remove_folders(paths, name)?;
    Ok(true)
}

fn take_lock(paths: &Paths) -> Result<File, InfraError> {
    let path = paths.run_lock();
    make("the lock", &path, lock(&path))
}

fn removed<T>(path: &Path, result: io::Result<T>) -> Result<T, InfraError> {
    result.map_err(|source| InfraError::Remove {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const MEMBER: &str = r#"{"name":"a","source":"/a","image":{"image":{"reference":"x"}},"exec":null,"entrypoint":null,
        "environment":[],"environment_files":[],"user":null,"working_dir":null,"binds":[],"tmpfs":[],
        "read_only":false,"add_capabilities":[],"drop_capabilities":[],"stop_signal":null,"stop_timeout":1,
        "reload_signal":null,"signal_map":{},"ready":"started","labels":{},
        "units":{"unit":[],"service":[],"install":[]}}"#;

    fn compiled(hostname: &str) -> String {
        format!(
            r#"{{"version":1,"name":"web","source":"/etc/podunit/web.pod",
            "share":{{"net":true,"ipc":true,"uts":true,"pid":false}},"hostname":"{hostname}","network":"none",
            "ports":[],"shm_size":65536,"labels":{{}},"start_timeout":null,"members":[{MEMBER}],
            "units":{{"unit":[],"service":[],"install":[]}}}}"#
        )
    }

    #[test]
    fn a_pod_keeps_what_it_was_started_with_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        let name = PodName::new("web").unwrap();
        let at = paths.pod(&name);
        let generated = paths.under("/run/systemd/generator");
        fs::create_dir_all(&generated).unwrap();
        fs::write(generated.join("pod-web.json"), compiled("one")).unwrap();
        fs::write(generated.join("pod-web.service"), "[Service]\n").unwrap();
        fs::write(generated.join("pods-web.slice"), "[Slice]\n").unwrap();

        prepare(&paths, &name).unwrap();
        let state = |name: &str| paths.runtime_state().join(name);
        for container in ["web++a", "web++b", "web2++a"] {
            fs::create_dir(state(container)).unwrap();
        }
        assert_eq!(fs::metadata(at.dir()).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(at.compiled()).unwrap().mode() & 0o7777, 0o600);
        let mut units: Vec<_> = fs::read_dir(at.units())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        units.sort();
        assert_eq!(units, ["pod-web.service", "pods-web.slice"]);
        let member = at.member(&crate::model::MemberName::new("a").unwrap());
        let fifo = fs::metadata(member.stdout()).unwrap();
        assert!(fifo.file_type().is_fifo() && fifo.mode() & 0o7777 == 0o600);
        assert!(!remove_if_dead(&paths, &name).unwrap(), "infra is up");

        // It crashes and comes back: the same, whatever was generated meanwhile.
        release(&paths, &name).unwrap();
        fs::write(generated.join("pod-web.json"), compiled("two")).unwrap();
        assert_eq!(prepare(&paths, &name).unwrap().hostname.as_deref(), Some("one"));
        assert_eq!(fs::metadata(member.stdout()).unwrap().ino(), fifo.ino());

        release(&paths, &name).unwrap();
        release(&paths, &name).unwrap();
        assert!(!state("web++a").exists() && !state("web++b").exists() && state("web2++a").exists());
        assert!(at.compiled().exists() && !at.namespaces().exists() && !at.root().exists());
        assert!(remove_if_dead(&paths, &name).unwrap());
        assert!(!at.dir().exists());
        assert!(remove_if_dead(&paths, &name).unwrap());

        assert_eq!(prepare(&paths, &name).unwrap().hostname.as_deref(), Some("two"));
        remove(&paths, &name).unwrap();
        remove(&paths, &name).unwrap();
        assert!(!at.dir().exists());
    }
}
