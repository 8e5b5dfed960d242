//! The journal as the place of a container's output: a stream that systemd-journald reads line by line.
//!
//! It is the protocol of sd_journal_stream_fd(3): a few lines that say whose the output is, and then the output. The
//! container writes to journald itself, so that it does not depend on the daemon.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType};

use crate::control::model::id::ContainerId;
use crate::error::{Result, Tried};

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/stdout";
/// The priorities of syslog(3), the most urgent first.
const PRIORITIES: [&str; 8] =
    ["LOG_EMERG", "LOG_ALERT", "LOG_CRIT", "LOG_ERR", "LOG_WARNING", "LOG_NOTICE", "LOG_INFO", "LOG_DEBUG"];
/// The priority of lines when none is given.
const INFO: usize = 6;

/// Whether there is a journal.
pub(crate) fn exists() -> bool {
    Path::new(SOCKET).exists()
}

/// The number of a priority such as `LOG_ERR`; that of information for an unknown one.
pub(crate) fn priority(name: Option<&str>) -> usize {
    name.and_then(|name| PRIORITIES.iter().position(|known| *known == name)).unwrap_or(INFO)
}

/// A stream of lines under the container's name.
///
/// # Errors
/// The kernel's, also when journald is too busy to answer.
pub(crate) fn stream(id: &ContainerId, priority: usize) -> Result<OwnedFd> {
    let what = || format!("cannot write to the journal by {SOCKET}");
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).tried(what)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(SOCKET).tried(what)?).tried(what)?;
    rustix::net::shutdown(&socket, Shutdown::Read).tried(what)?;
    // Name, unit, priority; whether lines bring their own priority; whether to forward to syslog, kmsg, the console.
    let header = format!("{id}\n\n{priority}\n0\n0\n0\n0\n");
    let sent = rustix::io::write(&socket, header.as_bytes()).tried(what)?;
    if sent != header.len() {
        return Err(rustix::io::Errno::AGAIN).tried(what);
    }
    rustix::fs::fcntl_setfl(&socket, OFlags::empty()).tried(what)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_those_of_syslog() {
        assert_eq!([None, Some("LOG_ERR"), Some("LOG_DEBUG"), Some("loud")].map(priority), [6, 3, 7, 6]);
    }
}
