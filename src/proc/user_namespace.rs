//! Whether this process is root of the host: `/proc/self/uid_map` (user_namespaces(7)).

use crate::error::{Error, ErrorKind, Result};

const MAP: &str = "/proc/self/uid_map";

/// Checks that a file system can be mounted. Only root of the host can mount ext4: the kernel refuses it to the root of a
/// user namespace, which rootless engines run in.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for everybody else.
pub fn check_root() -> Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    // What cannot be read forbids nothing: the mount will tell.
    let is_initial = !is_root || crate::proc::read(MAP).map_or(true, |map| is_whole(&map));
    if is_root && is_initial {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "rootless engines cannot mount ext4, so they have no minidumps")
        .advise("run the container as root of the host (the book, 'Rootless', says what else there is)"))
}

/// Whether a map is that of the host: every id is itself.
fn is_whole(map: &[u8]) -> bool {
    let mut fields = map.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    [&b"0"[..], b"0", b"4294967295"].iter().all(|wanted| fields.next() == Some(wanted))
        && fields.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_map_of_the_host_is_whole() {
        assert!(is_whole(b"         0          0 4294967295\n"));
        for map in [
            &b""[..],
            b"         0       1000          1\n",
            b"         0          0      65536\n",
            b"         0          0 4294967295\n 1 1 1\n",
        ] {
            assert!(!is_whole(map));
        }
    }
}
