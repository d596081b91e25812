//! An image's configuration: what of it is honoured, and its checks.

use super::Digest;
use crate::model::{ImageConfig, Signal};
use oci_spec::image::ImageConfiguration;

/// A configuration that was read.
#[derive(Debug)]
pub struct Configuration {
    /// The honoured fields.
    pub run: ImageConfig,
    /// Digests of the uncompressed layers, the lowest first.
    pub diff_ids: Vec<Digest>,
    /// When the image was made (RFC 3339), if it says so in good form.
    pub created: Option<String>,
    /// Operating system and processor, `linux/amd64`.
    pub platform: String,
    /// What was left out.
    pub warnings: Vec<String>,
}

/// Reads a configuration (OCI image specification, `config.md`).
///
/// # Errors
/// Says what is wrong with it.
pub fn parse(json: &[u8]) -> Result<Configuration, String> {
    let image: ImageConfiguration = serde_json::from_slice(json)
        .map_err(|error| format!("it is not an image's configuration: {error}"))?;
    let layers = image.rootfs().diff_ids().iter();
    let diff_ids: Result<_, _> = layers
        .map(|id| id.parse().map_err(|error| format!("diff_ids: {error}")))
        .collect();
    let mut warnings = Vec::new();
    let mut run = ImageConfig::default();
    if let Some(config) = image.config() {
        let text = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let list = |value: &Option<Vec<String>>| value.clone().unwrap_or_default();
        run.user = text(config.user());
        run.env = list(config.env());
        run.entrypoint = list(config.entrypoint());
        run.cmd = list(config.cmd());
        run.working_dir = text(config.working_dir());
        // They come from a map without order.
        run.volumes = list(config.volumes());
        run.volumes.sort();
        run.volumes.dedup();
        if let Some(signal) = text(config.stop_signal()) {
            match signal.parse::<Signal>() {
                Ok(signal) => run.stop_signal = Some(signal),
                Err(_) => warnings.push(format!(
                    "its stop signal `{}` does not exist: SIGTERM is used",
                    signal.escape_debug()
                )),
            }
        }
    }
    let texts = run
        .env
        .iter()
        .chain(&run.entrypoint)
        .chain(&run.cmd)
        .chain(&run.user)
        .chain(&run.volumes)
        .chain(&run.working_dir);
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err("a text in it has a NUL character".to_owned());
    }
    Ok(Configuration {
        run,
        diff_ids: diff_ids?,
        created: image.created().clone().filter(|text| is_time(text)),
        platform: format!("{}/{}", image.os(), image.architecture()),
        warnings,
    })
}

/// Whether a text has the form of RFC 3339, so that it can be shown: `2024-05-01T12:00:00.5Z`.
fn is_time(text: &str) -> bool {
    let form = text.bytes().zip(*b"dddd-dd-ddTdd:dd:dd");
    let good = |(byte, form): (u8, u8)| {
        if form == b'd' {
            byte.is_ascii_digit()
        } else {
            byte == form
        }
    };
    (20..=40).contains(&text.len())
        && form.into_iter().all(good)
        && text
            .bytes()
            .skip(19)
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'Z' | b'+' | b'-' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(config: &str) -> Result<Configuration, String> {
        parse(
            format!(
                r#"{{"architecture":"amd64","os":"linux","created":"2024-05-01T12:00:00Z","config":{config},
                "rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}},"x":1}}"#,
                "a".repeat(64)
            )
            .as_bytes(),
        )
    }

    #[test]
    fn honoured_fields() {
        let read = with(
            r#"{"User":"www","Env":["A=1"],"Entrypoint":["/e"],"Cmd":null,"WorkingDir":"","StopSignal":"SIGQUIT",
            "ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{},"/a":{}},"Labels":null,"OnBuild":null}"#,
        )
        .unwrap();
        assert_eq!(read.run.user.as_deref(), Some("www"));
        assert_eq!(read.run.env, ["A=1"]);
        assert_eq!(read.run.entrypoint, ["/e"]);
        assert!(read.run.cmd.is_empty() && read.run.working_dir.is_none() && read.warnings.is_empty());
        assert_eq!(read.run.volumes, ["/a", "/data"]);
        assert_eq!(read.run.stop_signal, Some("QUIT".parse().unwrap()));
        assert_eq!(read.created.as_deref(), Some("2024-05-01T12:00:00Z"));
        assert_eq!(read.platform, "linux/amd64");
        assert_eq!(with("null").unwrap().run, ImageConfig::default());
    }

    #[test]
    fn hostile_fields() {
        let read = with(r#"{"StopSignal":"SIG\u001b[31m"}"#).unwrap();
        assert_eq!(read.run.stop_signal, None);
        assert!(read.warnings[0].contains("\\u{1b}"), "{:?}", read.warnings);
        assert!(with(r#"{"Env":["A=\u0000"]}"#).is_err());
        assert!(with(r#"{"Env":"A"}"#).is_err());
        assert!(parse(b"{}").is_err());
        assert!(!is_time("2024-05-01T12:00:00Z\n") && !is_time("x") && !is_time(&"2".repeat(30)));
    }
}
