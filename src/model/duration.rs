//! Durations in the compiled pod: whole microseconds, systemd's own unit.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// Writes a duration as microseconds, for `#[serde(with = "duration")]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
}

/// Reads a duration from microseconds.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_micros)
}

/// The same for a duration that may be absent, which means without limit.
pub mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    /// Writes microseconds or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value
            .map(|v| u64::try_from(v.as_micros()).unwrap_or(u64::MAX))
            .serialize(to)
    }

    /// Reads microseconds or null.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_micros))
    }
}
