//! Finding and reading compiled pods (`pod-X.json`), for every program that works on a pod by its name.

use crate::model::{
    ImageDefinition, OLDEST_SCHEMA, Owner, Paths, Pod, PodName, Request, ResourceName, SCHEMA_VERSION,
    request,
};
use crate::sys::file;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest compiled pod that is read, in bytes. Definitions end at 1 MiB; JSON makes them a few times longer.
const LARGEST: u64 = 16 << 20;

/// Why a pod's compiled form cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CompiledError {
    /// No folder of unit files holds one, so the pod does not exist.
    #[error(
        "there is no pod `{pod}`: no folder of unit files holds {file}; `podunit check` says what is wrong with \
         the definitions, and `systemctl daemon-reload` makes the units of a new one"
    )]
    Missing {
        /// The pod that was asked for.
        pod: PodName,
        /// Its file name.
        file: String,
    },
    /// The file is there and cannot be read.
    #[error("{path}: cannot read the compiled pod")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what a compiled pod looks like.
    #[error("{path}: this is not a compiled pod; `systemctl daemon-reload` makes it anew")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// A newer podunit wrote it.
    #[error(
        "{path}: a newer podunit wrote this (schema version {version}, and this one reads up to {SCHEMA_VERSION}); \
         update podunit again, or have `systemctl daemon-reload` make it anew; a pod that runs can be stopped by the \
         newer one only"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it says.
        version: u32,
    },
    /// No folder of unit files holds what another definition says.
    #[error(
        "there is no {owner}: no folder of unit files holds {}; `podunit check` says what is wrong with the \
         definitions, and `systemctl daemon-reload` makes the units of a new one",
        owner.compiled_file()
    )]
    NoDefinition {
        /// What was asked for.
        owner: Owner,
    },
    /// No pod has a request with this ID.
    #[error(
        "no definition asks for an image with the request ID {id}: the definition has changed since the unit was made; \
         `systemctl daemon-reload` takes that up"
    )]
    NoRequest {
        /// The ID.
        id: String,
    },
    /// Without units of its own, an instance would get the slice of another.
    #[error(
        "the instance `{instance}` of the pod `{template}` has a name with `-` or `@`, and so needs a definition: a link \
         beside that of the template is enough, `ln -s {template}.{kind} {pod}.{kind}`, then `systemctl daemon-reload`"
    )]
    Instance {
        /// The pod that was asked for.
        pod: PodName,
        /// Its template.
        template: PodName,
        /// Its instance.
        instance: String,
        /// How the name of the template's file ends.
        kind: String,
    },
    /// Its template publishes a port that is made of the instance's name, and is none.
    #[error("the pod `{pod}` cannot publish PublishPort={port} of its template: {why}")]
    Port {
        /// The pod that was asked for.
        pod: PodName,
        /// As the template has it.
        port: String,
        /// Why not.
        why: String,
    },
    /// The file holds a pod of another name.
    #[error("{path}: this is the compiled form of the pod `{name}`, not of the pod its name says")]
    Name {
        /// The file.
        path: PathBuf,
        /// The name inside.
        name: PodName,
    },
}

/// The pod as systemd has it now: the first of [`Paths::unit_dirs`] that holds `pod-X.json`, and that file's path.
/// The pod's unit files stand in the same folder. An instance that has none is what its template says, under its own
/// name.
///
/// # Errors
/// There is none, or the first one cannot be used; a later one never stands in for a bad one.
pub fn find(paths: &Paths, pod: &PodName) -> Result<(Pod, PathBuf), CompiledError> {
    if let Some(found) = first(paths, pod)? {
        return Ok(found);
    }
    let template = pod.template();
    let found = template
        .as_ref()
        .map(|template| first(paths, template))
        .transpose()?;
    match (found.flatten(), template) {
        (Some((found, _)), Some(template)) if pod.needs_own_units() => Err(CompiledError::Instance {
            pod: pod.clone(),
            template,
            instance: pod.instance().unwrap_or_default().to_owned(),
            kind: (found.source.extension().unwrap_or_default())
                .to_string_lossy()
                .into_owned(),
        }),
        (Some((found, path)), _) => match found.of_instance(pod) {
            Ok(found) => Ok((found, path)),
            Err((port, why)) => Err(CompiledError::Port {
                pod: pod.clone(),
                port,
                why,
            }),
        },
        (None, _) => Err(CompiledError::Missing {
            pod: pod.clone(),
            file: pod.compiled_file(),
        }),
    }
}

fn first(paths: &Paths, pod: &PodName) -> Result<Option<(Pod, PathBuf)>, CompiledError> {
    let file = pod.compiled_file();
    for path in paths.unit_dirs().map(|dir| dir.join(&file)) {
        if let Some(found) = read(&path, pod)? {
            return Ok(Some((found, path)));
        }
    }
    Ok(None)
}

/// The pod, or the template, whose compiled form a file is by its name.
pub fn name_of(file: &Path) -> Option<PodName> {
    let name = file.file_name()?.to_str()?;
    name.strip_prefix("pod-")?.strip_suffix(".json")?.parse().ok()
}

/// What the definition of a volume or an image says, as systemd has it now.
///
/// # Errors
/// There is none, or it cannot be used.
pub fn definition<T: DeserializeOwned>(paths: &Paths, owner: Owner) -> Result<T, CompiledError> {
    let file = owner.compiled_file();
    for path in paths.unit_dirs().map(|dir| dir.join(&file)) {
        if let Some(found) = read_any(&path)? {
            return Ok(found);
        }
    }
    Err(CompiledError::NoDefinition { owner })
}

/// The pod as it was started, from `/run/podunit/X/pod.json`; a pod that does not run is looked up with [`find`].
///
/// # Errors
/// Those of [`find`]. A copy that cannot be read is an error, never a reason to take another.
pub fn running(paths: &Paths, pod: &PodName) -> Result<Pod, CompiledError> {
    match read(&paths.pod(pod).compiled(), pod)? {
        Some(found) => Ok(found),
        None => find(paths, pod).map(|(found, _)| found),
    }
}

/// Names of all pods of which there is a compiled form: those that systemd knows, and those that run.
pub fn pods(paths: &Paths) -> BTreeSet<PodName> {
    let all = pods_and_templates(paths).into_iter();
    all.filter(|name| !name.is_template()).collect()
}

/// The same, and templates, which say what their instances will be.
pub fn pods_and_templates(paths: &Paths) -> BTreeSet<PodName> {
    let generated = paths.unit_dirs().into_iter().flat_map(|dir| named(&dir, ".json"));
    let running = file_names(&paths.run()).filter_map(|name| {
        let name: PodName = name.parse().ok()?;
        paths.pod(&name).compiled().exists().then_some(name)
    });
    generated.chain(running).collect()
}

/// Names of all definitions of a kind, such as `volume`, of which there is a compiled form.
pub fn resources(paths: &Paths, kind: &str) -> BTreeSet<ResourceName> {
    let files = paths.unit_dirs().into_iter().flat_map(|dir| file_names(&dir));
    files
        .filter_map(|file| {
            let name = file
                .strip_prefix(kind)?
                .strip_prefix('-')?
                .strip_suffix(".json")?;
            name.parse().ok()
        })
        .collect()
}

/// The request with this ID, of whichever pod has it. That pod is named by a drop-in of the request's unit; where there
/// is none, since the pod has gone or has another definition now and still runs, all pods are looked through.
///
/// # Errors
/// No pod has it.
pub fn request(paths: &Paths, id: &str) -> Result<Request, CompiledError> {
    let folder = format!("{}.d", request::unit_of(id));
    // No other text is an ID, nor part of a path.
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let drop_ins: Vec<PathBuf> = (paths.unit_dirs().into_iter().filter(|_| is_id))
        .map(|dir| dir.join(&folder))
        .collect();
    let of_image = |file: String| {
        let name = file.strip_prefix("image-")?.strip_suffix(".conf")?.parse().ok()?;
        let image: ImageDefinition = definition(paths, Owner::Image(name)).ok()?;
        Some(image.request).filter(|request| request.id() == id)
    };
    let mut of_images = drop_ins
        .iter()
        .flat_map(|dir| file_names(dir))
        .filter_map(of_image);
    if let Some(request) = of_images.next() {
        return Ok(request);
    }
    let asking = drop_ins.iter().flat_map(|dir| named(dir, ".conf"));
    let of_pod = |pod: PodName| {
        let compiled = [find(paths, &pod).map(|(pod, _)| pod), running(paths, &pod)];
        let mut requests = compiled
            .into_iter()
            .flatten()
            .flat_map(|pod| pod.requests().cloned().collect::<Vec<_>>());
        requests.find(|request| request.id() == id)
    };
    let found = asking.filter_map(of_pod).next();
    found
        .or_else(|| {
            pods_and_templates(paths)
                .into_iter()
                .filter(|_| is_id)
                .find_map(of_pod)
        })
        .ok_or_else(|| CompiledError::NoRequest { id: id.to_owned() })
}

/// The pods whose files `pod-X` and `suffix` are in a folder.
fn named(dir: &Path, suffix: &'static str) -> impl Iterator<Item = PodName> + use<> {
    file_names(dir).filter_map(move |file| file.strip_prefix("pod-")?.strip_suffix(suffix)?.parse().ok())
}

fn file_names(dir: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn read(path: &Path, pod: &PodName) -> Result<Option<Pod>, CompiledError> {
    match read_any::<Pod>(path)? {
        Some(found) if found.name != *pod => Err(CompiledError::Name {
            path: path.to_owned(),
            name: found.name,
        }),
        found => Ok(found),
    }
}

fn read_any<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CompiledError> {
    let text = match file::read_whole(path, LARGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(CompiledError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    parse(&text, path).map(Some)
}

fn parse<T: DeserializeOwned>(text: &[u8], path: &Path) -> Result<T, CompiledError> {
    /// What every version of the schema has.
    #[derive(Deserialize)]
    struct Header {
        version: u32,
    }
    let syntax = |source| CompiledError::Syntax {
        path: path.to_owned(),
        source,
    };
    // First alone: a later schema may have fields that this one refuses.
    let Header { version } = serde_json::from_slice(text).map_err(syntax)?;
    if !(OLDEST_SCHEMA..=SCHEMA_VERSION).contains(&version) {
        return Err(CompiledError::Version {
            path: path.to_owned(),
            version,
        });
    }
    serde_json::from_slice(text).map_err(syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first podunit wrote it: every test here also reads an older version.
    const POD: &str = r#"{"version":1,"name":"web","source":"/etc/podunit/web.pod",
        "share":{"net":true,"ipc":true,"uts":true,"pid":false},"hostname":null,"network":"none","ports":[],
        "shm_size":65536,"labels":{},"start_timeout":null,"members":[],
        "units":{"unit":[],"service":[],"install":[]}}"#;

    fn tree() -> (tempfile::TempDir, Paths, PodName) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        (dir, paths, PodName::new("web").unwrap())
    }

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_first_folder_wins_and_a_running_pod_keeps_its_copy() {
        let (_dir, paths, pod) = tree();
        assert!(matches!(find(&paths, &pod), Err(CompiledError::Missing { .. })));
        assert!(matches!(
            running(&paths, &pod),
            Err(CompiledError::Missing { .. })
        ));
        let vendor = paths.under("/usr/lib/systemd/system/pod-web.json");
        put(&vendor, POD);
        assert_eq!(find(&paths, &pod).unwrap().1, vendor);
        let generated = paths.under("/run/systemd/generator/pod-web.json");
        put(&generated, POD);
        assert_eq!(find(&paths, &pod).unwrap().1, generated);
        put(&paths.pod(&pod).compiled(), &POD.replace("65536", "4096"));
        assert_eq!(running(&paths, &pod).unwrap().shm_size, 4096);
    }

    #[test]
    fn an_instance_is_what_its_template_says() {
        let (_dir, paths, _) = tree();
        let name = |name: &str| PodName::new(name).unwrap();
        let generated = paths.under("/run/systemd/generator/pod-web@.json");
        put(&generated, &POD.replace("\"web\"", "\"web@\""));
        let (pod, file) = find(&paths, &name("web@a")).unwrap();
        assert_eq!((pod.name.as_str(), &file), ("web@a", &generated));
        assert_eq!(name_of(&file), Some(name("web@")));
        let template = POD.replace("\"web\"", "\"web@\"");
        put(
            &generated,
            &template.replace("\"ports\":[]", "\"ports\":[],\"instance_ports\":[\"80%i:80\"]"),
        );
        let (pod, _) = find(&paths, &name("web@81")).unwrap();
        assert_eq!(pod.ports[0].to_string(), "8081:80/tcp");
        assert!(pod.instance_ports.is_empty());
        assert!(matches!(
            find(&paths, &name("web@a")),
            Err(CompiledError::Port { .. })
        ));
        put(&generated, &template);
        assert!(matches!(
            find(&paths, &name("web@a-b")),
            Err(CompiledError::Instance { .. })
        ));
        assert!(matches!(
            find(&paths, &name("web")),
            Err(CompiledError::Missing { .. })
        ));
        assert!(pods(&paths).is_empty() && pods_and_templates(&paths).len() == 1);
        // It has units of its own.
        let own = paths.under("/usr/lib/systemd/system/pod-web@a-b.json");
        put(&own, &POD.replace("\"web\"", "\"web@a-b\""));
        assert_eq!(find(&paths, &name("web@a-b")).unwrap().1, own);
    }

    #[test]
    fn what_is_no_compiled_pod_of_this_name_and_version_is_refused() {
        let (_dir, paths, pod) = tree();
        let file = paths.under("/etc/systemd/system/pod-web.json");
        put(&paths.under("/usr/lib/systemd/system/pod-web.json"), POD);
        for version in [0, SCHEMA_VERSION + 1] {
            put(
                &file,
                &format!(r#"{{"version":{version},"name":"web","news":1}}"#),
            );
            let refused = find(&paths, &pod);
            assert!(matches!(refused, Err(CompiledError::Version { version: v, .. }) if v == version));
        }
        put(&file, &POD.replace("\"web\"", "\"bew\""));
        assert!(matches!(find(&paths, &pod), Err(CompiledError::Name { .. })));
        for bad in [
            "",
            "{}",
            "[]",
            &POD[..POD.len() - 1],
            &POD.replacen('{', r#"{"x":1,"#, 1),
        ] {
            put(&file, bad);
            assert!(
                matches!(find(&paths, &pod), Err(CompiledError::Syntax { .. })),
                "{bad}"
            );
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(
            find(&paths, &pod),
            Err(CompiledError::Unreadable { .. })
        ));
    }

    #[test]
    fn pods_are_listed_where_they_are_compiled_or_run() {
        let (_dir, paths, _) = tree();
        let generated = &paths.unit_dirs()[3];
        put(&generated.join("pod-web.json"), "");
        put(&generated.join("pod-web.service"), "");
        put(&paths.pod(&PodName::new("db").unwrap()).compiled(), "");
        fs::create_dir_all(paths.run_network()).unwrap();
        let names: Vec<String> = pods(&paths).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["db", "web"]);
    }

    #[test]
    fn a_request_is_found_by_its_id_wherever_its_pod_is() {
        let (_dir, paths, _) = tree();
        let asking = |name: &str, image: &str| {
            let member = format!(
                r#"{{"name":"a","source":"/a","image":{{"image":{{"reference":"{image}"}}}},"exec":null,"entrypoint":null,
                "environment":[],"environment_files":[],"user":null,"working_dir":null,"binds":[],"tmpfs":[],
                "read_only":false,"add_capabilities":[],"drop_capabilities":[],"stop_signal":null,"stop_timeout":1,
                "reload_signal":null,"signal_map":{{}},"ready":"started","labels":{{}},
                "units":{{"unit":[],"service":[],"install":[]}}}}"#
            );
            POD.replace("web", name)
                .replace(r#""members":[]"#, &format!(r#""members":[{member}]"#))
        };
        let (old, new) = (Request::new("old"), Request::new("new"));
        put(
            &paths.under("/usr/lib/systemd/system/pod-web.json"),
            &asking("web", "new"),
        );
        put(
            &paths.pod(&PodName::new("web").unwrap()).compiled(),
            &asking("web", "old"),
        );
        for request in [&old, &new] {
            assert_eq!(
                super::request(&paths, &request.id()).unwrap(),
                *request,
                "no drop-in"
            );
        }
        let drop_in = paths
            .under("/run/systemd/generator")
            .join(format!("{}.d/pod-web.conf", new.unit()));
        put(&drop_in, "");
        put(&drop_in.with_file_name("10-proxy.conf"), "");
        assert_eq!(super::request(&paths, &new.id()).unwrap(), new);
        for id in ["", "../..", &Request::new("other").id(), &new.id()[1..]] {
            assert!(
                matches!(super::request(&paths, id), Err(CompiledError::NoRequest { .. })),
                "{id}"
            );
        }
    }
}
