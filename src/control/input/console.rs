//! The terminal of a program in a container: the runtime makes it inside the container, and hands its other end, the master,
//! over through a socket (`--console-socket`).

use std::fs::File;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};

use crate::control::model::request::WindowSize;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The most bytes that come with a terminal: its path.
const MAX_NAME: usize = 4096;
/// The device of the end that is handed over: `/dev/ptmx`, pts(4).
const PTMX: (u32, u32) = (5, 2);

/// The socket through which one terminal comes. Nothing in here waits.
#[derive(Debug)]
pub(crate) struct ConsoleSocket {
    listener: UnixListener,
    /// The runtime, once it has called.
    caller: Option<OwnedFd>,
    /// Keeps the path good, which leads over it: a path of a directory may be too long for a socket.
    _dir: File,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Makes the socket `name` in a container's directory; it is removed with this.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn bind(dir: &Path, name: &str) -> Result<Self> {
        let what = || format!("cannot make {}", dir.join(name).display());
        let held = File::open(dir).tried(what)?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}/{name}", std::process::id(), held.as_raw_fd()));
        let _left_by_one_that_was_killed = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).tried(what)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).tried(what)?;
        listener.set_nonblocking(true).tried(what)?;
        Ok(Self { listener, caller: None, _dir: held, path })
    }

    /// Its path, for the runtime, as long as this process has the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the runtime's call, and then the terminal, which does not block; `None` when it has not come yet.
    ///
    /// # Errors
    /// [`ErrorKind::Attack`] for what is not a terminal; the kernel's.
    pub(crate) fn take(&mut self) -> Result<Option<OwnedFd>> {
        let what = || "cannot get the terminal from the runtime";
        if self.caller.is_none() {
            let Some(caller) = waited(self.listener.accept()).tried(what)? else { return Ok(None) };
            let caller: OwnedFd = caller.0.into();
            // No other user has a way to the socket; one that has is not the runtime.
            let peer = rustix::net::sockopt::socket_peercred(&caller).tried(what)?;
            if peer.uid != rustix::process::geteuid() {
                return Err(Error::new(ErrorKind::Attack, what()).caused_by("another user called"));
            }
            self.caller = Some(caller);
        }
        let Some(caller) = &self.caller else { return Ok(None) };
        let Some(came) = waited(receive(caller).map_err(std::io::Error::from)).tried(what)? else {
            return Ok(None);
        };
        let terminal = came.ok_or_else(|| Error::new(ErrorKind::System, what()))?;
        check(&terminal)?;
        rustix::io::ioctl_fionbio(&terminal, true).tried(what)?;
        Ok(Some(terminal))
    }
}

impl AsFd for ConsoleSocket {
    /// What is readable when there is something to take.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.caller.as_ref().map_or_else(|| self.listener.as_fd(), AsFd::as_fd)
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        // The directory goes, too, when the container has.
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// Nothing, for what would have had to be waited for.
fn waited<T>(tried: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match tried {
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::AGAIN | Errno::INTR)) => Ok(None),
        other => other.map(Some),
    }
}

/// Has the program at a terminal draw its screen again: the same size would not make it do so, and another goes before.
pub(crate) fn redraw(terminal: impl AsFd, size: WindowSize) {
    if tcgetwinsize(&terminal).is_ok_and(|now| (now.ws_row, now.ws_col) == (size.rows, size.columns)) {
        resize(&terminal, WindowSize { rows: size.rows.saturating_add(1), ..size });
    }
    resize(&terminal, size);
}

/// Gives a terminal's window a size. A terminal that is not used any more needs none.
pub(crate) fn resize(terminal: impl AsFd, size: WindowSize) {
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    if let Err(error) = tcsetwinsize(terminal, size) {
        log::debug!("cannot resize a terminal: {error}");
    }
}

/// The first descriptor that comes; the rest is closed.
fn receive(stream: &OwnedFd) -> rustix::io::Result<Option<OwnedFd>> {
    let mut name = [0; MAX_NAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(stream, &mut [IoSliceMut::new(&mut name)], &mut ancillary, flags)?;
    let mut fds = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    Ok(fds.into_iter().next())
}

/// The runtime opened it in the container's file system, in which anything may have that name.
fn check(terminal: &OwnedFd) -> Result<()> {
    let stat = rustix::fs::fstat(terminal).tried(|| "cannot look at the terminal")?;
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    if FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && device == PTMX {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Attack, "what the container has as /dev/ptmx is not a terminal"))
}
