//! A client of the OCI distribution protocol: images of a registry, over HTTP.
//!
//! ```text
//! Reference ── endpoint ──▶ session ── documents ──▶ manifest::Image
//!                            │  ▲  └── blob ──▶ a file
//!              http ◀────────┘  └─ challenge, credentials, token
//! ```
//!
//! Everything that a registry says is hostile: each answer has a limit in length and in time, digests and sizes are
//! checked, credentials are shown to the host they are for and nobody else.

mod auth_file;
pub mod blob;
pub mod challenge;
pub mod content_range;
pub mod credentials;
pub mod documents;
pub mod endpoint;
pub mod error;
pub mod failure;
pub mod helper;
pub mod http;
pub mod pace;
pub mod proxy;
pub mod retry;
pub mod session;
pub mod token;
pub mod trust;
pub mod url;

pub use error::RegistryError;
