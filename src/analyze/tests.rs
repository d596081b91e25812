//! Records in, words and picture out: `tests/fixtures/analyze/NAME/records` becomes `text` and `picture.svg`.
//! `UPDATE=1 cargo test --lib analyze` writes both anew.

use super::record::{Record, Role, Times};
use super::start::Start;
use super::{svg, words};
use crate::model::PodName;
use crate::timeline::{Phase, Timeline};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// What a file says: `pod NAME`, and for each unit a line with its times, then indented lines of its
/// timeline. Units come in the order of `record::read`.
fn parse(text: &str) -> (PodName, Vec<Record>) {
    let scratch = tempfile::NamedTempFile::new().unwrap();
    let (mut pod, mut records) = ("x", Vec::<Record>::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (first, rest) = line.trim().split_once(' ').unwrap();
        match first {
            "pod" => pod = rest,
            phase if line.starts_with(' ') => {
                fs::write(scratch.path(), format!("{rest} {phase}\n")).unwrap();
                let mark = Timeline::read(scratch.path()).unwrap().0;
                assert_eq!(mark.len(), 1, "{line}");
                records.last_mut().unwrap().timeline.0.extend(mark);
            }
            name => records.push(unit(name, rest)),
        }
    }
    (PodName::new(pod).unwrap(), records)
}

fn unit(name: &str, rest: &str) -> Record {
    let value = |key: &str| {
        let words = rest.split_whitespace().filter_map(|word| word.split_once('='));
        words
            .into_iter()
            .find(|(word, _)| *word == key)
            .map(|(_, value)| value)
    };
    let number = |key| value(key).map_or(0, |text: &str| text.parse().unwrap());
    let (role, unit) = match name {
        "supervisor" => (Role::Supervisor, "pod-x.service".to_owned()),
        "infra" => (Role::Infra, "pod-x-infra.service".to_owned()),
        image if image.starts_with("image:") => (Role::Image, format!("podunit-{image}.service")),
        member => (Role::Member, format!("pod-x-{member}.service")),
    };
    let mut after: Vec<String> = value("after")
        .map(|name| match name.starts_with("image:") {
            true => format!("podunit-{name}.service"),
            false => format!("pod-x-{name}.service"),
        })
        .into_iter()
        .collect();
    if role == Role::Member {
        after.push("pod-x-infra.service".to_owned());
    }
    Record {
        role,
        name: name.replace(':', " "),
        unit,
        after,
        times: Times {
            taken_up: number("taken-up"),
            spawned: number("spawned"),
            ready: number("ready"),
            left: number("left"),
            down: number("down"),
            restarts: u32::try_from(number("restarts")).unwrap(),
        },
        timeline: Timeline::default(),
    }
}

fn fixture(name: &str) -> (PodName, Vec<Record>) {
    let path = format!("tests/fixtures/analyze/{name}/records");
    parse(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap())
}

#[test]
fn records_become_words_and_pictures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/analyze");
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(fixtures).unwrap() {
        let dir = entry.unwrap().path();
        let (pod, records) = fixture(dir.file_name().unwrap().to_str().unwrap());
        let start = Start::new(&pod, &records).unwrap();
        check(&start);
        for (file, got) in [
            ("text", words::all(&start) + "\n"),
            ("picture.svg", svg::draw(&start)),
        ] {
            let path = dir.join(file);
            if update {
                fs::write(&path, &got).unwrap();
            } else if fs::read_to_string(&path).unwrap_or_default() != got {
                wrong.push(format!("{}:\n{got}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What holds for any start: nothing is counted twice or left out.
fn check(start: &Start) {
    for row in &start.rows {
        let ends = row.spans.iter().map(|span| span.to);
        let begins = row.spans.iter().map(|span| span.from);
        assert!(
            begins.eq([0].into_iter().chain(ends).take(row.spans.len())),
            "a gap in {row:?}"
        );
        assert!(row.spans.iter().all(|span| span.from < span.to));
    }
    let mut now = 0;
    for leg in &start.path {
        assert!(leg.waited.is_none_or(|wait| wait.from < wait.to), "{leg:?}");
        for span in &leg.spans {
            assert_eq!(span.from, now, "a gap in {:?}", start.path);
            now = span.to;
        }
    }
    assert_eq!(now, start.total);
}

#[test]
fn a_start_that_is_not_over_is_none() {
    let (pod, mut records) = fixture("founding");
    records[0].times.ready = 0;
    assert_eq!(Start::new(&pod, &records), None);
    // On its way back, one member is not up yet.
    let (pod, mut records) = fixture("recovery");
    records[2].times.ready = 9_067_700;
    assert_eq!(Start::new(&pod, &records), None);
    assert_eq!(Start::new(&pod, &[]), None);
}

#[test]
fn many_members_with_long_names_stay_in_the_picture() {
    let (pod, mut records) = fixture("founding");
    let member = records.pop().unwrap();
    records.extend((0..64).map(|at| {
        let mut member = member.clone();
        member.name = format!("{at}-{}", "W".repeat(150));
        member.times.ready += at * 400;
        member
    }));
    let start = Start::new(&pod, &records).unwrap();
    check(&start);
    let picture = svg::draw(&start);
    let attribute = |line: &str, name: &str| -> Option<f64> {
        line.split_once(&format!(" {name}=\""))?
            .1
            .split('"')
            .next()?
            .parse()
            .ok()
    };
    let (width, height) = (
        attribute(&picture, "width").unwrap(),
        attribute(&picture, "height").unwrap(),
    );
    assert!(height > 64.0 * 20.0);
    for line in picture.split_inclusive('>') {
        for (place, size, limit) in [("x", "width", width), ("y", "height", height)] {
            let from = attribute(line, place).unwrap_or(0.0);
            let to = from + attribute(line, size).unwrap_or(0.0);
            assert!(from >= 0.0 && to <= limit, "{line}");
        }
    }
    for text in picture.split("<text").skip(1) {
        let (tag, rest) = text.split_once('>').unwrap();
        let letters = rest.split('<').next().unwrap().chars().count();
        let letters = f64::from(u32::try_from(letters).unwrap());
        let length = letters * 0.61 * attribute(tag, "font-size").unwrap_or(12.0);
        let before = match tag {
            tag if tag.contains("\"middle\"") || tag.contains("\"caption") => length / 2.0,
            tag if tag.contains("\"end\"") => length,
            _ => 0.0,
        };
        let from = attribute(tag, "x").unwrap() - before;
        assert!(from > 0.0 && from + length < width, "{text}");
    }
    assert!(words::all(&start).lines().count() < 40);
}

#[test]
fn times_are_short() {
    let cases = [
        (0, "0.0ms"),
        (49, "0.0ms"),
        (50, "0.1ms"),
        (99_949, "99.9ms"),
        (99_950, "100ms"),
        (999_499, "999ms"),
        (999_500, "1.000s"),
        (59_999_499, "59.999s"),
        (59_999_500, "1min 0s"),
        (u64::MAX, "307445734561min 49s"),
    ];
    for (usec, text) in cases {
        assert_eq!(words::time(usec), text, "{usec}");
    }
}

fn any_moment() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 1_000_u64..1_200, any::<u64>()]
}

fn any_record(at: usize) -> impl Strategy<Value = Record> {
    let phases = [
        Phase::Prepare,
        Phase::Network,
        Phase::Members,
        Phase::Start,
        Phase::Done,
    ];
    let marks = prop::collection::vec((any_moment(), prop::sample::select(phases.to_vec())), 0..6);
    let times = (
        any_moment(),
        any_moment(),
        any_moment(),
        any_moment(),
        any_moment(),
    );
    (times, marks, 0_usize..6).prop_map(move |((taken_up, spawned, ready, left, down), marks, after)| {
        Record {
            role: [Role::Supervisor, Role::Infra]
                .get(at)
                .copied()
                .unwrap_or(Role::Member),
            name: format!("m{at}"),
            unit: at.to_string(),
            after: vec![1.to_string(), after.to_string()],
            times: Times {
                taken_up,
                spawned,
                ready,
                left,
                down,
                restarts: 1,
            },
            timeline: Timeline(marks),
        }
    })
}

proptest! {
    #[test]
    fn whatever_the_clocks_say_it_adds_up(
        records in (0..6).map(any_record).collect::<Vec<_>>(),
    ) {
        if let Some(start) = Start::new(&PodName::new("x").unwrap(), &records) {
            check(&start);
            words::all(&start);
            let picture = svg::draw(&start);
            prop_assert!(!picture.contains("NaN") && !picture.contains("inf\""));
        }
    }
}
