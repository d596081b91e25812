//! A page of a member's web server. Of what the server says, only the status is looked at.

use super::tcp;
use crate::model::probe::Http;
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest answer that is read until its headers end, in bytes.
const LONGEST: usize = 8 * 1024;
/// Headers that an answer may have.
const HEADERS: usize = 64;

/// Asks for the page; in the words of an error, what is wrong with the answer.
pub(super) async fn look(pid: u32, http: &Http) -> Result<(), String> {
    let connected = tcp::connect(pid, http.host, http.port).await;
    let mut stream = connected.map_err(|error| tcp::words(http.port, &error))?;
    let status = ask(&mut stream, http).await;
    judge(status.map_err(|error| format!("no HTTP answer on port {}: {error}", http.port))?)
}

/// As for Kubernetes' probes, a redirect will do.
fn judge(status: u16) -> Result<(), String> {
    match status {
        200..=399 => Ok(()),
        status => Err(format!("HTTP status {status}")),
    }
}

async fn ask(stream: &mut TcpStream, http: &Http) -> io::Result<u16> {
    stream.write_all(request(http).as_bytes()).await?;
    let mut answer = Vec::with_capacity(512);
    loop {
        if let Some(status) = status(&answer)? {
            return Ok(status);
        }
        if answer.len() >= LONGEST {
            return Err(invalid("its headers have no end"));
        }
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn request(http: &Http) -> String {
    let host = match http.host {
        None => "localhost".to_owned(),
        Some(IpAddr::V4(host)) => host.to_string(),
        Some(IpAddr::V6(host)) => format!("[{host}]"),
    };
    format!(
        "GET {} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: podunit\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        http.path, http.port
    )
}

/// The status of an answer, once its headers are there.
fn status(answer: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let state = parsed.parse(answer);
    let state = state.map_err(|error| invalid(&error.to_string()))?;
    Ok(parsed.code.filter(|_| state.is_complete()))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_its_status() {
        let complete = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n";
        assert_eq!(status(complete).unwrap(), Some(204));
        for end in 0..complete.len() {
            assert_eq!(status(&complete[..end]).unwrap(), None, "{end}");
        }
        assert!(status(b"SSH-2.0-OpenSSH_10.0\r\n\r\n").is_err());
        assert!(judge(302).is_ok());
        for bad in [100, 404, 503, 999] {
            assert_eq!(judge(bad).unwrap_err(), format!("HTTP status {bad}"));
        }
    }

    #[test]
    fn the_request_names_the_host() {
        let mut http = Http {
            host: None,
            port: 80,
            path: "/a?b".to_owned(),
        };
        assert!(request(&http).starts_with("GET /a?b HTTP/1.1\r\nHost: localhost:80\r\n"));
        http.host = Some("fd00::1".parse().unwrap());
        assert!(request(&http).contains("\r\nHost: [fd00::1]:80\r\n"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(answer in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = status(&answer);
        }
    }
}
