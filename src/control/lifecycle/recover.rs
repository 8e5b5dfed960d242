//! Takes over from an earlier daemon.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::control::bundle::policy::Wanted;
use crate::control::container::{Container, Phase};
use crate::control::events::outbox::Name;
use crate::control::lifecycle::context::Shared;
use crate::control::lifecycle::exit;
use crate::control::lifecycle::start::{PID_FILE, record};
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::process::handle::Process;
use crate::control::process::tree;
use crate::control::state::container_dir::{DUMPS, Record, Shelf};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;

/// How often, and how long apart, the lock of the state directory is tried.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// Makes the state directory, if need be, and takes it for this process.
///
/// # Errors
/// [`ErrorKind::Busy`] when another daemon has it, [`ErrorKind::Attack`] when it is not ours alone.
pub(crate) async fn take(state_dir: &Path) -> Result<OwnedFd> {
    let shown = state_dir.display();
    host::make_dir(state_dir, 0o700).map_err(|error| match rustix::process::geteuid().is_root() {
        true => error,
        false => error.advise("run as root, or give --state-dir, --log-dir, --socket and --runtime-root"),
    })?;
    let dir = host::open_dir(state_dir)?;
    host::check_trusted(state_dir)?;
    for attempt in 0.. {
        match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            // A child of a daemon that was killed holds it, too, until it becomes the runtime.
            Err(Errno::AGAIN) if attempt < ATTEMPTS => tokio::time::sleep(PAUSE).await,
            Err(Errno::AGAIN) => {
                let error = Error::new(ErrorKind::Busy, format!("another daemon holds {shown}"));
                return Err(error.advise("stop it, or use another state directory"));
            }
            Err(error) => return Err(error).tried(|| format!("cannot lock {shown}")),
        }
    }
    Ok(dir.into())
}

impl Shared {
    /// Tells what an earlier daemon may not have told, and adopts each of its containers: those that run go on, the
    /// others are cleaned up in the background.
    ///
    /// # Errors
    /// When the state directory cannot be read.
    pub(crate) fn adopt_all(self: &Arc<Self>) -> Result<()> {
        let dir = &self.settings.state_dir;
        let what = || format!("cannot read the state directory {}", dir.display());
        let (mut ids, mut notes) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(dir).tried(what)? {
            let name = entry.tried(what)?.file_name();
            let text = name.to_string_lossy();
            if let Ok(id) = text.parse::<ContainerId>() {
                ids.push(id);
            } else if let Some(note) = Name::parse(&text) {
                notes.push(note);
            } else if name != DUMPS {
                log::warn!("{} is none of ours", dir.join(&name).display());
            }
        }
        self.tell_untold(notes);
        ids.into_iter().for_each(|id| self.adopt_one(id));
        Ok(())
    }

    fn adopt_one(self: &Arc<Self>, id: ContainerId) {
        let shelf = Shelf::new(&self.settings.state_dir, &id);
        let known = shelf.load();
        let (descriptor, started) =
            known.as_ref().map_or((0, 0), |record| (record.descriptor, record.started));
        let container = Arc::new(Container::new(id.clone(), descriptor, started, shelf));
        let config = container.shelf.config().unwrap_or_default();
        let restarts = known.as_ref().ok().and_then(|record| record.restarts);
        container.wants(Wanted { restarts, ..Wanted::of(&config, &id) });
        self.adopt(Arc::clone(&container));
        let shared = Arc::clone(self);
        match known {
            Ok(Record { init: Some(init), untold, exit, .. }) => {
                let init = Process::find(init);
                // The dumps of one that ended are told with its end.
                if untold && init.is_some() {
                    self.tell_dumps_since_start(&container);
                }
                if untold {
                    self.tell_start(&container);
                }
                match init {
                    Some(init) => self.adopt_running(container, init),
                    None => self.spawn(exit::finish(shared, container, exit.unwrap_or(ExitStatus::Unknown))),
                }
            }
            Ok(Record { init: None, .. }) => self.spawn(resolve(shared, container)),
            Err(error) => {
                log::warn!("container {id} was left half made: {}", error.report());
                container.enter(Phase::Stopping);
                self.spawn(async move { shared.give_up(&container).await });
            }
        }
    }

    fn adopt_running(self: &Arc<Self>, container: Arc<Container>, init: Process) {
        log::info!("container {} is adopted", container.id);
        self.output.watch(&container.id, &container.wanted().sink);
        let init = Arc::new(init);
        container.came_up(Arc::clone(&init));
        self.spawn(exit::watch(Arc::clone(self), container, init));
    }
}

/// Finds out what became of a start that an earlier daemon did not see through.
async fn resolve(shared: Arc<Shared>, container: Arc<Container>) {
    let _change = container.change.lock().await;
    let deadline = tokio::time::Instant::now() + shared.settings.runtime_timeout;
    // The runtime goes on without us; it may have several processes.
    while let Some(runtime) = Process::working_on(container.shelf.dir()) {
        if tokio::time::timeout_at(deadline, runtime.ended()).await.is_err() {
            log::warn!("the runtime that starts container {} hangs and is killed", container.id);
            tree::end_work_on(container.shelf.dir(), Vec::new()).await;
            break;
        }
    }
    shared.tell_dumps_since_start(&container);
    match came_up(&shared, &container).await {
        Ok(init) => shared.came_up(&container, init),
        Err(error) => {
            log::warn!("container {} did not come up: {}", container.id, error.report());
            shared.give_up(&container).await;
        }
    }
}

/// Its init, if the runtime says that it runs.
async fn came_up(shared: &Shared, container: &Container) -> Result<Process> {
    let init = Process::hold(container.shelf.pid(PID_FILE)?)?;
    let state = shared.runtime.state(&container.id).await?;
    let ours = state.is_some_and(|state| {
        state.bundle == container.shelf.dir() && ["running", "paused"].contains(&state.status.as_str())
    });
    if !ours || !init.runs() {
        return Err(Error::new(ErrorKind::NotFound, "it does not run"));
    }
    container.shelf.save(&record(container, Some(&init)))?;
    Ok(init)
}
