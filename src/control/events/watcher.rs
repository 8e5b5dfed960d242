//! Has the hook bring dumps to the host while containers run, and announces each at once.
//!
//! One process of the hook (`sweep --watch`) does it for all containers. It is started with the first one that asks for
//! minidumps, also with one that an earlier daemon has left, waits for the kernel to say that something happens, and ends
//! with this daemon. Whatever becomes of it, poststop harvests what it has left.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use crate::control::container::Container;
use crate::control::events::dumps;
use crate::control::events::outbox::Outbox;
use crate::control::model::event::Origin;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::process::helper::{Finished, Helper, Streams};
use crate::control::process::{reaper, tree};
use crate::control::state::container_dir::ContainerDir;
use crate::control::tasks::Tasks;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::hook::sweep::Swept;

/// How long until it is started again after it has ended, at first and at most.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
const MAX_RESTART_PAUSE: Duration = Duration::from_secs(300);
/// The most bytes of one report: an image holds a few hundred dumps, and a dump takes a few hundred bytes.
const MAX_LINE: usize = 4 * 1024 * 1024;
/// The most bytes that are kept of what it says on stderr.
const MAX_STDERR: usize = 4096;

/// Watches the images of containers that run.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// The hook; `None` when there is none, or when we may not mount images.
    hook: Option<PathBuf>,
    state_dir: PathBuf,
    outbox: Arc<Outbox>,
    tasks: Arc<Tasks>,
    is_started: AtomicBool,
    /// The process, while there is one.
    process: Mutex<Option<Pid>>,
    /// Containers of an earlier daemon, whose clients have lost their connections.
    adopted: Mutex<BTreeSet<ContainerId>>,
}

impl Watcher {
    pub(crate) fn new(
        hook: Option<PathBuf>,
        state_dir: PathBuf,
        outbox: Arc<Outbox>,
        tasks: Arc<Tasks>,
    ) -> Arc<Self> {
        let hook = hook.filter(|_| rustix::process::geteuid().is_root());
        let (is_started, process, adopted) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        Arc::new(Self { hook, state_dir, outbox, tasks, is_started, process, adopted })
    }

    /// Watches the images of a container, and of every other one, if it has any.
    pub(crate) fn watch(self: &Arc<Self>, container: &Container) {
        if self.hook.is_none() || container.policy().dump_dirs.is_empty() {
            return;
        }
        let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        match container.origin {
            Origin::EarlierDaemon => drop(adopted.insert(container.id.clone())),
            Origin::ThisDaemon => drop(adopted.remove(&container.id)),
        }
        if !self.is_started.swap(true, Ordering::Relaxed) {
            let watcher = Arc::clone(self);
            self.tasks.spawn(async move { watcher.keep_running().await });
        }
    }

    /// Ends the process at once: the next daemon has its own.
    pub(crate) fn stop(&self) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(process) = process {
            // It may have ended by itself.
            let _gone = reaper::unreaped(process, || tree::kill(process.as_raw_pid()));
        }
    }

    fn set_process(&self, process: Option<Pid>) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    async fn keep_running(&self) {
        let (mut pause, mut said) = (RESTART_PAUSE, String::new());
        loop {
            let begin = Instant::now();
            let error = match self.run().await {
                Ok(finished) => failure(&finished),
                Err(error) => error,
            };
            let report = error.report();
            if report != said {
                log::warn!("{report}; dumps of containers that run come at their end meanwhile");
                said = report;
            }
            // It does not know the option.
            if error.kind() == ErrorKind::Unsupported {
                return;
            }
            pause = if begin.elapsed() > MAX_RESTART_PAUSE { RESTART_PAUSE } else { pause };
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_RESTART_PAUSE);
        }
    }

    /// Runs the hook to its end.
    async fn run(&self) -> Result<Finished> {
        let hook = self.hook.as_deref().unwrap_or_else(|| std::path::Path::new("oci-minidump-hook"));
        let mut helper = Helper::new(hook, Streams::Captured(MAX_STDERR), Duration::MAX);
        helper.args(["sweep", "--watch", "--json"]);
        let mut running = helper.start()?;
        let stdout = running.take_stdout();
        self.set_process(Pid::from_raw(running.pid()));
        let (finished, ()) = tokio::join!(running.finish(), self.listen(stdout));
        self.set_process(None);
        Ok(finished)
    }

    /// Announces what is in each line.
    async fn listen(&self, stdout: Option<impl AsyncRead + Unpin>) {
        let Some(mut stdout) = stdout else { return };
        let (mut text, mut is_too_long) = (Vec::new(), false);
        // A hook that has ended closes it.
        while let Ok(1..) = stdout.read_buf(&mut text).await {
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                if std::mem::take(&mut is_too_long) {
                    log::warn!(
                        "a line of the watch was too long: its dumps are on the host, and not announced"
                    );
                } else {
                    self.announce(&line);
                }
            }
            if text.len() > MAX_LINE {
                is_too_long = true;
                text.clear();
            }
            text.shrink_to(4096);
        }
    }

    fn announce(&self, line: &[u8]) {
        let Ok(Swept { path, container, mut harvest }) = serde_json::from_slice(line) else {
            log::warn!("the minidump hook said something else than a report");
            return;
        };
        let count = harvest.dumps.len();
        log::info!("harvested {count} minidumps of {}", container.as_deref().unwrap_or("a container"));
        let Some(id) = container.and_then(|id| id.parse::<ContainerId>().ok()) else {
            log::debug!("{} is the image of a container that is not ours", path.display());
            return;
        };
        let is_adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner).contains(&id);
        let origin = if is_adopted { Origin::EarlierDaemon } else { Origin::ThisDaemon };
        let dir = ContainerDir::new(&self.state_dir, &id);
        // One that could not be removed from the image, and was announced long ago.
        let since = dir.unannounced_since();
        harvest.dumps.retain(|dump| !dump.already || dumps::is_since(&dump.path, since));
        let events = dumps::of_harvest(&id, harvest);
        let newest = dumps::newest(&events);
        let posted = self.outbox.write_dumps(&id, origin, events);
        if let Some(time) = newest {
            dir.note_announced(time);
        }
        self.outbox.deliver(posted);
    }
}

fn failure(finished: &Finished) -> Error {
    let kind = match finished.exit {
        ExitStatus::Code(code) if code == ExitCode::Usage as i32 => ErrorKind::Unsupported,
        _ => ErrorKind::System,
    };
    let stderr = crate::log::cut(String::from_utf8_lossy(&finished.stderr).trim());
    Error::new(kind, format!("the minidump hook's 'sweep --watch' ended with {}: {stderr}", finished.exit))
}
