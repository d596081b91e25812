//! `podunit check` as a user runs it: each folder of `tests/fixtures/check` is a file tree with definitions, and
//! what the program says of them; in `tests/fixtures/lint` are those that are legal and probably wrong. `UPDATE=1 cargo test --test check` writes the expectations anew.

#![allow(
    clippy::unwrap_used,
    reason = "a test says more by its failure than by a message"
)]

use podunit::definition;
use podunit::diagnostic::{self, Severity};
use podunit::model::{ImageSource, Paths, Pod, Request};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/check")
}

/// Without lints, which most definitions here would have for the sake of brevity.
fn check(arguments: &[&str], folder: &Path) -> Output {
    run(&[&["--allow", "lints"], arguments].concat(), folder)
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podunit"));
    command
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn all_of(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
    format!(
        "{}{}exit status {}\n",
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap()
    )
}

fn compare(name: &str, expected: &Path, actual: &str, failed: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(expected, actual).unwrap();
    } else if fs::read_to_string(expected).unwrap_or_default() != actual {
        failed.push(format!(
            "== {name}: differs from {}:\n{actual}",
            expected.display()
        ));
    }
}

#[test]
fn fixtures_are_judged_as_expected() {
    let mut failed = Vec::new();
    let mut names: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() > 10, "the fixtures are in {}", fixtures().display());
    for folder in names {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let arguments = if name == "json" {
            vec!["--root", ".", "--format", "json"]
        } else {
            vec!["--root", "."]
        };
        let actual = all_of(&check(&arguments, &folder));
        compare(&name, &folder.join("expected"), &actual, &mut failed);
        // Whatever was read, reading it again gives the same.
        let paths = Paths::new(&folder);
        assert_eq!(definition::read(&paths), definition::read(&paths));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn only_pod(fixture: &str) -> Pod {
    let read = definition::read(&Paths::new(fixtures().join(fixture)));
    assert_eq!(
        (read.pods.len(), read.broken.len()),
        (1, 0),
        "{:?}",
        read.problems
    );
    read.pods.into_iter().next().unwrap()
}

#[test]
fn the_founding_pod_is_the_same_in_both_forms() {
    let pod = only_pod("founding");
    let mut split = only_pod("founding-split");
    for member in &mut split.members {
        assert_eq!(
            member.source,
            Path::new("/etc/podunit").join(format!("{}.container", member.name))
        );
        member.source.clone_from(&pod.source);
    }
    assert_eq!(pod, split);
    assert_eq!(pod.source, Path::new("/etc/podunit/my-shared-pod.pod"));
    assert_eq!(
        pod.members[1].image,
        ImageSource::Image(Request::new("docker.io/library/nginx"))
    );
    let line = r#"sh -c "while true; do wget -O - http://localhost:80/ || echo failed; sleep 5; done""#;
    assert_eq!(pod.members[0].exec.as_deref(), Some(line));
    assert_eq!(fixture_text("founding"), example());
}

fn fixture_text(name: &str) -> String {
    fs::read_to_string(fixtures().join(name).join("etc/podunit/my-shared-pod.pod")).unwrap()
}

/// The example that a newcomer starts with, if it is there.
fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/my-shared-pod.pod");
    fs::read_to_string(path).unwrap_or_else(|_| fixture_text("founding"))
}

#[test]
fn every_key_reaches_the_model() {
    let actual = serde_json::to_string_pretty(&only_pod("every-key")).unwrap() + "\n";
    let mut failed = Vec::new();
    compare(
        "every-key",
        &fixtures().join("every-key/model.json"),
        &actual,
        &mut failed,
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn folders_and_drop_ins_of_every_level_count_once() {
    let pod = only_pod("folders");
    let names: Vec<&str> = pod.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["front-end-log", "linked", "worker"]);
    let labels = |member: usize| -> Vec<String> {
        let labels = pod.members[member].labels.iter();
        labels.map(|(name, value)| format!("{name}={value}")).collect()
    };
    // 10.conf: the most particular hides the others; 20.conf: /etc before /usr; the rest is one level each.
    assert_eq!(
        labels(0),
        [
            "all=yes",
            "beginning=front-end-",
            "one=own",
            "order=last",
            "two=etc"
        ]
    );
    assert_eq!(labels(1), ["all=yes", "one=all", "order=all"]);
    assert_eq!(pod.labels["pods"], "all");
}

/// A tree with one good pod, and `hostile` put beside it: the good pod must not care.
fn beside_a_good_pod(hostile: impl FnOnce(&Path)) -> (Output, String) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/podunit");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("good.pod"), "[Container a]\nImage=image\n").unwrap();
    hostile(&folder);
    let read = definition::read(&Paths::new(root.path()));
    let names: Vec<&str> = read.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names, ["good"]);
    let output = check(&["--root", "."], root.path());
    let said = all_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    assert!(said.len() < 100_000);
    (output, said)
}

#[test]
fn what_is_no_text_breaks_its_own_pod_only() {
    let pod = "[Container a]\nImage=image\n";
    let cases: [(&str, Vec<u8>); 8] = [
        ("not UTF-8", b"[Container a]\nImage=\xff\xfe\n".to_vec()),
        ("U+0000", b"[Container a]\nImage=a\0b\n".to_vec()),
        ("carriage return", pod.replace('\n', "\r\n").into_bytes()),
        ("U+001B", b"[Container a]\nImage=\x1b]0;title\x07\n".to_vec()),
        ("U+202E", "[Container a]\nImage=a\u{202e}b\n".into()),
        ("larger than 1 MiB", vec![b'#'; 10 << 20]),
        ("no specifier", format!("{pod}Exec=echo %2f\n").into_bytes()),
        (
            "backslash",
            format!("{pod}[Unit]\nDescription=x\\\\\n").into_bytes(),
        ),
    ];
    for (message, text) in cases {
        let (_, said) = beside_a_good_pod(|folder| fs::write(folder.join("bad.pod"), text).unwrap());
        assert!(
            said.contains(message) && said.contains("/etc/podunit/bad.pod"),
            "{message}: {said}"
        );
        assert!(said.contains("2 pods, 1 of them broken"), "{said}");
    }
}

#[test]
fn what_is_no_file_breaks_its_own_pod_only() {
    let fifo = |path: &Path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    type Make<'m> = &'m dyn Fn(&Path);
    let cases: [(&str, Make); 5] = [
        ("this is a FIFO", &fifo),
        ("this is a directory", &|path| fs::create_dir(path).unwrap()),
        ("leads to no file", &|path| {
            symlink("/nowhere/at/all", path).unwrap()
        }),
        ("leads to no file", &|path| {
            symlink(path.file_name().unwrap(), path).unwrap()
        }),
        // A socket cannot even be opened.
        ("cannot be read", &|path| drop(UnixListener::bind(path).unwrap())),
    ];
    for (message, make) in cases {
        let (_, said) = beside_a_good_pod(|folder| make(&folder.join("bad.pod")));
        assert!(said.contains("/etc/podunit/bad.pod"), "{said}");
        assert!(said.contains(message), "{message}: {said}");
        let (_, said) = beside_a_good_pod(|folder| {
            fs::write(folder.join("bad.pod"), "[Container a]\nImage=image\n").unwrap();
            fs::create_dir(folder.join("bad.pod.d")).unwrap();
            make(&folder.join("bad.pod.d/10.conf"));
        });
        assert!(said.contains("/etc/podunit/bad.pod.d/10.conf"), "{said}");
    }
}

#[test]
fn a_flood_of_mistakes_is_no_burden() {
    let words = "x ".repeat(100_000);
    let ports = "PublishPort=1-65535:1-65535\n".repeat(2000);
    let text = format!("[Container a]\nImage=image\n{ports}[Unit a]\nAfter={words}\nWants={words}\n");
    let (_, said) = beside_a_good_pod(|folder| fs::write(folder.join("bad.pod"), text).unwrap());
    assert!(said.contains("more problems of this pod are not shown"), "{said}");
    assert!(said.contains("more than 65535 ports"), "{said}");
}

/// A line of a definition: sections and keys that exist, values that may make sense, and noise.
fn line() -> impl Strategy<Value = String> {
    let name = "(Pod|Container|Container a|Container b|Unit|Unit a|Service a|Service|Install|Quadlet|X-a|[a-zA-Z @.]{0,9})";
    let key = "(Share|PublishPort|Image|Rootfs|Exec|Environment|EnvironmentFile|User|Group|Volume|Tmpfs|SignalMap|\
               Entrypoint|Notify|After|Before|Wants|Alias|WantedBy|Restart|TimeoutStartSec|Pod|HostName|ShmSize|\
               [A-Za-z-]{0,8})";
    let value = "([a-b. ]{0,6}|[0-9:\\[\\]/-]{0,14}|[\"'%,=+\\\\a-z]{0,8}|\\PC{0,8}|/a:/b:ro|net pid|HUP:none|a\\.pod)";
    prop_oneof![
        3 => name.prop_map(|name| format!("[{name}]")),
        9 => (key, value).prop_map(|(key, value)| format!("{key}={value}")),
        1 => "(?s).{0,9}",
        1 => "#[a-z]{0,3}\\\\?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_judged(
        pod in prop::collection::vec(line(), 0..20),
        drop_in in prop::collection::vec(line(), 0..5),
        container in prop::collection::vec(line(), 0..8),
    ) {
        // Without Pod= it would be a pod of its own.
        let container: Vec<String> = container.into_iter().filter(|line| !line.contains("Pod")).collect();
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/podunit");
        fs::create_dir_all(folder.join("a.pod.d")).unwrap();
        // Not empty: that is a mask.
        fs::write(folder.join("a.pod"), format!("#\n{}", pod.join("\n"))).unwrap();
        fs::write(folder.join("a.pod.d/x.conf"), drop_in.join("\n")).unwrap();
        fs::write(folder.join("c.container"), format!("[Container]\nPod=a.pod\n{}", container.join("\n"))).unwrap();
        let read = definition::read(&Paths::new(root.path()));
        let errors = read.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        prop_assert_eq!((read.pods.len(), read.broken.len()), if errors == 0 { (1, 0) } else { (0, 1) });
        for problem in &read.problems {
            let places = std::iter::once(&problem.place).chain(problem.other.iter().map(|(place, _)| place));
            for place in places {
                let Some((start, end)) = place.bytes else { continue };
                let source = read.sources.iter().find(|source| source.path == place.path).unwrap();
                prop_assert!(source.text.get(start..end).is_some(), "{:?}", problem);
            }
            let shown = diagnostic::line(problem, &read.sources);
            prop_assert!(!shown.contains(diagnostic::is_unsafe) && shown.len() <= 900);
        }
        let shown = diagnostic::render(&read.problems, &read.sources, false);
        prop_assert!(!shown.contains(|c: char| diagnostic::is_unsafe(c) && c != '\n'), "{:?}", shown);
        for pod in read.pods {
            let again: Pod = serde_json::from_str(&serde_json::to_string(&pod).unwrap()).unwrap();
            prop_assert_eq!(again, pod);
        }
    }
}

#[test]
fn a_link_cannot_lead_out_of_the_root() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "[Container a]\nImage=outside\n").unwrap();
    let (_, said) = beside_a_good_pod(|folder| symlink(outside.path(), folder.join("bad.pod")).unwrap());
    assert!(said.contains("leads to no file"), "{said}");
    let (_, said) = beside_a_good_pod(|folder| {
        fs::create_dir_all(folder.join("../../srv")).unwrap();
        fs::write(
            folder.join("../../srv/x"),
            "[Container a]\nImage=inside\nNonsense=1\n",
        )
        .unwrap();
        symlink("/srv/x", folder.join("bad.pod")).unwrap();
    });
    assert!(said.contains("there is no key `Nonsense`"), "{said}");
}

#[test]
fn a_circle_of_folders_is_walked_once() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/podunit");
    fs::create_dir_all(folder.join("a/b")).unwrap();
    fs::write(
        folder.join("a/b/web.pod"),
        "[Container a]\nImage=registry.example/a:1\n",
    )
    .unwrap();
    symlink(".", folder.join("loop")).unwrap();
    symlink("../..", folder.join("a/b/up")).unwrap();
    symlink("/etc", folder.join("a/etc")).unwrap();
    let said = all_of(&check(&["--root", "."], root.path()));
    assert_eq!(said, "podunit check: 1 pod; no problem\nexit status 0\n");
}

#[test]
fn files_are_checked_with_what_belongs_to_them() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
    write("web.pod", "[Pod]\n");
    write("nginx.container", "[Container]\nPod=web.pod\nImage=image\n");
    write("bad.pod", "[Pod]\nNonsense=1\n");
    fs::create_dir(root.path().join("web.pod.d")).unwrap();
    symlink("/dev/null", root.path().join("masked.pod")).unwrap();
    let said = |arguments: &[&str]| all_of(&check(arguments, root.path()));
    assert_eq!(
        said(&["nginx.container"]),
        "podunit check: 1 pod; no problem\nexit status 0\n"
    );
    assert_eq!(
        said(&["./web.pod", "web.pod"]),
        "podunit check: 1 pod; no problem\nexit status 0\n"
    );
    assert!(
        said(&["web.pod", "bad.pod"]).contains("--> bad.pod:2:1"),
        "{}",
        said(&["web.pod", "bad.pod"])
    );
    assert!(said(&["masked.pod"]).contains("masked"));
    write("nginx.container", "[Container]\nPod=web.pod\nImag=image\n");
    assert!(said(&["web.pod"]).contains("--> nginx.container:3:1"));
    for (argument, message) in [
        ("none.pod", "none.pod cannot be checked: No such file"),
        ("web.pod.d", "no definition in web.pod.d"),
        ("web.pod.d/10.conf", "cannot be checked"),
    ] {
        let said = said(&[argument]);
        assert!(
            said.contains(message) && said.ends_with("exit status 2\n"),
            "{said}"
        );
    }
    assert!(said(&["--root", "/nowhere"]).contains("not a directory"));
}

#[test]
fn a_file_of_the_host_is_checked_with_all_folders_of_the_host() {
    let folder = fixtures().join("drop-ins");
    let output = check(&["--root", ".", "usr/share/podunit/web.pod"], &folder);
    let alone = all_of(&output);
    assert!(alone.contains("/etc/podunit/web.pod.d/40-member.conf"), "{alone}");
}

#[test]
fn folders_in_a_folder_are_read_as_the_generator_does() {
    let root = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| {
        let path = root.path().join("pods").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("web.pod", "[Pod]\n");
    put("apps/app.container", "[Container]\nPod=web.pod\nImage=image\n");
    put("apps/deep/db.container", "[Container]\nImag=image\n");
    put("web.pod.d/10.pod", "[Nonsense]\n");
    put(".hidden/bad.pod", "[Nonsense]\n");
    put("users/bad.pod", "[Nonsense]\n");
    symlink(".", root.path().join("pods/apps/loop")).unwrap();
    for (arguments, folder) in [(["pods"], "."), (["."], "pods"), (["../pods"], "pods")] {
        let said = all_of(&check(&arguments, &root.path().join(folder)));
        assert!(said.contains("apps/deep/db.container:2:1"), "{said}");
        assert!(said.contains("2 pods, 1 of them broken; 2 errors"), "{said}");
    }
    // With the file of its pod, which is not beside it.
    let said = all_of(&check(&["pods", "pods/apps/app.container"], root.path()));
    assert!(said.contains("2 pods, 1 of them broken; 2 errors"), "{said}");
    put("other/web.pod", "[Pod]\n");
    let said = all_of(&check(&["pods"], root.path()));
    assert!(
        said.contains("--> pods/other/web.pod") && said.contains("comes before it"),
        "{said}"
    );
}

#[test]
fn a_folder_is_all_definitions_in_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("pods");
    fs::create_dir(&folder).unwrap();
    for name in ["a.pod", "b.pod", ".hidden.pod", "README"] {
        fs::write(folder.join(name), "[Container a]\nImage=image\n").unwrap();
    }
    let said = all_of(&check(&["pods"], root.path()));
    assert_eq!(said, "podunit check: 2 pods; no problem\nexit status 0\n");
}

fn from_input(arguments: &[&str], folder: &Path, text: &[u8]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podunit"));
    let command = command.arg("check").args(arguments).current_dir(folder);
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // It may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(text);
    all_of(&child.wait_with_output().unwrap())
}

#[test]
fn standard_input_stands_in_the_place_of_a_file() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let good = b"[Container a]\nImage=image:1\n";
    assert_eq!(
        from_input(&["-"], folder, good),
        "podunit check: 1 pod; no problem\nexit status 0\n"
    );
    // Those beside it count: here the container finds the pod that the editor holds, whatever is on disk.
    fs::write(folder.join("web.pod"), "[Pod]\nNonsense=1\n").unwrap();
    fs::write(
        folder.join("db.container"),
        "[Container]\nPod=web.pod\nImage=image:1\n",
    )
    .unwrap();
    assert_eq!(
        from_input(&["--name", "web.pod", "-"], folder, b"[Pod]\n"),
        "podunit check: 1 pod; no problem\nexit status 0\n"
    );
    let said = from_input(&["--name", "web.pod", "-"], folder, b"[Pod]\nShar=net\n");
    assert!(
        said.contains("--> web.pod:2:1") && said.contains("did you mean Share="),
        "{said}"
    );
    let said = from_input(&["-"], folder, b"[Pod]\n\xff\n");
    assert!(
        said.contains("not UTF-8") && said.ends_with("exit status 1\n"),
        "{said}"
    );
    for (arguments, message) in [
        (&["-", "web.pod"][..], "`-` stands alone"),
        (&["--name", "web.txt", "-"], "not a definition"),
        (&["--name", "nowhere/web.pod", "-"], "not a directory"),
        (&["--allow", "ports-repeated", "-"], "did you mean port-repeated?"),
        (&["--allow", "invalid", "-"], "errors cannot be left out"),
    ] {
        let said = from_input(arguments, folder, good);
        assert!(
            said.contains(message) && said.ends_with("exit status 2\n"),
            "{said}"
        );
    }
}

#[test]
fn lints_are_told_of_and_the_generator_never_knows() {
    let mut failed = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lint");
    let mut all = String::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let said = all_of(&run(&["--root", "."], &folder));
        compare(&name, &folder.join("expected"), &said, &mut failed);
        let strict = run(&["--root", ".", "--strict"], &folder);
        let is_clean = said.contains("no problem");
        assert_eq!(strict.status.code(), Some(i32::from(!is_clean)), "{name}");
        let without = all_of(&check(&["--root", ".", "--strict"], &folder));
        assert!(without.contains("no problem"), "{without}");
        assert!(
            definition::read(&Paths::new(&folder)).problems.is_empty(),
            "{name}"
        );
        let json = run(&["--root", ".", "--format", "json"], &folder);
        all.push_str(&String::from_utf8(json.stdout).unwrap());
        let sarif = run(&["--root", ".", "--format", "sarif"], &folder);
        let log: serde_json::Value = serde_json::from_slice(&sarif.stdout).unwrap();
        let run = &log["runs"][0];
        let rules: Vec<&str> = run["tool"]["driver"]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["id"].as_str().unwrap())
            .collect();
        for result in run["results"].as_array().unwrap() {
            assert!(rules.contains(&result["ruleId"].as_str().unwrap()), "{result}");
            assert!(
                result["locations"][0]["physicalLocation"]["region"]["startLine"].is_u64(),
                "{result}"
            );
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // That a source is missing is looked for on the running system alone.
    for lint in definition::LINTS
        .iter()
        .filter(|lint| lint.code != "bind-source-missing")
    {
        assert!(
            all.contains(&format!("\"code\": \"{}\"", lint.code)),
            "no fixture has {}",
            lint.code
        );
    }
}

#[test]
fn a_source_that_is_missing_is_told_of_on_this_host_only() {
    let root = tempfile::tempdir().unwrap();
    let there = root.path().join("there");
    fs::create_dir(&there).unwrap();
    let shown = there.display();
    let text = format!(
        "[Container a]\nImage=image:1\nVolume={shown}:/a\nVolume={shown}/not:/b\nVolume=./not:/c\nVolume=%h/x:/d\n"
    );
    fs::write(root.path().join("web.pod"), text).unwrap();
    let said = all_of(&run(&["web.pod"], root.path()));
    assert!(
        said.contains("there is no ") && said.contains("2 warnings"),
        "{said}"
    );
    assert!(all_of(&run(&["--root", ".", "web.pod"], root.path())).contains("no problem"));
}

#[test]
fn a_port_that_another_pod_has_is_told_of_whichever_is_asked_about() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lint/ports");
    for file in ["etc/podunit/a.pod", "etc/podunit/b.pod"] {
        let said = all_of(&run(&["--root", ".", file], &folder));
        assert!(
            said.contains("port 8080/tcp") && said.contains("a.pod") && said.contains("b.pod"),
            "{said}"
        );
    }
}
