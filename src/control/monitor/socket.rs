//! The sockets of monitors in the state directory, and how a monitor is started behind one.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use crate::control::monitor::serve::ARGUMENT;
use crate::control::monitor::wire::VERSION;
use crate::control::process::reaper;
use crate::error::{ErrorKind, Result, Tried};

/// What the names of monitors' sockets begin with, in the state directory. No container has such an id.
pub(crate) const SOCKET_PREFIX: &str = "+monitor.";

/// The names of the sockets of all monitors of a state directory.
pub(crate) fn sockets(state_dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(SOCKET_PREFIX)).collect()
}

/// What a process bequeaths to its children, as /proc has it.
const BEQUEATHED: [&str; 9] =
    ["Umask:", "Uid:", "Gid:", "Groups:", "NoNewPrivs:", "Seccomp:", "CapInh:", "CapPrm:", "CapBnd:"];

/// The name of the socket: a monitor serves only daemons of the same program that would bequeath the same to containers.
pub(crate) fn socket_name() -> std::io::Result<String> {
    let mut hasher = DefaultHasher::new();
    VERSION.hash(&mut hasher);
    unchanged()?.hash(&mut hasher);
    // These, others may change.
    for name in ["limits", "cgroup"] {
        crate::proc::read(format!("/proc/self/{name}")).unwrap_or_default().hash(&mut hasher);
    }
    Ok(format!("{SOCKET_PREFIX}{:016x}", hasher.finish()))
}

/// What of it only this process could change, and does not.
fn unchanged() -> std::io::Result<u64> {
    static KNOWN: OnceLock<u64> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let mut hasher = DefaultHasher::new();
    for name in ["exe", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts"] {
        // A kernel may have fewer of them.
        let found = std::fs::metadata(format!("/proc/self/{name}")).map(|found| (found.dev(), found.ino()));
        found.ok().hash(&mut hasher);
    }
    let status = crate::proc::read("/proc/self/status")?;
    let lines = status.split(|byte| *byte == b'\n');
    lines
        .filter(|line| BEQUEATHED.iter().any(|name| line.starts_with(name.as_bytes())))
        .for_each(|line| line.hash(&mut hasher));
    Ok(*KNOWN.get_or_init(|| hasher.finish()))
}

/// Removes the socket of a monitor that has ended.
pub(crate) fn remove_stale(state_dir: &Path, name: &str) {
    if matches!(dial(state_dir, name), Err(Errno::CONNREFUSED)) {
        // One that stays does no harm.
        let _gone = std::fs::remove_file(state_dir.join(name));
    }
}

/// The address of the socket, short enough for every directory; good as long as the directory is open.
fn address(dir: &File, name: &str) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

pub(crate) fn dial(state_dir: &Path, name: &str) -> rustix::io::Result<OwnedFd> {
    let dir = open(state_dir)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let line = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    connect(&line, &address(&dir, name)?)?;
    Ok(line)
}

fn open(state_dir: &Path) -> rustix::io::Result<File> {
    File::open(state_dir).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Starts a monitor: this program again, by what the kernel holds of it, as its file may be another's by now.
pub(crate) fn start(state_dir: &Path, name: &str) -> Result<()> {
    try_start(state_dir, name).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::NoSpace => format!("make room in {}, and start the container again", state_dir.display()),
            _ => format!(
                "check that {} is there and can be written to, and that the daemon may have more processes and open \
                 files (ulimit -u, ulimit -n, TasksMax of its service); then start the container again",
                state_dir.display()
            ),
        };
        error.advise(advice)
    })
}

fn try_start(state_dir: &Path, name: &str) -> Result<()> {
    let what = || "cannot start the monitor of containers";
    let listener = listener(state_dir, name).tried(what)?;
    let mut command = Command::new("/proc/self/exe");
    // Nothing more: with a directory or further descriptors, all of our memory would be copied to set it up.
    command.arg0("ocicontainer").arg(ARGUMENT).env_clear().process_group(0);
    command.stdin(listener).stdout(Stdio::null()).stderr(Stdio::null());
    // It is reaped as everything is.
    reaper::spawn(&mut command).tried(what).map(drop)
}

fn listener(state_dir: &Path, name: &str) -> std::io::Result<OwnedFd> {
    let dir = open(state_dir)?;
    let path = state_dir.join(name);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    bind(&listener, &address(&dir, name)?)?;
    // Before it listens: others can pass through the directory.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listen(&listener, 64)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let error = start(Path::new("/nowhere"), "+monitor.x").unwrap_err().report();
        assert!(
            error.starts_with("cannot start the monitor of containers: No such file or directory")
                && error.contains("; check that /nowhere is there"),
            "{error}"
        );
    }
}
