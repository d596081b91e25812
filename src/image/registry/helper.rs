//! Programs that keep credentials: `docker-credential-NAME get` (docker-credential-helpers).

use super::credentials::Credentials;
use super::error::words;
use serde::Deserialize;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longest answer, in bytes.
const ANSWER_MAX: u64 = 64 << 10;
/// How long a program may take: some ask a server.
const TIME_MAX: Duration = Duration::from_secs(30);

/// What a program answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the program of that name for the credentials of a server; `None` if it has none.
///
/// # Errors
/// Says what is wrong with the name or the program.
pub fn ask(name: &str, server: &str) -> Result<Option<Credentials>, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_word) {
        let name = name.escape_debug();
        return Err(format!(
            "it names `{name}` as the program with the credentials, which is no name"
        ));
    }
    run(
        Command::new(format!("docker-credential-{name}")),
        server,
        TIME_MAX,
    )
    .map_err(|problem| format!("its program docker-credential-{name} {problem}"))
}

fn run(mut program: Command, server: &str, limit: Duration) -> Result<Option<Credentials>, String> {
    let started = program
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = started.map_err(|error| format!("cannot be started: {error}"))?;
    let answered = answer(&mut child, server, limit);
    // One that has answered has ended or is about to; one that has not must not stay.
    if answered.is_err() {
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| format!("cannot be waited for: {error}"))?;
    read(&answered?, status)
}

/// Tells the program the server, and takes all that it prints.
fn answer(child: &mut Child, server: &str, limit: Duration) -> Result<Vec<u8>, String> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("has no input and output".to_owned());
    };
    // One that does not read is judged by what it prints.
    let _ = input.write_all(server.as_bytes());
    drop(input);
    let (done, reading) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = output.take(ANSWER_MAX).read_to_end(&mut text).map(|_| text);
        let _ = done.send(read);
    });
    match reading.recv_timeout(limit) {
        Ok(text) => text.map_err(|error| format!("cannot be read from: {error}")),
        Err(_) => Err(format!("has not answered in {} seconds", limit.as_secs())),
    }
}

fn read(text: &[u8], status: ExitStatus) -> Result<Option<Credentials>, String> {
    if !status.success() {
        let said = words(&String::from_utf8_lossy(text));
        // Its way to say that it has none.
        return match said.contains("credentials not found") {
            true => Ok(None),
            false => Err(format!("fails ({status}): {said}")),
        };
    }
    let answer: Answer =
        serde_json::from_slice(text).map_err(|_| "does not answer as it has to".to_owned())?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Credentials::IdentityToken(answer.secret),
        _ => Credentials::Password {
            user: answer.username,
            password: answer.secret,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Option<Credentials>, String> {
        let mut program = Command::new("sh");
        program.arg("-c").arg(script);
        run(program, "quay.io", Duration::from_secs(20))
    }

    #[test]
    fn answers() {
        let found =
            shell(r#"read server; echo "{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"$server\"}""#);
        let (user, password) = ("u".to_owned(), "quay.io".to_owned());
        assert_eq!(found, Ok(Some(Credentials::Password { user, password })));
        let token = shell(r#"echo '{"Username":"<token>","Secret":"t"}'"#);
        assert_eq!(token, Ok(Some(Credentials::IdentityToken("t".to_owned()))));
        assert_eq!(
            shell("echo credentials not found in native keychain; exit 1"),
            Ok(None)
        );
        for (script, problem) in [
            ("echo -e '\\033[31mbad'; exit 3", "exit status: 3"),
            ("echo secret", "does not answer"),
            ("yes", "fails"),
        ] {
            let error = shell(script).unwrap_err();
            assert!(error.contains(problem) && !error.contains("secret"), "{error}");
            assert!(!error.contains('\u{1b}'));
        }
    }

    #[test]
    fn what_hangs_is_ended() {
        let mut program = Command::new("sh");
        program.arg("-c").arg("exec sleep 1000");
        let error = run(program, "a", Duration::from_millis(10)).unwrap_err();
        assert!(error.contains("has not answered"), "{error}");
    }

    #[test]
    fn names_are_no_paths() {
        for bad in ["", "../x", "a/b", "a b", "a;b"] {
            assert!(ask(bad, "a").unwrap_err().contains("no name"), "{bad}");
        }
        assert!(
            ask("no-such-program-here", "a")
                .unwrap_err()
                .contains("cannot be started")
        );
    }
}
