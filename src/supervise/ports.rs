//! Whether a published port has a listener in the pod: the kernel's own list of sockets, `/proc/PID/net/tcp`.

use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};

/// How much of a list is read. Listening sockets come first, so that many connections hide none.
const LONGEST: u64 = 256 * 1024;

/// Those of `ports` that have no listener that can be reached from outside, in the network of the processes `pids`.
/// With `shared` they are in one network, and the first that is alive speaks for all.
pub(super) fn silent(ports: &[u16], pids: impl Iterator<Item = u32>, shared: bool) -> Vec<u16> {
    let mut silent = ports.to_vec();
    for pid in pids {
        let mut alive = false;
        for table in ["tcp", "tcp6"] {
            let Ok(file) = std::fs::File::open(format!("/proc/{pid}/net/{table}")) else {
                continue;
            };
            let mut text = String::new();
            if file.take(LONGEST).read_to_string(&mut text).is_ok() {
                alive = true;
                silent.retain(|&port| !listeners(&text).any(|listener| listener == port));
            }
        }
        if silent.is_empty() || (alive && shared) {
            break;
        }
    }
    silent
}

/// Ports in a table (proc_pid_net(5)) with a listener on an address that is not loopback: traffic that is led to
/// the pod arrives at its own address.
fn listeners(table: &str) -> impl Iterator<Item = u16> + '_ {
    table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (address, port) = columns.next()?.rsplit_once(':')?;
        let listens = columns.nth(1)? == "0A";
        (listens && !is_loopback(address)?).then_some(u16::from_str_radix(port, 16).ok()?)
    })
}

/// Addresses are words of 32 bits, each in hexadecimal as it is in memory.
fn is_loopback(address: &str) -> Option<bool> {
    let word = |at: usize| {
        u32::from_str_radix(address.get(8 * at..8 * at + 8)?, 16)
            .ok()
            .map(u32::to_ne_bytes)
    };
    match address.len() {
        8 => Some(Ipv4Addr::from(word(0)?).is_loopback()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?);
            Some(
                address.is_loopback()
                    || address
                        .to_ipv4_mapped()
                        .is_some_and(|address| address.is_loopback()),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn listeners_are_found_and_loopback_is_not_enough() {
        let table = format!(
            "{HEAD}   0: 00000000:0050 00000000:0000 0A 00000000:00000000\n   \
             1: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   \
             2: 0100590A:01BB 0200590A:C350 01 00000000:00000000\n   garbage\n"
        );
        assert_eq!(listeners(&table).collect::<Vec<_>>(), [80]);
        let table = format!(
            "{HEAD}   0: 00000000000000000000000000000000:0051 0:0 0A\n   \
             1: 00000000000000000000000001000000:0052 0:0 0A\n   \
             2: 0000000000000000FFFF00000100007F:0053 0:0 0A\n"
        );
        assert_eq!(listeners(&table).collect::<Vec<_>>(), [81]);
    }

    #[test]
    fn the_kernel_agrees() {
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(
            silent(&[port], [std::process::id()].into_iter(), true),
            Vec::<u16>::new()
        );
        drop(listener);
        assert_eq!(silent(&[port], [std::process::id()].into_iter(), true), [port]);
    }
}
