//! The house's walls: which module may use which, as the table in `src/lib.rs` says.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Module → modules that it may use; `None` for everything. Read from the table, so that there is one.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = std::fs::read_to_string(source_dir().join("lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| {
        let (module, rest) = row.split_once("`]").unwrap();
        let may_use = rest.trim_end_matches(" |").rsplit_once(" | ").unwrap().1;
        let allowed = match may_use {
            "everything" => None,
            "nothing of ours" => Some(BTreeSet::new()),
            names => Some(
                names
                    .split(' ')
                    .map(|name| name.trim_matches('`').to_owned())
                    .collect(),
            ),
        };
        (module.to_owned(), allowed)
    })
    .collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Modules that a text names by their path from the crate's root, `crate::name` and `crate::{name, …}`, with the
/// line. Comments do not count: links in them are no use.
fn used_modules(text: &str) -> Vec<(usize, String)> {
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut used = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (place, _) in code.match_indices("crate::") {
            let rest = &code[place + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => used.extend(group.split(',').map(|part| (at + 1, name(part.trim())))),
                None => used.push((at + 1, name(rest))),
            }
        }
    }
    used
}

#[test]
fn imports_point_one_way() {
    let table = table();
    assert!(table.len() >= 13, "the table in src/lib.rs cannot be read");
    let mut wrong = Vec::new();
    for (module, allowed) in &table {
        let Some(allowed) = allowed else { continue };
        let files = [
            vec![source_dir().join(format!("{module}.rs"))],
            rust_files(&source_dir().join(module)),
        ]
        .concat();
        for file in files.iter().filter(|file| file.exists()) {
            for (line, used) in used_modules(&std::fs::read_to_string(file).unwrap()) {
                if used != *module && table.contains_key(&used) && !allowed.contains(&used) {
                    wrong.push(format!(
                        "{}:{line}: `{module}` may not use `{used}`",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let table = table();
    let text = std::fs::read_to_string(source_dir().join("lib.rs")).unwrap();
    let modules = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<&str> = modules.filter(|module| !table.contains_key(*module)).collect();
    assert!(missing.is_empty(), "not in the table of src/lib.rs: {missing:?}");
}

#[test]
fn uses_are_seen() {
    let text = "use crate::model::Pod;\nuse crate::{sys, systemd::notify};\n// crate::cli\nlet x = crate::image::y();";
    let names: Vec<String> = used_modules(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["model", "sys", "systemd", "image"]);
}

/// Tests that a text names in backticks, as `e2e::faults::name` or `src::systemd::unit::tests::name`.
fn named_tests(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let named = quoted.filter(|word| word.contains("::") && !word.contains(['/', '…', ' ']));
    named
        .filter(|word| *word != "FILE::TEST" && !word.ends_with("::"))
        .map(str::to_owned)
        .collect()
}

/// Whether the repository has that test.
fn has_test(name: &str) -> bool {
    let (module, function) = name.rsplit_once("::").unwrap();
    let (top, module) = match module.strip_prefix("src::") {
        Some(module) => ("src", module),
        None => ("tests", module),
    };
    let module = module.replace("::", "/");
    // Unit tests stand in a module of their own at the end of a file, or in a file.
    let files = [
        module.clone() + ".rs",
        module.trim_end_matches("/tests").to_owned() + ".rs",
    ];
    let test = format!("\nfn {function}(");
    let inner = format!("\n    fn {function}(");
    files.iter().any(|file| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(top).join(file);
        std::fs::read_to_string(path).is_ok_and(|text| text.contains(&test) || text.contains(&inner))
    })
}

#[test]
fn every_fault_is_in_the_table_with_tests_that_exist() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2)
        .collect();
    let numbers: Vec<usize> = rows
        .iter()
        .map(|row| row.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let named = named_tests(last);
        assert!(
            !named.is_empty() || last.starts_with("not injected: ") || last == "none",
            "{row}"
        );
        for test in named {
            assert!(has_test(&test), "docs/faults.md names {test}, which is not there");
        }
    }
    assert!(has_test("house::imports_point_one_way") && !has_test("house::no_such_test"));
}
