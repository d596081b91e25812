//! `Image=` and `Rootfs=`, and how an image is got.

use super::directive::Known;
use super::document::Kind;
use super::mount;
use super::section::{Settings, Value, short};
use crate::diagnostic::{Place, Problem, nearest};
use crate::model::{AutoUpdate, ImageSource, Platform, PullPolicy, Reference, Request};
use crate::unitfile::value::{TimeSpan, parse_time_span};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Keys that say how an image is got, and so mean nothing without one.
const ABOUT_IMAGES: [&str; 10] = [
    "Arch",
    "AuthFile",
    "AutoUpdate",
    "CertDir",
    "OS",
    "Pull",
    "Retry",
    "RetryDelay",
    "TLSVerify",
    "Variant",
];
/// Specifiers that stand for another thing in each unit. Who fetches an image does so for all units that want it.
const OF_THE_UNIT: [char; 10] = ['d', 'f', 'i', 'I', 'j', 'J', 'n', 'N', 'p', 'P'];
/// More attempts are a mistake, or a way to keep a registry busy.
const MOST_RETRIES: u32 = 100;
const EXAMPLE: &str = "write a reference such as docker.io/library/nginx";

/// Reads what the root file system is made of. `heading` stands for the container as a whole.
pub(super) fn source(
    settings: &Settings,
    heading: Place,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> ImageSource {
    let image = settings.text("Image", problems);
    let rootfs = settings.text("Rootfs", problems);
    match (image, rootfs) {
        (Some(image), None) => match image.text.strip_suffix(Kind::Image.suffix()) {
            Some(base) => ImageSource::Image(of_file(base, &image, settings, known, problems)),
            None => ImageSource::Image(request(image, settings, "Pull", problems)),
        },
        (None, Some(rootfs)) => {
            for key in ABOUT_IMAGES {
                if let Some(value) = settings.value(key, problems) {
                    let problem = value.error("this is about an image, and the container has a Rootfs=");
                    problems.push(problem.help(format!("leave {key}= out")));
                }
            }
            let path = &rootfs.text;
            if !(path.starts_with('/') || path.starts_with('%')) || path.contains(':') {
                let problem = rootfs.error("this is not the folder of a root file system");
                problems.push(problem.help("write an absolute path, without options behind it"));
            }
            match path.starts_with('/') {
                true => ImageSource::Rootfs(mount::plain(Path::new(path))),
                false => ImageSource::Rootfs(rootfs.text),
            }
        }
        (Some(image), Some(rootfs)) => {
            let problem = Problem::error(rootfs.place(), "the container has both Image= and Rootfs=");
            problems.push(
                problem
                    .other(image.place(), "the image")
                    .help("remove one of them"),
            );
            ImageSource::Image(Request::new(image.text))
        }
        (None, None) => {
            let problem = Problem::error(heading, "the container has neither Image= nor Rootfs=");
            problems.push(problem.help("write Image= with a reference such as docker.io/library/nginx"));
            ImageSource::Image(Request::new(""))
        }
    }
}

/// Reads `AutoUpdate=`.
pub(super) fn auto_update(settings: &Settings, problems: &mut Vec<Problem>) -> Option<AutoUpdate> {
    let value = settings.value("AutoUpdate", problems)?;
    let pull = settings.value("Pull", problems);
    if let Some(pull) =
        pull.filter(|pull| value.text != "disabled" && ["always", "newer"].contains(&pull.text.as_str()))
    {
        let message = "every start takes the newest image, so that an update that fails cannot be taken back";
        problems.push(
            pull.warning(message)
                .other(value.place(), "updates")
                .help("leave Pull= out")
                .code("update-final"),
        );
    }
    match value.text.as_str() {
        "registry" => Some(AutoUpdate::Registry),
        "local" => Some(AutoUpdate::Local),
        "disabled" => None,
        _ => {
            let problem = value.error("this is no place to look for a newer image");
            problems.push(problem.help("write registry, or local for what is in this machine's store"));
            None
        }
    }
}

/// What `base.image` asks for. When that is done can be said anew.
fn of_file(
    base: &str,
    image: &Value,
    settings: &Settings,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Request {
    for key in ABOUT_IMAGES
        .into_iter()
        .filter(|key| !["AutoUpdate", "Pull"].contains(key))
    {
        if let Some(value) = settings.value(key, problems) {
            let problem = value.error(format!("{} says how the image is got", short(&image.text)));
            problems.push(
                problem
                    .other(image.place(), "it is named here")
                    .help("write it there"),
            );
        }
    }
    match known.images.get(base) {
        Some(Some(request)) => Request {
            policy: match settings.value("Pull", problems) {
                Some(_) => policy(settings, "Pull", problems),
                None => request.policy,
            },
            ..request.clone()
        },
        Some(None) => {
            let problem = image.error("this file has errors itself");
            problems.push(problem.help("repair them first"));
            Request::new("")
        }
        None => {
            let near = nearest::nearest(base, known.images.keys().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean {near}.image?"),
                None => format!(
                    "write a file {}.image with Image= in a section [Image]",
                    short(base)
                ),
            };
            problems.push(image.error("there is no such file").help(help));
            Request::new("")
        }
    }
}

/// What is asked for with `Image=`; `pull` is the key that says when.
pub(super) fn request(image: Value, settings: &Settings, pull: &str, problems: &mut Vec<Problem>) -> Request {
    let text = &image.text;
    if text.ends_with(Kind::Build.suffix()) {
        let problem = image.error("podunit builds no images");
        problems.push(problem.help(EXAMPLE));
    } else if text.starts_with('-') || text.contains(char::is_whitespace) {
        problems.push(image.error("this is not the name of an image").help(EXAMPLE));
    } else if !text.contains('%')
        && let Err(error) = text.parse::<Reference>()
    {
        problems.push(image.error(error).help(EXAMPLE));
    }
    shared(&image, "an image", problems);
    Request {
        policy: policy(settings, pull, problems),
        platform: platform(settings, problems),
        auth_file: path(settings, "AuthFile", problems),
        cert_dir: path(settings, "CertDir", problems),
        tls_verify: settings.flag("TLSVerify", problems).map(|(flag, _)| flag),
        retry: retry(settings, problems),
        retry_delay: retry_delay(settings, problems),
        ..Request::new(image.text)
    }
}

/// Looks for specifiers of the unit's own; `what` is for all units.
pub(super) fn shared(value: &Value, what: &str, problems: &mut Vec<Problem>) {
    let mut chars = value.text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            continue;
        }
        if let Some(specifier) = chars.next().filter(|c| OF_THE_UNIT.contains(c)) {
            let message = format!("`%{specifier}` is not the same in every unit, and {what} is for all");
            let help = match specifier {
                'i' | 'I' => "write out what it stands for, where it differs in a drop-in of the instance",
                _ => "write out what it stands for",
            };
            problems.push(value.error(message).help(help));
            return;
        }
    }
}

fn policy(settings: &Settings, key: &str, problems: &mut Vec<Problem>) -> PullPolicy {
    let Some(value) = settings.value(key, problems) else {
        return PullPolicy::default();
    };
    value.text.parse().unwrap_or_else(|_| {
        let problem = value.error("this does not say when to pull");
        problems.push(problem.help("write always, missing, never or newer"));
        PullPolicy::default()
    })
}

fn platform(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Platform> {
    let mut read = |key| settings.value(key, problems);
    let (os, architecture, variant) = (read("OS"), read("Arch"), read("Variant"));
    let text = |value: &Option<Value>| value.as_ref().map(|value| value.text.clone());
    let parts = (text(&os), text(&architecture), text(&variant));
    let platform = |os: &Option<String>, architecture: &Option<String>, variant: &Option<String>| {
        Platform::other_than_host(os.as_deref(), architecture.as_deref(), variant.as_deref())
    };
    // Each part alone first, so that the one that is wrong is named.
    let alone = [
        (os, platform(&parts.0, &None, &None)),
        (architecture, platform(&None, &parts.1, &None)),
        (variant, platform(&None, &None, &parts.2)),
    ];
    for (value, read) in alone {
        if let (Some(value), Err(_)) = (value, read) {
            let problem = value.error("this is no part of a platform's name");
            problems.push(problem.help("write words such as linux, arm64 and v7, in lower case"));
        }
    }
    platform(&parts.0, &parts.1, &parts.2).unwrap_or_default()
}

/// An absolute path of the host.
fn path(settings: &Settings, key: &str, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    let value = settings.text(key, problems)?;
    let climbs = value.text.split('/').any(|part| part == "..");
    if !value.text.starts_with(['/', '%']) || climbs {
        let problem = value.error("this is not an absolute path");
        problems.push(problem.help("write an absolute path without `..`"));
    }
    shared(&value, "an image", problems);
    Some(PathBuf::from(value.text))
}

fn retry(settings: &Settings, problems: &mut Vec<Problem>) -> Option<u32> {
    let value = settings.value("Retry", problems)?;
    let count = value.text.parse().ok().filter(|count| *count <= MOST_RETRIES);
    if count.is_none() {
        let problem = value.error("this is not a number of attempts");
        problems.push(problem.help(format!("write a number from 0 to {MOST_RETRIES}")));
    }
    count
}

fn retry_delay(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Duration> {
    let value = settings.value("RetryDelay", problems)?;
    match parse_time_span(&value.text) {
        Some(TimeSpan::Finite(span)) => Some(span),
        _ => {
            problems.push(
                value
                    .error("this is not a time")
                    .help("write seconds, such as 5, or 1min 30s"),
            );
            None
        }
    }
}
