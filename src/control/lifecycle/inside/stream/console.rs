//! The terminal of a command: the runtime makes it inside the container, and hands its other end over through a socket
//! (`--console-socket`).

use std::fs::File;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::control::container::Container;
use crate::control::model::stream::WindowSize;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::sys::wait_readable;

/// The most bytes that come with a terminal: its path.
const MAX_NAME: usize = 4096;
/// The device of the end that is handed over: `/dev/ptmx`, pts(4).
const PTMX: (u32, u32) = (5, 2);

/// The socket through which a terminal comes.
#[derive(Debug)]
pub(crate) struct ConsoleSocket {
    listener: UnixListener,
    /// Keeps the path good, which leads over it: a path of a directory may be too long for a socket.
    _dir: File,
    path: PathBuf,
    container: Arc<Container>,
    name: String,
}

impl ConsoleSocket {
    /// Makes the socket `name` in a container's directory; it is removed with this.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn bind(container: &Arc<Container>, name: String) -> Result<Self> {
        let what = || format!("cannot make {}", container.dir.file(&name).display());
        let held = File::open(container.dir.path()).tried(what)?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}/{name}", std::process::id(), held.as_raw_fd()));
        let listener = UnixListener::bind(&path).tried(what)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).tried(what)?;
        listener.set_nonblocking(true).tried(what)?;
        Ok(Self { listener, _dir: held, path, container: Arc::clone(container), name })
    }

    /// Its path, for the runtime.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the terminal, and gives its window the size.
    ///
    /// # Errors
    /// What came is not a terminal; the kernel's.
    pub(crate) async fn terminal(&self, size: WindowSize) -> Result<OwnedFd> {
        let what = || "cannot get the terminal from the runtime";
        let listener = self.listener.try_clone().tried(what)?;
        let listener = wait_readable(listener.into()).tried(what)?;
        let stream = loop {
            let mut ready = listener.readable().await.tried(what)?;
            if let Ok(accepted) = ready.try_io(|_| self.listener.accept()) {
                break accepted.tried(what)?.0;
            }
        };
        let stream = wait_readable(stream.into()).tried(what)?;
        let terminal = loop {
            let mut ready = stream.readable().await.tried(what)?;
            if let Ok(received) = ready.try_io(|stream| Ok(receive(stream.get_ref())?)) {
                break received.tried(what)?;
            }
        };
        let terminal = terminal.ok_or_else(|| Error::new(ErrorKind::System, what()))?;
        check(&terminal)?;
        rustix::io::ioctl_fionbio(&terminal, true).tried(what)?;
        resize(&terminal, size);
        Ok(terminal)
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        self.container.dir.discard(&self.name);
    }
}

/// Gives a terminal's window a size. A terminal that is not used any more needs none.
pub(crate) fn resize(terminal: &OwnedFd, size: WindowSize) {
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
