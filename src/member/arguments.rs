//! What a container runs: entry point and command of the image, or what the definition says instead.

use super::{Error, expand};
use crate::model::{Container, ImageConfig};
use crate::systemd::specifiers::Specifiers;
use crate::unitfile::words;

/// The arguments of the container's process, the program first.
///
/// `Exec=` takes the place of the image's command and is a line of systemd's: split, `%` and then `$` expanded, the
/// variables being the launcher's own (`get`). With an `Entrypoint=` the image's command does not count. What the
/// image says is taken as it is.
///
/// # Errors
/// A line that cannot be split, an unknown specifier, or nothing to run.
pub fn resolve(
    container: &Container,
    image: &ImageConfig,
    specifiers: &Specifiers,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Error> {
    let mut arguments = match &container.entrypoint {
        Some(words) => {
            let words = words.iter().map(|word| expand(specifiers, "Entrypoint", word));
            words.collect::<Result<_, _>>()?
        }
        None => image.entrypoint.clone(),
    };
    match (&container.exec, &container.entrypoint) {
        (Some(words), _) => arguments.extend(line("Exec", words, specifiers, get)?),
        (None, Some(_)) => {}
        (None, None) => arguments.extend(image.cmd.iter().cloned()),
    }
    match arguments.first() {
        Some(program) if !program.is_empty() => {}
        _ => {
            return Err(Error::setting(
                "Exec",
                container.exec.clone().unwrap_or_default(),
                "there is nothing to run: the image names no command, so write Exec= or Entrypoint=",
            ));
        }
    }
    if arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(Error::Image(
            "its command holds a NUL byte, which no program can be given".to_owned(),
        ));
    }
    Ok(arguments)
}

/// The words of a command line of the definition, which is systemd's: split, `%` and then `$` expanded (from `get`).
///
/// # Errors
/// A line that cannot be split, an unknown specifier.
pub fn line(
    key: &'static str,
    text: &str,
    specifiers: &Specifiers,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Error> {
    let split = words::split(text).map_err(|error| Error::setting(key, text, error))?;
    let expanded = split.iter().map(|word| expand(specifiers, key, &word.text));
    Ok(words::expand_variables(
        &expanded.collect::<Result<Vec<_>, _>>()?,
        get,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::container;
    use super::*;
    use crate::model::Paths;

    fn run(container: &Container, image: &ImageConfig) -> Result<Vec<String>, Error> {
        let specifiers = Specifiers::new("pod-web-a.service", &Paths::default());
        let get = |name: &str| (name == "WHO").then(|| "big world".to_owned());
        resolve(container, image, &specifiers, &get)
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_the_definition_says_replaces_what_the_image_says() {
        let image = ImageConfig {
            entrypoint: strings(&["/entry", "%n"]),
            cmd: strings(&["$WHO"]),
            ..ImageConfig::default()
        };
        let given = |entrypoint: Option<&[&str]>, exec: Option<&str>| {
            let mut container = container("a");
            container.entrypoint = entrypoint.map(strings);
            container.exec = exec.map(str::to_owned);
            run(&container, &image)
        };
        assert_eq!(given(None, None).unwrap(), ["/entry", "%n", "$WHO"]);
        assert_eq!(
            given(None, Some("a 'b c'")).unwrap(),
            ["/entry", "%n", "a", "b c"]
        );
        assert_eq!(given(Some(&["/own", "%N"]), None).unwrap(), ["/own", "pod-web-a"]);
        assert_eq!(given(Some(&[]), Some("x")).unwrap(), ["x"]);
        for nothing in [
            given(Some(&[]), None),
            given(Some(&[]), Some("$NONE")),
            given(Some(&[""]), Some("x")),
        ] {
            assert!(nothing.unwrap_err().to_string().contains("nothing to run"));
        }
    }

    #[test]
    fn the_line_is_read_with_systemds_rules() {
        let mut container = container("a");
        container.exec = Some(r#"echo %n 100%% $WHO "${WHO}" '$$WHO' $NONE "\x41""#.to_owned());
        assert_eq!(
            run(&container, &ImageConfig::default()).unwrap(),
            [
                "echo",
                "pod-web-a.service",
                "100%",
                "big",
                "world",
                "big world",
                "$WHO",
                "A"
            ]
        );
        for bad in ["echo 'a", "echo %2"] {
            container.exec = Some(bad.to_owned());
            assert!(run(&container, &ImageConfig::default()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_cannot_cut_an_argument_short() {
        let image = ImageConfig {
            cmd: strings(&["sh\0-c"]),
            ..ImageConfig::default()
        };
        assert!(run(&container("a"), &image).is_err());
    }
}
