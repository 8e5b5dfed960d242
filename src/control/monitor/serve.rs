//! The monitor's loop. It sleeps until a child ends or a daemon calls.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use crate::control::monitor::children::Children;
use crate::control::monitor::wire::{self, Reply, Request};
use crate::error::{Error, ErrorKind, Result, Tried};

/// The first argument of the program that becomes a monitor.
pub const ARGUMENT: &str = "+monitor";
/// The descriptor of the socket that a monitor inherits: its standard input.
const LISTENER: i32 = 0;
/// How long a monitor waits for the daemon that started it.
const FIRST_CALL: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// How long until something is tried again that the kernel had no room for: a note, a connection.
const RETRY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// The most clients at a time that have not sent their request.
const MAX_CLIENTS: usize = 32;

/// Keeps containers until there are none: what a program does whose first argument is [`ARGUMENT`].
///
/// # Errors
/// It was not started by a daemon; the kernel's.
pub fn run_monitor() -> Result<()> {
    let usage = || Error::new(ErrorKind::Usage, format!("{ARGUMENT} is what the daemon calls itself"));
    let listener = crate::sys::exits::inherited(LISTENER).map_err(|error| usage().caused_by(error))?;
    if rustix::net::sockopt::socket_acceptconn(&listener) != Ok(true) {
        return Err(usage());
    }
    std::env::set_current_dir("/").tried(|| "cannot enter /")?;
    // What systemd handed to the daemon must not stay open here. Before Linux 5.9 it does.
    let _unsupported = crate::sys::close_from(3);
    // What must not end with the daemon's terminal or service. A leader of a group has no need of it.
    let _session = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).tried(|| "cannot adopt orphans")?;
    let mut signals = SigSet::empty();
    // The others are to wait for ever: a service manager that ends all processes of a service still learns how containers ended.
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().tried(|| "cannot block signals")?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let signals = SignalFd::with_flags(&signals, flags).tried(|| "cannot wait for signals")?;
    Monitor { listener, signals, clients: Vec::new(), children: Children::default() }.run();
    Ok(())
}

struct Monitor {
    listener: OwnedFd,
    signals: SignalFd,
    /// Those that have not sent their request.
    clients: Vec<OwnedFd>,
    children: Children,
}

impl Monitor {
    fn run(mut self) {
        let mut timeout = Some(FIRST_CALL);
        let mut is_full = false;
        loop {
            let ready = self.wait(timeout.as_ref(), is_full);
            while let Ok(Some(_)) = self.signals.read_signal() {}
            is_full = ready.first() == Some(&true) && !self.accept();
            let readers = self.children.readers.all().len();
            self.children.readers.read(|at| ready.get(at + 2) == Some(&true));
            self.children.take_terminals();
            for at in (0..self.clients.len()).rev().filter(|at| ready.get(at + 2 + readers) == Some(&true)) {
                self.hear(at);
            }
            // Whatever comes with the last child's end is seen: no client, no child, no more to do.
            let has_children = self.children.reap();
            let is_late = self.children.write_rest();
            if !has_children && !is_late && self.clients.is_empty() && self.children.readers.is_empty() {
                return;
            }
            let has_hung_up = self.children.readers.has_hung_up();
            timeout = (is_full || is_late || has_hung_up).then_some(RETRY);
        }
    }

    /// Which descriptors have something to read: the listener, the signals, each container's output, each client, each
    /// terminal that is to come. None after the timeout.
    fn wait(&self, timeout: Option<&Timespec>, has_failed: bool) -> Vec<bool> {
        let fds = [self.listener.as_fd(), self.signals.as_fd()];
        // One that has hung up would be ready all the time; the signals stand in for it.
        let outputs = self.children.readers.all().iter().map(|reader| match reader.is_hung_up() {
            true => self.signals.as_fd(),
            false => reader.as_fd(),
        });
        let fds = fds.into_iter().chain(outputs).chain(self.clients.iter().map(AsFd::as_fd));
        let fds = fds.chain(self.children.consoles());
        // With as many clients as there may be, more wait; also for a while after one could not be accepted.
        let is_full = has_failed || self.clients.len() >= MAX_CLIENTS;
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        if is_full && let Some(listener) = fds.first_mut() {
            *listener = PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::empty());
        }
        match poll(&mut fds, timeout) {
            Ok(1..) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
            _ => Vec::new(),
        }
    }

    /// Takes a client of our own user; false when all places are taken.
    fn accept(&mut self) -> bool {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let client = match rustix::net::accept_with(&self.listener, flags) {
            Ok(client) => client,
            Err(error) => return matches!(error, Errno::INTR | Errno::AGAIN | Errno::CONNABORTED),
        };
        let us = rustix::process::geteuid();
        if rustix::net::sockopt::socket_peercred(&client).is_ok_and(|peer| peer.uid == us) {
            wire::reply(&client, &Reply::Ready(std::process::id().cast_signed()));
            self.clients.push(client);
        }
        true
    }

    /// Reads what a client has to say: its request, or that it is gone.
    fn hear(&mut self, at: usize) {
        let client = self.clients.swap_remove(at);
        match wire::receive(&client) {
            Ok((message, fds)) if !message.is_empty() => match Request::decode(&message) {
                Some(Request::Launch(request)) => self.children.launch(client, request, fds),
                Some(Request::Read(dir, target)) => self.children.read_output(&client, &dir, target),
                Some(Request::ReadTerminal(dir, target)) => {
                    self.children.read_terminal(&client, (&dir, target), fds);
                }
                Some(Request::Input(dir)) => self.children.give_input(&client, &dir),
                Some(Request::Close(dir)) => self.children.close_input(&client, &dir),
                None => wire::reply(&client, &Reply::Failed(Errno::BADMSG.raw_os_error())),
            },
            Err(Errno::AGAIN | Errno::INTR) => self.clients.push(client),
            Ok(_) | Err(_) => {}
        }
    }
}
