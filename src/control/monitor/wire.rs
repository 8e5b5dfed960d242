//! What the daemon and the monitor say to each other, over a Unix socket of whole messages.
//!
//! The monitor greets. Then the daemon sends one request: a launch, with descriptors, to which the monitor replies that the
//! runtime was started, and later how it ended; or that the output of a container is to be read. One connection per request.

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
use crate::control::output::bounded_log::{Bound, LogTarget};

/// The version of all this, which the socket's name stands for as well.
pub(crate) const VERSION: u32 = 3;
/// The largest message, in bytes: some paths, and the runtime's options.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The most descriptors with a request.
const MAX_DESCRIPTORS: usize = 64;

/// What the daemon asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A runtime is to be run.
    Launch(LaunchRequest),
    /// The output of the container that has this directory is to be read, if no other process does.
    Read(PathBuf, LogTarget),
}

/// A runtime to run. With it come the descriptor for its output, and those that it inherits as 3, 4, and so on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LaunchRequest {
    /// The container's directory, where the note goes, and where the pipe lies if its output is one.
    pub(crate) dir: PathBuf,
    /// Where the runtime writes the number of the container's first process.
    pub(crate) pid_file: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Where what is read from the pipe goes.
    pub(crate) target: Option<LogTarget>,
}

/// What the monitor says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It takes a request, and stays for it. Its process id.
    Ready(i32),
    /// Whether it reads: another process may, or there may be nothing to read any more.
    Reads(bool),
    /// The runtime has this process id.
    Started(i32),
    /// The runtime cannot be run: the error's number, 0 for another kind.
    Failed(i32),
    /// The runtime has ended. If the container has ended by now as well, the note is there.
    Ended(ExitStatus),
}

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (dir, target) = match self {
            Self::Launch(launch) => (&launch.dir, launch.target.as_ref()),
            Self::Read(dir, target) => (dir, Some(target)),
        };
        let (bound, limit) = match target.map(|target| target.bound) {
            Some(Bound::TwoFiles(limit)) => ("two", limit),
            Some(Bound::OneFile(limit)) => ("one", limit),
            Some(Bound::Unlimited) => ("unlimited", 0),
            None => ("", 0),
        };
        let path = target.map_or(OsStr::new(""), |target| target.path.as_os_str());
        let limit = limit.to_string();
        let mut words = vec![dir.as_os_str(), OsStr::new(bound), OsStr::new(&limit), path];
        if let Self::Launch(launch) = self {
            words.extend([launch.pid_file.as_os_str(), launch.program.as_os_str()]);
            words.extend(launch.args.iter().map(OsString::as_os_str));
        }
        words.into_iter().map(OsStr::as_bytes).collect::<Vec<_>>().join(&0)
    }

    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let mut words = message.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        let mut word = || words.next();
        let dir = PathBuf::from(word()?);
        let (bound, limit, path) = (word()?, word()?.to_str()?.parse().ok()?, PathBuf::from(word()?));
        let bound = match bound.to_str()? {
            "two" => Some(Bound::TwoFiles(limit)),
            "one" => Some(Bound::OneFile(limit)),
            "unlimited" => Some(Bound::Unlimited),
            _ => None,
        };
        let target = bound.map(|bound| LogTarget { path, bound });
        let Some(pid_file) = word().map(PathBuf::from) else { return Some(Self::Read(dir, target?)) };
        let program = PathBuf::from(word()?);
        Some(Self::Launch(LaunchRequest { dir, pid_file, program, args: words.collect(), target }))
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
        let bounds = [Bound::TwoFiles(1), Bound::OneFile(u64::MAX), Bound::Unlimited];
        let targets = bounds.map(|bound| LogTarget { path: odd.clone().into(), bound });
        let same = |request: Request| assert_eq!(Request::decode(&request.encode()), Some(request));
        for target in targets.iter().cloned().map(Some).chain([None]) {
            for args in [vec![], vec!["run".into(), OsString::new(), odd.clone()]] {
                let (dir, program, target) = ("/run/c".into(), "/usr/bin/crun".into(), target.clone());
                let pid_file = "/run/c/container.pid".into();
                same(Request::Launch(LaunchRequest { dir, pid_file, program, args, target }));
            }
        }
        targets.into_iter().for_each(|target| same(Request::Read("/run/c".into(), target)));
        for damaged in
            [&b"/run/c\0two\0x\0/log"[..], b"/run/c\0\x300\0", b"/run/c\0\x000\0\0/run/c/pid", b"/run/c"]
        {
            assert_eq!(Request::decode(damaged), None);
        }
    }
}
