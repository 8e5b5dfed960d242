//! Who is at the other end of a loopback TCP connection.
//!
//! The kernel lists every socket with its owner in `/proc/net/tcp`. There is one trap: a socket whose process has
//! closed it already is listed as root's, with inode 0. So whoever writes a request and closes at once would pass for
//! root. Only sockets with an inode, in a state in which somebody still holds them, count.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The states of a socket that somebody still holds: ESTABLISHED, FIN_WAIT1 and FIN_WAIT2 (it will write no more),
/// CLOSE_WAIT (we will write no more). See `include/net/tcp_states.h` of the kernel.
const HELD: [u8; 4] = [0x01, 0x04, 0x05, 0x08];

/// The owner of the client's socket of the connection `client` to `server`; `None` when nobody holds it any more.
///
/// # Errors
/// The kernel's, when its list cannot be read.
pub fn owner(client: SocketAddr, server: SocketAddr) -> io::Result<Option<u32>> {
    if client.is_ipv4()
        && let Some(uid) = search("/proc/net/tcp", &row_start(client, server))?
    {
        return Ok(Some(uid));
    }
    // Also where an IPv6 socket speaks to an IPv4 address.
    search("/proc/net/tcp6", &row_start(mapped(client), mapped(server)))
}

/// The same address as IPv6.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Finds the one row that begins with `start`, and reads its owner.
fn search(list: &str, start: &str) -> io::Result<Option<u32>> {
    let file = match File::open(list) {
        // A kernel without IPv6 has no such list.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut reader = BufReader::with_capacity(16 * 1024, file);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        if let Some((_number, row)) = line.split_once(": ")
            && let Some(rest) = row.strip_prefix(start)
        {
            return Ok(holder(rest));
        }
        line.clear();
    }
    Ok(None)
}

/// `LOCAL REMOTE ` as the kernel writes them.
fn row_start(local: SocketAddr, remote: SocketAddr) -> String {
    format!("{} {} ", kernel_text(local), kernel_text(remote))
}

/// An address as in `/proc/net/tcp`: each 32-bit word in the machine's own byte order.
fn kernel_text(address: SocketAddr) -> String {
    let words = |octets: &[u8]| -> String {
        let words = octets.chunks_exact(4).map(|word| word.try_into().map_or(0, u32::from_ne_bytes));
        words.map(|word| format!("{word:08X}")).collect()
    };
    let text = match address.ip() {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&Ipv6Addr::octets(&ip)),
    };
    format!("{text}:{:04X}", address.port())
}

/// The owner in the rest of a row: `st tx:rx tr:when retrnsmt uid timeout inode`.
fn holder(rest: &str) -> Option<u32> {
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(7).collect();
    let [state, _queues, _timer, _retransmits, uid, _timeout, inode] = fields[..] else { return None };
    let held = HELD.contains(&u8::from_str_radix(state, 16).ok()?) && inode.parse::<u64>().ok()? != 0;
    if held { uid.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_held_socket_shows_its_owner_and_an_orphan_does_not() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let local = server.local_addr().unwrap();
            let uid = rustix::process::geteuid().as_raw();
            assert_eq!(owner(peer, local).unwrap(), Some(uid), "{address}");
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(owner(peer, local).unwrap(), Some(uid), "{address}, half closed");
            drop(client);
            assert_eq!(owner(peer, local).unwrap(), None, "{address}, closed");
        }
    }

    #[test]
    fn rows_without_a_holder_are_nobodys() {
        let cases = [
            ("01 00000000:00000000 00:00000000 00000000 65534 0 4711 1 0", Some(65534)),
            ("01 00000000:00000000 00:00000000 00000000     0 0 4711 1 0", Some(0)),
            ("01 00000000:00000000 00:00000000 00000000     0 0 0 1 0", None),
            ("06 00000000:00000000 00:00000000 00000000     0 0 4711 1 0", None),
            ("05 00000000:00000000 00:00000000 00000000     0 0 0 1 0", None),
            ("01 00000000:00000000", None),
            ("", None),
        ];
        for (rest, expected) in cases {
            assert_eq!(holder(rest), expected, "{rest}");
        }
    }
}
