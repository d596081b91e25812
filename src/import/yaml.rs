//! YAML as a tree that remembers lines. The parser gives events only; anchors, aliases and merge keys are followed here,
//! with a limit on how much may come of it, since a few lines of aliases can stand for more than any memory.

use super::ImportError;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Most nodes of a document, those that aliases stand for counted each time.
const MOST_NODES: usize = 100_000;
/// Most nodes and merged keys that are looked at on the way.
const MOST_WORK: usize = 1_000_000;
/// Deepest nesting.
const DEEPEST: usize = 64;

/// A node and the line on which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) value: Value,
    /// How many nodes it is, itself counted.
    size: usize,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing: `~`, `null`, or nothing at all.
    Null,
    /// A text, as it was written: numbers and truth values are texts until somebody wants them otherwise.
    Text(String),
    /// A sequence.
    List(Vec<Rc<Node>>),
    /// A mapping in its order.
    Map(Vec<(String, Rc<Node>)>),
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a sequence; of anything else none.
    pub(super) fn list(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List(list) => list,
            _ => &[],
        }
    }

    /// The entries of a mapping; of anything else none.
    pub(super) fn map(&self) -> &[(String, Rc<Node>)] {
        match &self.value {
            Value::Map(map) => map,
            _ => &[],
        }
    }

    /// What stands under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let found = self.map().iter().find(|(known, _)| known == key);
        found
            .map(|(_, node)| &**node)
            .filter(|node| node.value != Value::Null)
    }

    /// What stands under a key within keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text under a key.
    pub(super) fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// Whether the text under a key is a true.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.text_at(key)
            .is_some_and(|text| ["true", "yes", "on"].contains(&text.to_ascii_lowercase().as_str()))
    }

    /// The tree with all texts changed, names of keys not.
    pub(super) fn map_texts(
        &self,
        change: &mut dyn FnMut(usize, &str) -> Result<String, ImportError>,
    ) -> Result<Rc<Node>, ImportError> {
        let value = match &self.value {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(change(self.line, text)?),
            Value::List(list) => Value::List(
                list.iter()
                    .map(|node| node.map_texts(change))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(map) => {
                let entry = |(key, node): &(String, Rc<Node>)| Ok((key.clone(), node.map_texts(change)?));
                Value::Map(map.iter().map(entry).collect::<Result<_, ImportError>>()?)
            }
        };
        Ok(Rc::new(Node {
            line: self.line,
            value,
            size: self.size,
        }))
    }
}

/// The documents of a text.
///
/// # Errors
/// What is no YAML, or more than can be meant.
pub(super) fn parse(text: &str) -> Result<Vec<Rc<Node>>, ImportError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        work: 0,
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (event, span) => documents.push(reader.node(event, span, 0)?),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: BTreeMap<usize, Rc<Node>>,
    work: usize,
}

fn error(error: &ScanError) -> ImportError {
    ImportError::line(
        error.marker().line(),
        format!("this is no YAML: {}", error.info()),
    )
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), ImportError> {
        match self.parser.next_event() {
            Some(event) => event.map_err(|wrong| error(&wrong)),
            None => Ok((Event::StreamEnd, Span::empty(saphyr_parser::Marker::new(0, 0, 0)))),
        }
    }

    fn work(&mut self, steps: usize, line: usize) -> Result<(), ImportError> {
        self.work += steps;
        if self.work > MOST_WORK {
            return Err(ImportError::line(
                line,
                "with its aliases this stands for more than can be meant",
            ));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Rc<Node>, ImportError> {
        let line = span.start.line();
        self.work(1, line)?;
        if depth > DEEPEST {
            return Err(ImportError::line(
                line,
                format!("this is nested more than {DEEPEST} deep"),
            ));
        }
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| {
                    ImportError::line(line, "this alias stands within what it is an alias of")
                });
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_null =
                    style == ScalarStyle::Plain && ["", "~", "null", "Null", "NULL"].contains(&&*text);
                let value = if is_null {
                    Value::Null
                } else {
                    Value::Text(text.into_owned())
                };
                (anchor, value)
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(line, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(line, depth)?),
            _ => {
                return Err(ImportError::line(
                    line,
                    "this is no YAML: something is missing here",
                ));
            }
        };
        let size = 1 + match &value {
            Value::Null | Value::Text(_) => 0,
            Value::List(list) => list.iter().map(|node| node.size).sum(),
            Value::Map(map) => map.iter().map(|(_, node)| node.size).sum(),
        };
        if size > MOST_NODES {
            let message = format!("with its aliases this stands for more than {MOST_NODES} values");
            return Err(ImportError::line(line, message));
        }
        let node = Rc::new(Node { line, value, size });
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, line: usize, depth: usize) -> Result<Value, ImportError> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(list)),
                (Event::StreamEnd, _) => return Err(ImportError::line(line, "this list does not end")),
                (event, span) => list.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, line: usize, depth: usize) -> Result<Value, ImportError> {
        let mut map: Vec<(String, Rc<Node>)> = Vec::new();
        let mut merged: Vec<Rc<Node>> = Vec::new();
        let mut known: BTreeSet<String> = BTreeSet::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::StreamEnd, _) => return Err(ImportError::line(line, "this mapping does not end")),
                (event, span) => self.node(event, span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            match &key.value {
                Value::Text(text) if text == "<<" => merged.push(value),
                Value::Text(text) if !known.insert(text.clone()) => {
                    return Err(ImportError::line(
                        key.line,
                        format!("`{text}` stands twice in one mapping"),
                    ));
                }
                Value::Text(text) => map.push((text.clone(), value)),
                _ => return Err(ImportError::line(key.line, "a key is a text")),
            }
        }
        // What is written itself comes before what is merged, and of that the first.
        let sources = merged.iter().flat_map(|node| match &node.value {
            Value::List(list) => list.clone(),
            _ => vec![node.clone()],
        });
        for source in sources {
            self.work(source.map().len(), line)?;
            for (key, node) in source.map() {
                if known.insert(key.clone()) {
                    map.push((key.clone(), node.clone()));
                }
            }
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_lines_and_merges() {
        let text = "x: &x\n  a: 1\n  b: ~\ny:\n  <<: *x\n  a: '2'\nz: [p, \"q\", 080]\n";
        let documents = parse(text).unwrap();
        let root = &documents[0];
        assert_eq!(root.at(&["x", "a"]).unwrap().text(), Some("1"));
        assert_eq!(root.at(&["x", "b"]), None);
        assert_eq!(root.at(&["y", "a"]).unwrap().text(), Some("2"));
        assert_eq!(root.at(&["y", "a"]).unwrap().line, 6);
        let list: Vec<&str> = root
            .get("z")
            .unwrap()
            .list()
            .iter()
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(list, ["p", "q", "080"]);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb += &format!("a{n}: &a{n} [{aliases}]\n");
        }
        let deep = "[".repeat(3000);
        for bad in [
            bomb.as_str(),
            &deep,
            "a: 1\na: 2\n",
            "a: [1\n",
            "? [a]\n: b\n",
            "a: &a [*a]\n",
            "\t- x\n y: *b\n",
        ] {
            assert!(parse(bad).is_err(), "{}", &bad[..bad.len().min(60)]);
        }
    }
}
