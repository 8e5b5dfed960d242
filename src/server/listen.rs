//! Where connections come from: sockets of systemd's or our own.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::fs::Mode;
use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{Shutdown, shutdown};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::server::daemon::Daemon;
use crate::server::daemon::ServerConfig;
use crate::server::guard::caller::{Channel, Peer};
use crate::server::guard::peer;
use crate::server::http;
use crate::server::limits;
use crate::server::limits::RateLimited;
use crate::server::stream::{Socket, Waiting};

/// The sockets the server listens on.
#[derive(Debug, Default)]
pub struct Listeners {
    /// TCP.
    pub tcp: Vec<TcpListener>,
    /// Unix.
    pub unix: Vec<UnixListener>,
    /// The Unix socket that we made and must remove.
    pub made: Option<Made>,
}

/// A socket file that is removed at the end.
#[derive(Debug)]
pub struct Made(PathBuf);

impl Drop for Made {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

impl Listeners {
    /// The sockets that systemd hands over, or else those of the settings.
    ///
    /// # Errors
    /// An address is in use, or a socket cannot be made, or one of systemd's cannot be used.
    pub fn open(config: &ServerConfig) -> Result<Self> {
        let mut handed = ListenFd::from_env();
        if handed.len() > 0 { Self::take(&mut handed, config) } else { Self::bind(config) }
    }

    fn take(handed: &mut ListenFd, config: &ServerConfig) -> Result<Self> {
        let mut listeners = Self::default();
        for index in 0..handed.len() {
            let what = || format!("cannot take socket {index} from systemd");
            if let Ok(Some(socket)) = handed.take_unix_listener(index) {
                listeners.unix.push(unix(socket).tried(what)?);
                continue;
            }
            let socket = handed.take_tcp_listener(index).tried(what)?;
            let socket = socket.ok_or_else(|| Error::new(ErrorKind::Config, what()))?;
            let address = socket.local_addr().tried(what)?;
            if config.listen.is_none() {
                // systemd keeps it open: without this, clients would wait for an answer.
                shutdown(&socket, Shutdown::Both).tried(|| format!("cannot close {address} of systemd's"))?;
                log::warn!("{address}, which systemd has handed over, is closed: no_tcp is set");
                continue;
            }
            if socket_acceptconn(&socket).tried(what)? {
                config.check_address(address)?;
            } else {
                let what =
                    format!("{address}, which systemd has handed over, is closed since no_tcp was set");
                return Err(
                    Error::new(ErrorKind::Config, what).advise("run 'systemctl restart ocicontainer.socket'")
                );
            }
            listeners.tcp.push(tcp(socket).tried(what)?);
        }
        Ok(listeners)
    }

    fn bind(config: &ServerConfig) -> Result<Self> {
        let mut listeners = Self::default();
        if let Some(address) = config.listen {
            let what = || format!("cannot listen on {address}");
            let bound = StdTcpListener::bind(address);
            let is_taken = matches!(&bound, Err(error) if error.kind() == std::io::ErrorKind::AddrInUse);
            let socket = bound.tried(what).map_err(|error| {
                let error = if is_taken { error.of_kind(ErrorKind::Busy) } else { error };
                error.advise(
                    "if another daemon or Thunder has the port, choose another by --listen, or --no-tcp",
                )
            })?;
            listeners.tcp.push(tcp(socket).tried(what)?);
        }
        let socket = bind_unix(&config.socket, config.socket_group)?;
        listeners.made = Some(Made(config.socket.clone()));
        listeners.unix.push(unix(socket).tried(|| format!("cannot use {}", config.socket.display()))?);
        Ok(listeners)
    }

    /// The port that TCP callers address.
    #[must_use]
    pub fn port(&self) -> u16 {
        let address = self.tcp.first().and_then(|socket| socket.local_addr().ok());
        address.map_or(0, |address| address.port())
    }
}

fn tcp(socket: StdTcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

fn unix(socket: StdUnixListener) -> io::Result<UnixListener> {
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket)
}

/// Makes the Unix socket, mode 0660. A stale one is replaced; one that answers, or anything else, is not.
fn bind_unix(path: &Path, group: Option<u32>) -> Result<StdUnixListener> {
    remove_stale(path)?;
    let shown = path.display();
    // No client may connect in the moment before a later chmod. This process has one thread yet.
    let before = rustix::process::umask(Mode::from_raw_mode(0o117));
    let bound = StdUnixListener::bind(path);
    rustix::process::umask(before);
    let socket = bound.tried(|| format!("cannot make the socket {shown}"))?;
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group))
            .tried(|| format!("cannot give the socket {shown} to group {group}"))?;
    }
    Ok(socket)
}

fn remove_stale(path: &Path) -> Result<()> {
    let shown = path.display();
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.tried(|| format!("cannot look at {shown}"))?,
    };
    if !found.file_type().is_socket() || found.uid() != rustix::process::geteuid().as_raw() {
        let what = format!("refused to replace {shown}: it is not a socket of ours");
        return Err(Error::new(ErrorKind::Attack, what).advise("remove it, or choose another --socket"));
    }
    if StdUnixStream::connect(path).is_ok() {
        return Err(Error::new(ErrorKind::Busy, format!("another daemon answers on {shown}")));
    }
    std::fs::remove_file(path).tried(|| format!("cannot remove the stale socket {shown}"))
}

/// How long to wait when the kernel has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes TCP connections for ever.
pub async fn accept_tcp(daemon: Rc<Daemon>, listener: TcpListener) {
    let trouble = RateLimited::default();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => admit_tcp(&daemon, socket, &trouble),
            Err(error) => pause(&trouble, &error).await,
        }
    }
}

/// Takes connections to the Unix socket for ever.
pub async fn accept_unix(daemon: Rc<Daemon>, listener: UnixListener) {
    let trouble = Rc::new(RateLimited::default());
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let peer = socket.peer_cred().ok();
                let peer = peer.map(|peer| (peer.uid(), peer.pid().unwrap_or_default()));
                admit_unix(&daemon, socket, peer, &trouble);
            }
            Err(error) => pause(&trouble, &error).await,
        }
    }
}

/// Serves a client of the Unix socket, in the place of a silent one if all are taken.
fn admit_unix(daemon: &Rc<Daemon>, socket: UnixStream, peer: Option<(u32, i32)>, trouble: &Rc<RateLimited>) {
    let uid = peer.map(|(uid, _)| uid);
    let place = daemon.places.take(uid);
    let (daemon, trouble) = (Rc::clone(daemon), Rc::clone(trouble));
    tokio::task::spawn_local(async move {
        let place = match place {
            Some(place) => Some(place),
            None => daemon.places.take_from_silent(uid).await,
        };
        let Some(place) = place else {
            let _gone = socket.try_write(FULL);
            trouble.warn("refused a connection to the Unix socket: too many");
            return;
        };
        http::serve(daemon, Socket::Unix(socket), Channel::Unix(peer), place, Waiting::Idle).await;
    });
}

async fn pause(trouble: &RateLimited, error: &io::Error) {
    trouble.warn(&format!("cannot accept a connection: {error}"));
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// The answer to a connection for which no slot is free.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

fn admit_tcp(daemon: &Rc<Daemon>, socket: TcpStream, trouble: &RateLimited) {
    let peer = who(&socket);
    let welcome = daemon.guard.check_peer(peer).is_ok();
    let slots = if welcome { &daemon.slots.tcp } else { &daemon.slots.unauthorized };
    let Some(slot) = limits::take_slot(slots) else {
        let _gone = socket.try_write(FULL);
        trouble.warn("refused a TCP connection: too many");
        return;
    };
    // Small answers must not wait for more.
    let _gone = socket.set_nodelay(true);
    let begins = if welcome { Waiting::Idle } else { Waiting::Header };
    let (daemon, socket) = (Rc::clone(daemon), Socket::Tcp(socket));
    tokio::task::spawn_local(http::serve(daemon, socket, Channel::Tcp(peer), slot, begins));
}

/// Who is at the other end.
fn who(socket: &TcpStream) -> Peer {
    let (Ok(client), Ok(own)) = (socket.peer_addr(), socket.local_addr()) else { return Peer::Unknown };
    if !own.ip().to_canonical().is_loopback() {
        return Peer::Remote;
    }
    match peer::owner(client, own) {
        Ok(Some(uid)) => Peer::User(uid),
        Ok(None) => Peer::Unknown,
        Err(error) => {
            log::warn!("cannot determine the calling user: {error}");
            Peer::Unknown
        }
    }
}
