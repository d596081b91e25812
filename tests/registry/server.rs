//! A small HTTP server that answers as a test wants it, however bad.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// One request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte that is asked for, if a part is.
    pub(crate) fn range(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// The connection of a request.
pub(crate) struct Line<'a> {
    stream: &'a mut dyn Stream,
    end: &'a End,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Line<'_> {
    /// Answers; `Content-Length` is the body's unless the headers have one.
    pub(crate) fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let has_length = headers
            .iter()
            .any(|(name, _)| matches!(*name, "Content-Length" | "Transfer-Encoding"));
        self.head(status, headers);
        if !has_length {
            self.write(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        self.write(b"\r\n");
        self.write(body);
    }

    /// The status line and headers, without the empty line that ends them.
    pub(crate) fn head(&mut self, status: u16, headers: &[(&str, &str)]) {
        self.write(format!("HTTP/1.1 {status} X\r\nConnection: close\r\n").as_bytes());
        for (name, value) in headers {
            self.write(format!("{name}: {value}\r\n").as_bytes());
        }
    }

    /// Writes. `false` if the client is gone.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .is_ok()
    }

    /// Says nothing until the test is over.
    pub(crate) fn stall(&self) {
        let ended = self.end.ended.lock().unwrap();
        drop(self.end.change.wait_while(ended, |ended| !*ended).unwrap());
    }
}

#[derive(Default)]
struct End {
    ended: Mutex<bool>,
    change: Condvar,
}

/// The server; ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    end: Arc<End>,
    accepting: Option<JoinHandle<()>>,
}

type Handler = dyn Fn(&Asked, &mut Line<'_>) + Send + Sync;

impl Server {
    pub(crate) fn new(handler: impl Fn(&Asked, &mut Line<'_>) + Send + Sync + 'static) -> Self {
        Self::with(None, Arc::new(handler))
    }

    pub(crate) fn with_tls(
        tls: Arc<ServerConfig>,
        handler: impl Fn(&Asked, &mut Line<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(tls), Arc::new(handler))
    }

    fn with(tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, end) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<End>::default());
        let (known, ending) = (Arc::clone(&asked), Arc::clone(&end));
        let accept = move || {
            for stream in listener.incoming() {
                if *ending.ended.lock().unwrap() {
                    return;
                }
                let (Ok(stream), tls) = (stream, tls.clone()) else {
                    continue;
                };
                let (known, ending, handler) =
                    (Arc::clone(&known), Arc::clone(&ending), Arc::clone(&handler));
                std::thread::spawn(move || match tls {
                    None => serve(&mut &stream, &known, &ending, &*handler, &stream),
                    Some(tls) => {
                        let socket = stream.try_clone().unwrap();
                        let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
                        serve(&mut stream, &known, &ending, &*handler, &socket);
                    }
                });
            }
        };
        Self {
            address,
            asked,
            end,
            accepting: Some(std::thread::spawn(accept)),
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many requests were for paths with this in them.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.asked()
            .iter()
            .filter(|asked| asked.path.contains(part))
            .count()
    }
}

fn serve(
    stream: &mut dyn Stream,
    known: &Mutex<Vec<Asked>>,
    end: &End,
    handler: &Handler,
    socket: &TcpStream,
) {
    let mut asked = read(stream);
    // A proxy: what comes next is for whoever is behind, and this server is everybody.
    while let Some(connect) = asked.take_if(|asked| asked.method == "CONNECT") {
        known.lock().unwrap().push(connect);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        asked = read(stream);
    }
    if asked.is_none() {
        // As servers answer who speaks TLS to them, or nonsense.
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    }
    if let Some(asked) = asked {
        known.lock().unwrap().push(asked.clone());
        handler(&asked, &mut Line { stream, end });
    }
    let _ = socket.shutdown(Shutdown::Write);
    // Until the client has gone: closing before would take back what it has not read.
    let _ = io::copy(&mut &*socket, &mut io::sink());
}

fn read(stream: &mut dyn Stream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        if !head[0].is_ascii_uppercase() {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let mut asked = Asked {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        ..Asked::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        asked.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length: usize = asked
        .header("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.end.ended.lock().unwrap() = true;
        self.end.change.notify_all();
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}
