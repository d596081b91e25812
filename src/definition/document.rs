//! A definition as read: its main file and drop-ins, parsed, with a way back from each assignment to its place.

use crate::diagnostic::{Place, Problem, Source};
use crate::unitfile::{self, Assignment, Section, Span};
use std::path::{Path, PathBuf};

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `NAME.pod`
    Pod,
    /// `NAME.container`
    Container,
    /// `NAME.volume`
    Volume,
    /// `NAME.network`
    Network,
    /// `NAME.image`
    Image,
    /// `NAME.kube`
    Kube,
    /// `NAME.build`
    Build,
    /// `NAME.artifact`
    Artifact,
}

impl Kind {
    /// All of them, those of Quadlet (podman-systemd.unit(5)).
    pub(super) const ALL: [Self; 8] = [
        Self::Pod,
        Self::Container,
        Self::Volume,
        Self::Network,
        Self::Image,
        Self::Kube,
        Self::Build,
        Self::Artifact,
    ];

    /// The extension of its files, with the dot.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Pod => ".pod",
            Self::Container => ".container",
            Self::Volume => ".volume",
            Self::Network => ".network",
            Self::Image => ".image",
            Self::Kube => ".kube",
            Self::Build => ".build",
            Self::Artifact => ".artifact",
        }
    }

    /// The section that its files are about.
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Container => "Container",
            Self::Volume => "Volume",
            Self::Network => "Network",
            Self::Image => "Image",
            Self::Kube => "Kube",
            Self::Build => "Build",
            Self::Artifact => "Artifact",
        }
    }

    /// The kind of a file by its name, and the name without the extension; `None` for what is no definition, such as
    /// hidden files.
    pub(super) fn of(file: &str) -> Option<(Self, &str)> {
        let (kind, base) = Self::ALL
            .into_iter()
            .find_map(|kind| Some((kind, file.strip_suffix(kind.suffix())?)))?;
        (!base.is_empty() && !base.starts_with('.')).then_some((kind, base))
    }
}

/// One text that was read.
#[derive(Debug)]
pub(super) struct Document {
    /// Path as shown to the user.
    pub(super) path: PathBuf,
    /// The whole text.
    pub(super) text: String,
    file: unitfile::File,
}

impl Document {
    /// Parses a text; what cannot be read of it goes to `problems`.
    pub(super) fn parse(path: &Path, text: String, problems: &mut Vec<Problem>) -> Self {
        let (file, errors) = unitfile::parse::parse(&text);
        let place = |span: Span| Place {
            path: path.to_owned(),
            bytes: Some((span.start, span.end)),
        };
        problems.extend(
            errors
                .into_iter()
                .map(|error| Problem::error(place(error.span), error.message)),
        );
        // Once in a file: whoever repairs one sees the others.
        let doubt = file.doubts.first();
        problems.extend(doubt.map(|doubt| Problem::warning(place(doubt.span), doubt.message.clone())));
        Self {
            path: path.to_owned(),
            text,
            file,
        }
    }

    /// What was parsed.
    pub(super) fn file(&self) -> &unitfile::File {
        &self.file
    }

    /// The same, to add what stands there in other words.
    pub(super) fn file_mut(&mut self) -> &mut unitfile::File {
        &mut self.file
    }

    fn place(&self, span: Span) -> Place {
        Place {
            path: self.path.clone(),
            bytes: Some((span.start, span.end)),
        }
    }
}

/// A definition, such as `NAME.pod`, with its drop-ins.
#[derive(Debug)]
pub(super) struct Definition {
    /// Its kind.
    pub(super) kind: Kind,
    /// The file name without the extension.
    pub(super) base: String,
    /// The main file, as shown to the user.
    pub(super) path: PathBuf,
    /// Paths of all its files, readable or not.
    pub(super) files: Vec<PathBuf>,
    /// What could be read, in the order in which it counts.
    pub(super) documents: Vec<Document>,
    /// What could not.
    pub(super) problems: Vec<Problem>,
}

impl Definition {
    /// All sections, the main file's first.
    pub(super) fn sections(&self) -> impl Iterator<Item = Header<'_>> {
        let of = |document| Document::headers(document);
        self.documents.iter().flat_map(of)
    }

    /// Assignments of all sections called `name`.
    pub(super) fn entries<'a>(&'a self, name: &str) -> Vec<Entry<'a>> {
        self.sections()
            .filter(|header| header.name() == name)
            .flat_map(Header::entries)
            .collect()
    }

    /// The texts alone, for problems that point into them.
    pub(super) fn into_sources(self) -> impl Iterator<Item = Source> {
        self.documents.into_iter().map(|document| Source {
            path: document.path,
            text: document.text,
        })
    }

    /// The definition as a whole.
    pub(super) fn place(&self) -> Place {
        Place::file(&self.path)
    }
}

impl Document {
    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.file.sections.iter().map(|section| Header {
            document: self,
            section,
        })
    }
}

/// One section of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a> {
    document: &'a Document,
    section: &'a Section,
}

impl<'a> Header<'a> {
    /// What stands between the brackets.
    pub(super) fn name(self) -> &'a str {
        &self.section.name
    }

    /// Where it stands.
    pub(super) fn place(self) -> Place {
        self.document.place(self.section.span)
    }

    /// Whether both are in one file.
    pub(super) fn is_beside(self, other: Header) -> bool {
        std::ptr::eq(self.document, other.document)
    }

    /// Its assignments.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        self.section.assignments.iter().map(move |assignment| Entry {
            document: self.document,
            assignment,
        })
    }
}

/// One assignment of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    document: &'a Document,
    assignment: &'a Assignment,
}

impl<'a> Entry<'a> {
    /// The key.
    pub(super) fn key(self) -> &'a str {
        &self.assignment.key
    }

    /// The value, one line.
    pub(super) fn value(self) -> &'a str {
        &self.assignment.value
    }

    /// The folder of its file.
    pub(super) fn folder(self) -> &'a Path {
        self.document.path.parent().unwrap_or(Path::new("/"))
    }

    /// Where the key stands.
    pub(super) fn key_place(self) -> Place {
        self.document.place(self.assignment.key_span)
    }

    /// Where the value stands; the key, if the value is empty.
    pub(super) fn value_place(self) -> Place {
        let span = self.assignment.value_span;
        if span.start == span.end {
            self.key_place()
        } else {
            self.document.place(span)
        }
    }

    /// Where bytes `start..end` of the value stand.
    pub(super) fn place_of(self, start: usize, end: usize) -> Place {
        self.document.place(self.assignment.span_of(start, end))
    }
}
