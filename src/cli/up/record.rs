//! What `podunit up` has put into the folder of definitions, pod by pod, so that `podunit down` takes that away and no more.

use crate::model::{Paths, PodName};
use crate::sys::file;
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;

/// Longest record, in bytes.
const LARGEST: u64 = 1 << 20;

/// The right to put definitions there and to take them away.
pub(in crate::cli) fn lock(paths: &Paths) -> anyhow::Result<File> {
    let folder = paths.run().join(".up");
    let path = folder.join(".lock");
    let made = fs::create_dir_all(&folder).and_then(|()| file::lock(&path));
    made.with_context(|| format!("cannot lock {}: are you root?", path.display()))
}

/// Notes for each of the pods the files that it has to do with.
pub(super) fn write(paths: &Paths, pods: &BTreeMap<PodName, BTreeSet<PathBuf>>) -> anyhow::Result<()> {
    for (pod, files) in pods {
        let path = paths.brought_up(pod);
        let text: String = files.iter().map(|name| format!("{}\n", name.display())).collect();
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| file::replace(&path, text.as_bytes(), 0o600))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The files of a pod, below the folder of definitions; none if `podunit up` has not brought it.
pub(in crate::cli) fn read(paths: &Paths, pod: &PodName) -> Option<BTreeSet<PathBuf>> {
    let text = file::read_text(&paths.brought_up(pod), LARGEST).ok()?;
    Some(text.lines().map(PathBuf::from).collect())
}

/// What an earlier call has brought for these pods, and is not among `names`; what another pod has to do with too is kept.
pub(super) fn stale(paths: &Paths, pods: &[PodName], names: &[PathBuf]) -> Vec<PathBuf> {
    let mut own: BTreeSet<PathBuf> = pods.iter().filter_map(|pod| read(paths, pod)).flatten().collect();
    own.retain(|file| !names.contains(file));
    without_others(paths, pods, own)
}

/// Forgets a pod, and gives the files that no other pod has to do with.
pub(in crate::cli) fn take(paths: &Paths, pod: &PodName) -> anyhow::Result<Option<Vec<PathBuf>>> {
    let Some(own) = read(paths, pod) else {
        return Ok(None);
    };
    let path = paths.brought_up(pod);
    let own = without_others(paths, std::slice::from_ref(pod), own);
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(Some(own))
}

/// Files that no pod but these has to do with.
fn without_others(paths: &Paths, pods: &[PodName], mut files: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let folder = pods
        .first()
        .and_then(|pod| paths.brought_up(pod).parent().map(PathBuf::from));
    let others = folder
        .and_then(|folder| folder.read_dir().ok())
        .into_iter()
        .flatten()
        .flatten();
    let names =
        others.filter_map(|other| PodName::new(other.file_name().to_string_lossy().into_owned()).ok());
    for other in names.filter(|other| !pods.contains(other)) {
        let used = read(paths, &other).unwrap_or_default();
        files.retain(|file| !used.contains(file));
    }
    files.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_two_pods_go_with_the_last() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        let pods: Vec<PodName> = ["a", "b"].map(|name| PodName::new(name).unwrap()).into();
        let files = |names: &[&str]| -> BTreeSet<PathBuf> { names.iter().map(PathBuf::from).collect() };
        let all = BTreeMap::from([
            (pods[0].clone(), files(&["a.pod", "data.volume"])),
            (pods[1].clone(), files(&["b.pod", "data.volume"])),
        ]);
        write(&paths, &all).unwrap();
        let names = ["a.pod", "a.pod.d/x.conf", "data.volume"].map(PathBuf::from);
        assert!(stale(&paths, &pods[..1], &names).is_empty());
        write(
            &paths,
            &BTreeMap::from([(pods[0].clone(), names.iter().cloned().collect())]),
        )
        .unwrap();
        assert_eq!(stale(&paths, &pods[..1], &names[..1]), names[1..2]);
        assert_eq!(take(&paths, &pods[0]).unwrap().unwrap(), names[..2]);
        assert_eq!(take(&paths, &pods[1]).unwrap().unwrap().len(), 2);
        assert_eq!(take(&paths, &pods[1]).unwrap(), None);
    }
}
