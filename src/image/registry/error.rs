//! What can go wrong with a registry, and what of it may pass.

use crate::image::error::{BlobProblem, printable};
use std::path::PathBuf;
use std::time::Duration;

/// Why something cannot be had from a registry. Everything that a server said is printable and short.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer: refused, reset, not found by name, cut off.
    #[error("{host}: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// No answer, or none to the end, in time.
    #[error("{host} was silent for {} seconds while podunit was {doing}", limit.as_secs_f64())]
    Silent {
        /// Host and port.
        host: String,
        /// The time that has passed.
        limit: Duration,
        /// Such as "connecting".
        doing: &'static str,
    },
    /// It sends next to nothing.
    #[error("{host} is too slow: {bytes} bytes in {} seconds", window.as_secs_f64())]
    Slow {
        /// Host and port.
        host: String,
        /// What came.
        bytes: u64,
        /// In this time.
        window: Duration,
    },
    /// The server's certificate, or ours, is not accepted.
    #[error("{host}: {problem}")]
    Tls {
        /// Host and port.
        host: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// What is asked for is not there.
    #[error("{host} does not have {what}{}", said(words))]
    NotFound {
        /// Host and port.
        host: String,
        /// What was asked for.
        what: String,
        /// What the registry said, perhaps empty.
        words: String,
    },
    /// The registry wants to know who asks, or refuses who does.
    #[error("{host} refuses {what}{}: {advice}", said(words))]
    Denied {
        /// Host and port.
        host: String,
        /// What was asked for.
        what: String,
        /// What the registry said, perhaps empty.
        words: String,
        /// What to do.
        advice: String,
    },
    /// Another status than expected.
    #[error("{host} answers with status {status} to a request for {what}{}", said(words))]
    Status {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// What the registry said, perhaps empty.
        words: String,
        /// `Retry-After`.
        after: Option<Duration>,
    },
    /// An answer that no registry may give.
    #[error("{host} does not behave as a registry: {problem}")]
    Protocol {
        /// Host and port.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// A blob that is not what its descriptor says.
    #[error("{host} lies: what it sends for {what} {problem}")]
    Contents {
        /// Host and port.
        host: String,
        /// The blob.
        what: String,
        /// What is wrong with it.
        problem: BlobProblem,
    },
    /// A file of the host about registries cannot be used.
    #[error("{}: {problem}", path.display())]
    Host {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A setting or a variable of the environment cannot be used.
    #[error("{0}")]
    Setting(String),
    /// Mirrors and the registry itself, each with its reason.
    #[error("{}", list(.0))]
    All(Vec<RegistryError>),
}

impl RegistryError {
    /// Whether the same may succeed a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Slow { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// How long the server wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { after, .. } => *after,
            _ => None,
        }
    }
}

/// A text of a server: at most some hundred characters on one line, none that a terminal would obey.
pub fn words(text: &str) -> String {
    const WORDS_MAX: usize = 300;
    let line: Vec<&str> = text.split_whitespace().collect();
    let mut line: String = line.join(" ").chars().take(WORDS_MAX + 1).collect();
    if line.chars().count() > WORDS_MAX {
        line.pop();
        line.push('…');
    }
    printable(line)
}

fn said(words: &str) -> String {
    match words.is_empty() {
        true => String::new(),
        false => format!(" (it says: {words})"),
    }
}

fn list(errors: &[RegistryError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
