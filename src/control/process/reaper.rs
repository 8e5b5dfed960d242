//! The one place that waits for children.
//!
//! As subreaper the daemon becomes the parent of every container and of every process that an `exec` leaves
//! behind. All of them must be reaped: a process that joined a container's pid namespace keeps the container's
//! init from vanishing as long as it is a zombie. So everything is reaped, known or not, and a task that waits for a
//! certain process registers here. The table belongs to the process, as children do.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::control::model::state::ExitStatus;
use crate::error::{Result, Tried};

/// The most exit statuses that are kept of processes that are not registered yet.
const MAX_UNCLAIMED: usize = 256;

#[derive(Default)]
struct Table {
    waiting: BTreeMap<i32, Vec<oneshot::Sender<ExitStatus>>>,
    /// A container may end before the pid file is read: its status waits here for a moment.
    unclaimed: VecDeque<(Pid, ExitStatus)>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { waiting: BTreeMap::new(), unclaimed: VecDeque::new() });

/// The table; it holds no invariant that a panic could break.
fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the parent of orphans below it.
///
/// # Errors
/// The kernel's.
pub(crate) fn adopt_orphans() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .tried(|| "cannot become the parent of containers")
}

/// Reaps until the future is dropped. More than one at a time does no harm.
///
/// # Errors
/// When the handler of SIGCHLD cannot be installed.
pub(crate) fn serve() -> Result<impl Future<Output = ()> + Send> {
    let mut children = signal(SignalKind::child()).tried(|| "cannot listen for SIGCHLD")?;
    Ok(async move {
        loop {
            table().reap();
            if children.recv().await.is_none() {
                return;
            }
        }
    })
}

/// Starts a child and gives a receiver of its exit status.
///
/// # Errors
/// As [`Command::spawn`].
pub(crate) fn spawn(command: &mut Command) -> io::Result<(Child, Pid, oneshot::Receiver<ExitStatus>)> {
    // Held over the spawn: the standard library itself waits for a child whose exec failed.
    let mut table = table();
    let child = command.spawn()?;
    let pid = Pid::from_child(&child);
    let status = table.register(pid);
    Ok((child, pid, status))
}

/// A receiver of the exit status of a process, or `None` when it is not our child and was not lately.
///
/// With `expected` also that of a process which is to become our child: crun ends before the process does that
/// it forked to do its work, and that one is the container's parent for a moment more.
pub(crate) fn watch(pid: Pid, expected: bool) -> Option<oneshot::Receiver<ExitStatus>> {
    let mut table = table();
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if !matches!(rustix::process::waitid(WaitId::Pid(pid), peek), Err(Errno::CHILD)) {
        let receiver = table.register(pid);
        // It may have ended long ago, with its SIGCHLD already handled.
        table.reap();
        return Some(receiver);
    }
    if let Some(status) = table.claim(pid) {
        let (sender, receiver) = oneshot::channel();
        // The receiver is right here.
        let _received = sender.send(status);
        return Some(receiver);
    }
    expected.then(|| table.register(pid))
}

/// The exit status of a process that became our child and was reaped before any task registered for it.
pub(crate) fn claim(pid: Pid) -> Option<ExitStatus> {
    table().claim(pid)
}

/// Forgets how earlier processes with this number ended: one that is not reaped yet has it now.
pub(crate) fn forget_earlier(pid: Pid) {
    table().unclaimed.retain(|(known, _)| *known != pid);
}

/// Does something to a registered child, unless it was reaped already: then the number may be another's.
pub(crate) fn unreaped<T>(pid: Pid, act: impl FnOnce() -> T) -> Option<T> {
    let known = table().waiting.contains_key(&pid.as_raw_pid());
    known.then(act)
}

impl Table {
    fn register(&mut self, pid: Pid) -> oneshot::Receiver<ExitStatus> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.entry(pid.as_raw_pid()).or_default().push(sender);
        receiver
    }

    /// The oldest status under this number.
    fn claim(&mut self, pid: Pid) -> Option<ExitStatus> {
        let found = self.unclaimed.iter().rposition(|(known, _)| *known == pid)?;
        self.unclaimed.remove(found).map(|(_, status)| status)
    }

    /// Reaps everything that has ended.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let status = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => ExitStatus::Code(code),
                (None, Some(signal)) => ExitStatus::Signal(signal),
                (None, None) => continue,
            };
            match self.waiting.remove(&pid.as_raw_pid()) {
                Some(senders) => {
                    for sender in senders {
                        // Fails when the receiver was dropped.
                        let _lost_interest = sender.send(status);
                    }
                }
                None => {
                    self.unclaimed.truncate(MAX_UNCLAIMED - 1);
                    self.unclaimed.push_front((pid, status));
                }
            }
        }
    }
}
