//! What the daemon and the monitor say to each other, over a Unix socket of whole messages.
//!
//! The monitor greets. Then the daemon sends one request: a launch, with descriptors, to which the monitor replies that the
//! runtime was started, with the way to the container's input, and later how it ended; or another one, with one reply. One
//! connection per request.
//!
//! The name of a monitor's socket stands for the version, and a daemon has another monitor launch nothing. It does ask
//! monitors of any version for the input of a container that it has adopted: [`Request::Input`] and [`Request::Close`] stay as
//! they are for ever. Up to version 3 there was no input, and these are not understood.

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

use crate::control::model::request::Stdin;
use crate::control::model::state::ExitStatus;
use crate::control::output::bounded_log::{Bound, LogTarget};

/// The version of all this, which the socket's name stands for as well.
pub(crate) const VERSION: u32 = 5;
/// The word that says that the program comes along.
const OPENED: &str = "opened";
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
    /// The terminal of the container that has this directory is to be read, and kept. It comes along.
    ReadTerminal(PathBuf, Option<LogTarget>),
    /// The way to the input of the container that has this directory is asked for.
    Input(PathBuf),
    /// The container's input has ended, if it is a pipe.
    Close(PathBuf),
}

/// A runtime to run. With it come the descriptor for its output, its program if that is open, and the descriptors that it
/// inherits as 3, 4, and so on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LaunchRequest {
    /// The container's directory, where the note goes, and where the pipe lies if its output is one.
    pub(crate) dir: PathBuf,
    /// Where the runtime writes the number of the container's first process.
    pub(crate) pid_file: PathBuf,
    pub(crate) program: PathBuf,
    /// Whether the program comes along, open.
    pub(crate) is_opened: bool,
    /// Its arguments, with `--` before the container's id.
    pub(crate) args: Vec<OsString>,
    /// What the container has as its standard input.
    pub(crate) stdin: Stdin,
    /// Where what is read from the pipe goes.
    pub(crate) target: Option<LogTarget>,
}

/// What the monitor says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It takes a request, and stays for it. Its process id.
    Ready(i32),
    /// The way to a container's input, which comes along; if it is a terminal, that is its output as well.
    Input(Stdin),
    /// The input is closed, if this monitor had it.
    Closed,
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
        let mut words: Vec<&OsStr> = vec![self.verb().as_ref()];
        let limit;
        match self {
            Self::Launch(LaunchRequest { dir, pid_file, program, is_opened, args, stdin, target }) => {
                limit = limit_of(target.as_ref());
                words.extend([dir.as_os_str(), stdin_word(*stdin).as_ref()]);
                words.extend(target_words(target.as_ref(), &limit));
                let opened = if *is_opened { OPENED } else { "" };
                words.extend([pid_file.as_os_str(), program.as_os_str(), opened.as_ref()]);
                words.extend(args.iter().map(OsString::as_os_str));
            }
            Self::Read(dir, target) => {
                limit = limit_of(Some(target));
                words.push(dir.as_os_str());
                words.extend(target_words(Some(target), &limit));
            }
            Self::ReadTerminal(dir, target) => {
                limit = limit_of(target.as_ref());
                words.push(dir.as_os_str());
                words.extend(target_words(target.as_ref(), &limit));
            }
            Self::Input(dir) | Self::Close(dir) => words.push(dir.as_os_str()),
        }
        words.into_iter().map(OsStr::as_bytes).collect::<Vec<_>>().join(&0)
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Launch(_) => "launch",
            Self::Read(..) => "read",
            Self::ReadTerminal(..) => "read-terminal",
            Self::Input(_) => "input",
            Self::Close(_) => "close",
        }
    }

    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let words = message.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        let mut words = words.collect::<Vec<_>>().into_iter();
        let (verb, dir) = (words.next()?, PathBuf::from(words.next()?));
        let request = match verb.to_str()? {
            "launch" => {
                let stdin = stdin_of(&words.next()?)?;
                let target = target_of(&mut words)?;
                let (pid_file, program) = (PathBuf::from(words.next()?), PathBuf::from(words.next()?));
                let opened = words.next()?;
                let is_opened = opened == OPENED;
                if !is_opened && !opened.is_empty() {
                    return None;
                }
                let args = words.by_ref().collect();
                Self::Launch(LaunchRequest { dir, pid_file, program, is_opened, args, stdin, target })
            }
            "read" => Self::Read(dir, target_of(&mut words)??),
            "read-terminal" => Self::ReadTerminal(dir, target_of(&mut words)?),
            "input" => Self::Input(dir),
            "close" => Self::Close(dir),
            _ => return None,
        };
        words.next().is_none().then_some(request)
    }
}

fn stdin_word(stdin: Stdin) -> &'static str {
    match stdin {
        Stdin::Null => "null",
        Stdin::Pipe => "pipe",
        Stdin::Terminal => "terminal",
    }
}

fn stdin_of(word: &OsStr) -> Option<Stdin> {
    [Stdin::Null, Stdin::Pipe, Stdin::Terminal].into_iter().find(|stdin| stdin_word(*stdin) == word)
}

fn limit_of(target: Option<&LogTarget>) -> String {
    let limit = match target.map(|target| target.bound) {
        Some(Bound::TwoFiles(limit) | Bound::OneFile(limit)) => limit,
        Some(Bound::Unlimited) | None => 0,
    };
    limit.to_string()
}

fn target_words<'a>(target: Option<&'a LogTarget>, limit: &'a str) -> [&'a OsStr; 3] {
    let bound = match target.map(|target| target.bound) {
        Some(Bound::TwoFiles(_)) => "two",
        Some(Bound::OneFile(_)) => "one",
        Some(Bound::Unlimited) => "unlimited",
        None => "",
    };
    [bound.as_ref(), limit.as_ref(), target.map_or(OsStr::new(""), |target| target.path.as_os_str())]
}

/// A log, or none; `None` for neither.
fn target_of(words: &mut impl Iterator<Item = OsString>) -> Option<Option<LogTarget>> {
    let (bound, limit, path) = (words.next()?, words.next()?, PathBuf::from(words.next()?));
    let limit = limit.to_str()?.parse().ok()?;
    let bound = match bound.to_str()? {
        "two" => Bound::TwoFiles(limit),
        "one" => Bound::OneFile(limit),
        "unlimited" => Bound::Unlimited,
        "" => return Some(None),
        _ => return None,
    };
    Some(Some(LogTarget { path, bound }))
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
    reply_with(socket, reply, &[]);
}

/// The same with descriptors.
pub(crate) fn reply_with(socket: impl AsFd, reply: &Reply, fds: &[OwnedFd]) {
    let message = serde_json::to_vec(reply).unwrap_or_default();
    let _client_gone = send(socket, &message, fds);
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
                let (pid_file, stdin) = ("/run/c/container.pid".into(), Stdin::Terminal);
                let is_opened = !args.is_empty();
                same(Request::Launch(LaunchRequest {
                    dir,
                    pid_file,
                    program,
                    is_opened,
                    args,
                    stdin,
                    target,
                }));
            }
            same(Request::ReadTerminal("/run/c".into(), target));
        }
        targets.into_iter().for_each(|target| same(Request::Read("/run/c".into(), target)));
        same(Request::Input(odd.clone().into()));
        same(Request::Close(odd.into()));
        for damaged in [
            &b"read\0/run/c\0two\0x\0/log"[..],
            b"read\0/run/c\0\x300\0",
            b"read\0/run/c\0\x30\0",
            b"launch\0/run/c\0file\0\x30\0\0/run/c/pid\0crun",
            b"launch\0/run/c\0null\0\x000\0\0/run/c/pid",
            b"input\0/run/c\0more",
            b"input",
            b"/run/c",
        ] {
            assert_eq!(Request::decode(damaged), None, "{damaged:?}");
        }
        let kinds = [Stdin::Null, Stdin::Pipe, Stdin::Terminal];
        assert!(kinds.iter().all(|kind| stdin_of(stdin_word(*kind).as_ref()) == Some(*kind)));
    }

    /// What monitors of version 3, which may still run, expected: the directory, a word, a number.
    #[test]
    fn an_older_monitor_takes_a_question_for_the_input_for_nothing_it_knows() {
        for request in [Request::Input("/run/c".into()), Request::Close("/run/c".into())] {
            assert!(request.encode().split(|byte| *byte == 0).count() < 3);
        }
    }
}
