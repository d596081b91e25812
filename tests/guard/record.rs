//! What is recorded of costs, and the comparison with it. More than recorded by its tolerance fails; less by as much
//! says that the record wants renewing. `UPDATE=1` renews it.

use crate::skip;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How many of what.
pub(crate) type Cost = BTreeMap<String, u64>;

/// `guard/NAME.json`.
pub(crate) type Record = BTreeMap<String, Recorded>;

/// One count.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// As it was.
    pub(crate) count: u64,
    /// In percent.
    pub(crate) tolerance: u64,
}

/// Compares with the record, or renews it. What is new in it tolerates nothing, until somebody writes otherwise.
#[track_caller]
pub(crate) fn hold(name: &str, cost: &Cost) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/guard/{name}.json"));
    let record: Record = fs::read_to_string(&file)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(serde_json::from_str(&text)?))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if std::env::var_os("UPDATE").is_some() {
        let renewed = cost.iter().map(|(what, &count)| {
            let tolerance = record.get(what).map_or(0, |was| was.tolerance);
            (what.clone(), Recorded { count, tolerance })
        });
        let text = serde_json::to_string_pretty(&renewed.collect::<Record>()).expect("plain data");
        fs::write(&file, text + "\n").unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        return;
    }
    let verdict = judge(&record, cost);
    if !verdict.better.is_empty() {
        let better = verdict.better.join("; ");
        skip::said(&format!(
            "guard {name}: {better}: renew the record with UPDATE=1\n"
        ));
    }
    assert!(
        verdict.worse.is_empty(),
        "{name}: {}: find what was added, or say in the commit why, with UPDATE=1",
        verdict.worse.join("; ")
    );
}

/// What differs by more than is tolerated, in words.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) worse: Vec<String>,
    pub(crate) better: Vec<String>,
}

/// What is not recorded was none, and what was not counted is none.
pub(crate) fn judge(record: &Record, cost: &Cost) -> Verdict {
    let mut verdict = Verdict::default();
    for what in record.keys().chain(cost.keys()).collect::<BTreeSet<_>>() {
        let Recorded { count, tolerance } = record.get(what).copied().unwrap_or_default();
        let is = cost.get(what).copied().unwrap_or_default();
        let line = format!("{what}: {is} where {count} are recorded ({tolerance} % tolerated)");
        if is * 100 > count * (100 + tolerance) {
            verdict.worse.push(line);
        } else if is * 100 < count * (100_u64.saturating_sub(tolerance)) {
            verdict.better.push(line);
        }
    }
    verdict
}
