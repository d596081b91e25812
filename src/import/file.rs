//! Definitions before they are text: values as they are meant, unquoted.

use std::collections::BTreeSet;

/// What is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Pods with their containers.
    pub pods: Vec<Pod>,
    /// `NAME.volume`, `NAME.network`: other kinds of definitions.
    pub others: Vec<Other>,
}

impl Files {
    /// The pod of this name, made if it is not there.
    pub fn pod(&mut self, name: &str) -> &mut Pod {
        let at = self.pods.iter().position(|pod| pod.name == name);
        let at = at.unwrap_or_else(|| {
            self.pods.push(Pod {
                name: name.to_owned(),
                ..Pod::default()
            });
            self.pods.len() - 1
        });
        &mut self.pods[at]
    }

    /// The definition of this file name, made if it is not there.
    pub fn other(&mut self, file: &str, section: &'static str) -> &mut Other {
        let at = self.others.iter().position(|other| other.file == file);
        let at = at.unwrap_or_else(|| {
            self.others.push(Other {
                file: file.to_owned(),
                section,
                keys: Keys::default(),
            });
            self.others.len() - 1
        });
        &mut self.others[at]
    }
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// `[Pod]`
    pub keys: Keys,
    /// `[Unit]`
    pub unit: Keys,
    /// `[Service]`
    pub service: Keys,
    /// Whether it is started at boot.
    pub at_boot: bool,
    /// Its containers.
    pub members: Vec<Member>,
}

impl Pod {
    /// Adds a container, under another name if there is one of its name.
    pub fn add(&mut self, mut member: Member) {
        let taken: BTreeSet<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
        let wanted = member.name.clone();
        for number in 2.. {
            if !taken.contains(member.name.as_str()) {
                break;
            }
            member.name = format!("{wanted}-{number}");
        }
        self.members.push(member);
    }

    /// The container of this name.
    pub fn member(&mut self, name: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.name == name)
    }
}

/// A container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// `[Container]`
    pub keys: Keys,
    /// Its `[Unit]`
    pub unit: Keys,
    /// Its `[Service]`
    pub service: Keys,
}

/// A definition of another kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its file name, such as `data.volume`.
    pub file: String,
    /// Its section, such as `Volume`.
    pub section: &'static str,
    /// What is in it.
    pub keys: Keys,
}

/// The keys of a section in order, each with one value: the words of a command line, or one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<(String, Vec<String>)>);

impl Keys {
    /// Adds a value.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), vec![value.into()]));
    }

    /// Adds a value unless it is there.
    pub fn add_once(&mut self, key: &str, value: impl Into<String>) {
        let value = vec![value.into()];
        if !self
            .0
            .iter()
            .any(|(known, words)| known == key && *words == value)
        {
            self.0.push((key.to_owned(), value));
        }
    }

    /// Sets the one value of a key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.remove(key);
        self.add(key, value);
    }

    /// Sets a command line.
    pub fn command(&mut self, key: &str, words: impl IntoIterator<Item = String>) {
        self.remove(key);
        self.0.push((key.to_owned(), words.into_iter().collect()));
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(known, _)| known != key);
    }

    /// Whether a key has a value.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| known == key)
    }

    /// The last value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == key);
        found.and_then(|(_, words)| words.first().map(String::as_str))
    }

    /// All values of a key.
    pub fn all<'k>(&'k self, key: &str) -> impl Iterator<Item = &'k str> {
        let key = key.to_owned();
        let of_key = self.0.iter().filter(move |(known, _)| *known == key);
        of_key.filter_map(|(_, words)| words.first().map(String::as_str))
    }

    /// Adds all of another section.
    pub fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    /// Those whose names are such, and the others.
    pub fn partition(&self, is_such: impl Fn(&str) -> bool) -> (Self, Self) {
        let (such, others) = self.0.iter().cloned().partition(|(key, _)| is_such(key));
        (Self(such), Self(others))
    }

    /// Keys and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, words)| (key.as_str(), words.as_slice()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
