//! The client that asks whether a pod answers.

use crate::host::{now, wait_for};
use anyhow::Result;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A plain client would hang: Podman holds a listening socket that nobody serves until its firewall rules are there.
const PATIENCE: Duration = Duration::from_millis(30);

/// Asks until there is an answer; the time of it.
pub fn wait_answer(port: u16) -> Result<u64> {
    wait_for(&format!("HTTP 200 on port {port}"), || Ok(answers(port)))?;
    Ok(now())
}

fn answers(port: u16) -> bool {
    ask(port).is_ok_and(|head| head.starts_with(b"HTTP/1.1 200"))
}

fn ask(port: u16) -> std::io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = vec![0; 12];
    stream.read_exact(&mut head)?;
    Ok(head)
}
