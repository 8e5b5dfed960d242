//! What the daemon and the monitor say to each other, over a Unix socket of whole messages.
//!
//! The monitor greets. Then the daemon sends one request with descriptors, and the monitor replies that the runtime was
//! started, and later how it ended. One connection per launch.

use std::ffi::{OsStr, OsString};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::control::model::state::ExitStatus;

/// The version of all this, which the socket's name stands for as well.
pub(crate) const VERSION: u32 = 1;
/// The largest message, in bytes: some paths, and the runtime's options.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The most descriptors with a request.
const MAX_DESCRIPTORS: usize = 64;

/// A runtime to run. With it come the descriptor for its output, and those that it inherits as 3, 4, and so on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The container's directory, where the note goes.
    pub(crate) dir: PathBuf,
    /// Where the runtime writes the number of the container's first process.
    pub(crate) pid_file: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
}

/// What the monitor says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It takes a request, and stays for it.
    Ready,
    /// The runtime has this process id.
    Started(i32),
    /// The runtime cannot be run: the error's number, 0 for another kind.
    Failed(i32),
    /// The runtime has ended. If the container has ended by now as well, the note is there.
    Ended(ExitStatus),
}

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let head = [self.dir.as_os_str(), self.pid_file.as_os_str(), self.program.as_os_str()];
        let words = head.into_iter().chain(self.args.iter().map(OsString::as_os_str));
        words.map(OsStr::as_bytes).collect::<Vec<_>>().join(&0)
    }

    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let mut words = message.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        let mut path = || words.next().map(PathBuf::from);
        let (dir, pid_file, program) = (path()?, path()?, path()?);
        Some(Self { dir, pid_file, program, args: words.collect() })
    }
}

/// Sends a message with descriptors.
///
/// # Errors
/// The kernel's; `EMSGSIZE` for one that is too large.
pub(crate) fn send(socket: impl AsFd, message: &[u8], fds: &[OwnedFd]) -> rustix::io::Result<()> {
    if message.len() > MAX_MESSAGE_BYTES || fds.len() > MAX_DESCRIPTORS {
        return Err(Errno::MSGSIZE);
    }
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::MSGSIZE);
    }
    sendmsg(socket, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

/// Sends what the monitor has to say. A client that has gone away does not need it.
pub(crate) fn reply(socket: impl AsFd, reply: &Reply) {
    let message = serde_json::to_vec(reply).unwrap_or_default();
    let _client_gone = send(socket, &message, &[]);
}

/// Receives a message with its descriptors; an empty one is the end.
///
/// # Errors
/// The kernel's; `EMSGSIZE` for one that was cut.
pub(crate) fn receive(socket: impl AsFd) -> rustix::io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut message = vec![0; MAX_MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut message)], &mut ancillary, flags)?;
    let mut fds = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE);
    }
    message.truncate(received.bytes);
    Ok((message, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        let odd = OsString::from_vec(vec![0xff, b' ', b'"']);
        for args in [vec![], vec!["run".into(), OsString::new(), odd]] {
            let (dir, program) = ("/run/c".into(), "/usr/bin/crun".into());
            let request = Request { dir, pid_file: "/run/c/container.pid".into(), program, args };
            assert_eq!(Request::decode(&request.encode()).as_ref(), Some(&request));
        }
        assert_eq!(Request::decode(b"/run/c\0/run/c/pid"), None);
    }
}
