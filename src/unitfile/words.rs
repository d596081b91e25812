//! Words of a value: splitting, unquoting, quoting, and `$` expansion of command lines.
