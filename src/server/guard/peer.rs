//! Who is at the other end of a loopback TCP connection.
//!
//! The kernel reports the owner of every socket. There is one trap: one whose process has closed it already is reported as
//! root's, with inode 0. So a client that writes a request and closes at once would pass for
//! root. Only sockets with an inode, in a state in which a process still holds them, count.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::server::guard::diag;

/// The states of a socket that a process still holds: ESTABLISHED, FIN_WAIT1 and FIN_WAIT2 (it will write no more),
/// CLOSE_WAIT (we will write no more). See `include/net/tcp_states.h` of the kernel.
const HELD: [u8; 4] = [0x01, 0x04, 0x05, 0x08];

/// The owner of the client's socket of the connection `client` to `server`; `None` when no process holds it any more.
///
/// # Errors
/// The kernel's, when neither way to ask works.
pub fn owner(client: SocketAddr, server: SocketAddr) -> io::Result<Option<u32>> {
    match diag::find(client, server) {
        Ok(found) => {
            Ok(found.filter(|found| is_held(found.state, found.inode.into())).map(|found| found.uid))
        }
        // A kernel without sock_diag still has its lists.
        Err(_) => listed_owner(client, server),
    }
}

/// The same from the kernel's lists of all sockets, which takes the longer the more there are.
fn listed_owner(client: SocketAddr, server: SocketAddr) -> io::Result<Option<u32>> {
    if client.is_ipv4()
        && let Some(uid) = search("/proc/net/tcp", &row_start(client, server))?
    {
        return Ok(Some(uid));
    }
    // Also where an IPv6 socket speaks to an IPv4 address.
    search("/proc/net/tcp6", &row_start(mapped(client), mapped(server)))
}

/// Whether some process holds a socket of that state and inode.
fn is_held(state: u8, inode: u64) -> bool {
    HELD.contains(&state) && inode != 0
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
    let held = is_held(u8::from_str_radix(state, 16).ok()?, inode.parse().ok()?);
    if held { uid.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_held_socket_shows_its_owner_and_an_orphan_does_not() {
        let by_diag = |client, server| {
            let found = diag::find(client, server).unwrap();
            found.filter(|found| is_held(found.state, found.inode.into())).map(|found| found.uid)
        };
        let by_list = |client, server| listed_owner(client, server).unwrap();
        let ways: [&dyn Fn(SocketAddr, SocketAddr) -> Option<u32>; 2] = [&by_diag, &by_list];
        let uid = rustix::process::geteuid().as_raw();
        // The last is an IPv6 socket that speaks IPv4.
        for (listen, connect) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")]
        {
            for ask in ways {
                let ip = |text: &str| text.parse::<IpAddr>().unwrap();
                let listener = TcpListener::bind((ip(listen), 0)).unwrap();
                let port = listener.local_addr().unwrap().port();
                let client = TcpStream::connect((ip(connect), port)).unwrap();
                let (server, peer) = listener.accept().unwrap();
                let local = server.local_addr().unwrap();
                assert_eq!(ask(peer, local), Some(uid), "{connect}");
                assert_eq!(owner(peer, local).unwrap(), Some(uid), "{connect}");
                client.shutdown(std::net::Shutdown::Write).unwrap();
                assert_eq!(ask(peer, local), Some(uid), "{connect}, half closed");
                drop(client);
                // Another test that starts a process right now has a copy of the socket for a moment.
                let closed = (0..1000).any(|_| {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    ask(peer, local).is_none()
                });
                assert!(closed, "{connect}, closed");
                assert_eq!(owner(peer, local).unwrap(), None, "{connect}, closed");
            }
        }
    }

    #[test]
    fn rows_without_a_holder_have_no_owner() {
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
