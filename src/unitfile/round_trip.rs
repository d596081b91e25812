//! Whatever goes into the writer, it refuses or the unit reads back as exactly what was wanted.

use super::parse::parse;
use super::value::{TimeSpan, format_time_span, parse_time_span};
use super::write::UnitWriter;
use super::{specifier, words};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

/// One directive that somebody wants in a unit.
#[derive(Debug, Clone)]
enum Wanted {
    Token(String),
    Text(String),
    Units(Vec<String>),
    Path(String),
    Exec(Vec<String>),
    Time(u64),
    Passthrough(String),
}

impl Wanted {
    fn write(&self, unit: &mut UnitWriter, key: &str) {
        match self {
            Self::Token(value) => unit.token(key, value),
            Self::Text(value) => unit.text(key, value),
            Self::Units(names) => unit.units(key, names),
            Self::Path(path) => unit.path(key, Path::new(path)),
            Self::Exec(words) => unit.exec(key, &words.iter().map(String::as_str).collect::<Vec<_>>()),
            Self::Time(micros) => unit.time(key, TimeSpan::Finite(Duration::from_micros(*micros))),
            Self::Passthrough(value) => unit.passthrough(key, value),
        };
    }

    /// Whether `value`, read as systemd reads a directive of this kind, is what was wanted.
    fn is(&self, value: &str) -> bool {
        let expanded = |text: &str| specifier::expand(text, &|_| None).unwrap();
        match self {
            Self::Token(wanted) | Self::Passthrough(wanted) => value == wanted,
            Self::Text(wanted) | Self::Path(wanted) => expanded(value) == *wanted,
            Self::Units(wanted) => words::split_plain(value)
                .unwrap()
                .into_iter()
                .map(|word| word.text)
                .eq(wanted.iter().cloned()),
            Self::Exec(wanted) => {
                let split = words::split(value).unwrap();
                let is_one_command = split.iter().all(|word| &value[word.start..word.end] != ";");
                let words: Vec<String> = split.iter().map(|word| expanded(&word.text)).collect();
                is_one_command && words::expand_variables(&words, &|_| None) == *wanted
            }
            Self::Time(micros) => {
                let wanted = Duration::from_micros(*micros);
                value == format_time_span(wanted) && parse_time_span(value) == Some(TimeSpan::Finite(wanted))
            }
        }
    }
}

/// Hostile text: whatever means something to systemd, and anything else.
fn text() -> impl Strategy<Value = String> {
    "([-@+:!|%$;#=\\[\\]{} \"'\\\\a]|[nix]|\n|\r|\t|\u{0}|\u{85}|\u{2028}|\u{202e}|\\PC|.){0,12}"
}

/// Text of which the writer takes more.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![text(), "[-@+:!|%$;#=\\[\\]{} \"'\\\\a-d]{0,12}"]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let path = "(/[-%$ \"'\\\\a.]{1,3}){1,3}";
    let program = prop_oneof![3 => "(/[a-z%.-]{1,3}){1,2}", 1 => line()];
    prop_oneof![
        line().prop_map(Wanted::Token),
        line().prop_map(Wanted::Text),
        prop::collection::vec(
            prop_oneof![4 => "[-a-c:_.\\\\@]{1,4}\\.(service|slice)", 1 => line()],
            1..4
        )
        .prop_map(Wanted::Units),
        prop_oneof![path, line()].prop_map(Wanted::Path),
        (
            program,
            prop::collection::vec(prop_oneof![4 => line(), 1 => Just(";".to_owned())], 0..4)
        )
            .prop_map(|(program, arguments)| Wanted::Exec([vec![program], arguments].concat())),
        (0..u64::MAX).prop_map(Wanted::Time),
        line().prop_map(Wanted::Passthrough),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_unit_reads_back_as_what_was_wanted(
        header in line(),
        sections in prop::collection::vec(
            ("[A-Z][a-z-]{0,3}", prop::collection::vec(("[A-Z][A-Za-z0-9]{0,3}", wanted()), 0..4)),
            0..3,
        ),
    ) {
        let mut unit = UnitWriter::new(&header);
        if unit.clone().finish().is_err() {
            unit = UnitWriter::new("");
        }
        let mut expected = Vec::new();
        for (name, directives) in &sections {
            unit.section(name);
            let mut taken = Vec::new();
            for (key, wanted) in directives {
                let mut attempt = unit.clone();
                wanted.write(&mut attempt, key);
                if attempt.clone().finish().is_ok() {
                    unit = attempt;
                    taken.push((key, wanted));
                }
            }
            expected.push((name, taken));
        }
        let text = unit.finish().unwrap();
        let (file, errors) = parse(&text);
        prop_assert_eq!(errors, []);
        prop_assert_eq!(file.sections.len(), expected.len());
        for (section, (name, directives)) in file.sections.iter().zip(expected) {
            prop_assert_eq!(&section.name, name);
            prop_assert_eq!(section.assignments.len(), directives.len(), "{}", text);
            for (read, (key, wanted)) in section.assignments.iter().zip(directives) {
                prop_assert_eq!(&read.key, key);
                prop_assert!(wanted.is(&read.value), "{:?} became {:?}", wanted, read.value);
            }
        }
    }
}
