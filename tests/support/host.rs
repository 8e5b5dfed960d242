//! What tests do on the host.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long something may take that must come about, before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The hook under test: the one of this build, or the static one that `scripts/test` names.
pub(crate) fn hook_program() -> PathBuf {
    std::env::var_os("OCI_MINIDUMP_HOOK")
        .map_or_else(|| env!("CARGO_BIN_EXE_oci-minidump-hook").into(), PathBuf::from)
}

/// The daemon and its command line under test: those of this build, or the program that `OCICONTAINER` names.
#[cfg(feature = "daemon")]
pub(crate) fn daemon_program() -> PathBuf {
    std::env::var_os("OCICONTAINER").map_or_else(|| env!("CARGO_BIN_EXE_ocicontainer").into(), PathBuf::from)
}

/// The program that walks stacks: the one of this build, or the one that `OCI_MINIDUMP_STACK` names.
#[cfg(feature = "stack")]
pub(crate) fn stack_program() -> Command {
    Command::new(
        std::env::var_os("OCI_MINIDUMP_STACK")
            .map_or_else(|| env!("CARGO_BIN_EXE_oci-minidump-stack").into(), PathBuf::from),
    )
}

/// The command where the directories are empty that the hook goes to when it knows no settings: those of the host are
/// not a test's.
pub(crate) fn away_from_the_host(command: &Command) -> Command {
    const HIDE: &str = "for dir in /run/oci-minidump /var/lib/oci-minidump; do \
                        mkdir -p $dir && mount -t tmpfs tmpfs $dir || exit 1; done; exec \"$0\" \"$@\"";
    let mut away = Command::new("unshare");
    away.args(["--mount", "--propagation", "private", "sh", "-c", HIDE]);
    away.arg(command.get_program()).args(command.get_args());
    away.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        away.current_dir(dir);
    }
    away
}

/// Waits for what comes in a moment, on a slow machine in many.
pub(crate) fn wait_until(done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end of a process; one that does not end is killed, and `None` comes back.
pub(crate) fn ended(mut child: Child) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Runs a host program that must succeed.
pub(crate) fn command(program: &str, arguments: &[&OsStr]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a FIFO.
pub(crate) fn fifo(path: PathBuf) -> PathBuf {
    command("mkfifo", &[path.as_ref()]);
    path
}

/// Releases what reads a line from a FIFO, or is about to.
pub(crate) fn release(fifo: &Path) {
    let open = || OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(fifo);
    wait_until(|| open().is_ok_and(|mut fifo| fifo.write_all(b"released\n").is_ok()));
}

/// The entries of a directory, sorted; none when there is no such directory.
pub(crate) fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The files in a directory and its subdirectories.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (dirs, mut files): (Vec<_>, Vec<_>) = files_in(dir).into_iter().partition(|path| path.is_dir());
    files.extend(dirs.iter().flat_map(|dir| files_below(dir)));
    files
}

/// What is mounted in a directory of this process's mounts.
pub(crate) fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let mounts = oci_minidump::proc::mountinfo::own().unwrap_or_else(|error| panic!("{}", error.report()));
    mounts.into_iter().map(|mount| mount.point).filter(|point| point.starts_with(dir)).collect()
}

/// Takes away what is mounted in a directory, through which nothing must be removed. Whether nothing is left.
pub(crate) fn unmount_below(dir: &Path) -> bool {
    for path in mounts_below(dir).iter().rev() {
        let _gone = Command::new("umount").arg("--lazy").arg(path).output();
    }
    mounts_below(dir).is_empty()
}
