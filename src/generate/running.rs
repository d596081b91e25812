//! What running pods were started with: `/run/podunit/X/pod.json` and `units/`, copied there by infra. While a pod
//! runs, these stand in for a definition that is gone or broken, so that stop and teardown stay what they were.

use super::{UnitFile, UnitSet, install};
use crate::diagnostic::{Place, Problem};
use crate::model::{Owner, Paths, Pod, PodName};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Nothing that the generator wrote is near this; a copy that is larger is not ours.
const MAX_BYTES: u64 = 16 << 20;

/// A pod that was started and has not been stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its name.
    pub name: PodName,
    /// Its compiled pod; `None` if another version of podunit wrote it.
    pod: Option<Pod>,
    compiled: String,
    files: Vec<UnitFile>,
}

/// All running pods, sorted by name, and a problem for each whose copies cannot be read.
pub fn all(paths: &Paths) -> (Vec<Running>, Vec<Problem>) {
    let mut pods = Vec::new();
    let mut problems = Vec::new();
    for name in file_names(&paths.run()) {
        let Ok(name) = PodName::new(name) else { continue };
        match read(paths, &name) {
            Ok(Some(running)) => pods.push(running),
            Ok(None) => {}
            Err(error) => problems.push(Problem::warning(
                Place::file(paths.pod(&name).dir()),
                format!(
                    "cannot read what pod {name} was started with ({error}): should its definition be gone or \
                     broken, its units are lost until it is stopped"
                ),
            )),
        }
    }
    (pods, problems)
}

impl Running {
    /// The pod as it was started, if this version of podunit did it.
    pub fn pod(&self) -> Option<&Pod> {
        self.pod.as_ref()
    }

    /// Everything that the pod was started with, to be written again.
    pub fn again(&self) -> UnitSet {
        // They could be made when the pod was started.
        let links = self
            .pod
            .as_ref()
            .and_then(|pod| install::of_pod(pod).ok())
            .unwrap_or_default();
        UnitSet {
            owner: Owner::Pod(self.name.clone()),
            source: self
                .pod
                .as_ref()
                .map(|pod| pod.source.clone())
                .unwrap_or_default(),
            images: Vec::new(),
            files: self.files.clone(),
            links,
            compiled: Some(self.compiled.clone()),
        }
    }

    /// The units of members that `pod`, read from the definition as it is now, has no more. It may be the template of
    /// the pod that runs.
    pub fn vanished(&self, pod: &Pod) -> Vec<UnitFile> {
        let mut still = pod.service_units_of(&self.name);
        still.push(self.name.slice());
        still.extend(self.name.slice_of_all());
        let gone = |file: &&UnitFile| !still.contains(&file.name);
        self.files.iter().filter(gone).cloned().collect()
    }
}

fn read(paths: &Paths, name: &PodName) -> io::Result<Option<Running>> {
    let state = paths.pod(name);
    let compiled = match read_regular(&state.compiled()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        compiled => compiled?,
    };
    let is_its_own = |file: &str| {
        file == name.unit()
            || file == name.slice()
            || name.slice_of_all().is_some_and(|all| file == all)
            || name.part_of(file).is_some()
    };
    let mut files = Vec::new();
    for file in file_names(&state.units())
        .into_iter()
        .filter(|file| is_its_own(file))
    {
        let text = read_regular(&state.units().join(&file))?;
        files.push(UnitFile { name: file, text });
    }
    // What a user starts comes last, as in every set.
    files.sort_by_key(|file| (file.name == name.unit(), file.name.clone()));
    Ok(Some(Running {
        name: name.clone(),
        pod: serde_json::from_str(&compiled).ok(),
        compiled,
        files,
    }))
}

/// Names in a directory that are valid text, sorted; none if it cannot be read.
fn file_names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The text of a regular file; never follows a link, never waits for a FIFO.
fn read_regular(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!(
            "{} is not a regular file",
            path.display()
        )));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("{} is too large", path.display())));
    }
    Ok(text)
}
