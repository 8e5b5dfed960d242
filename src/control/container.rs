//! One container, as the daemon remembers it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;

use crate::control::bundle::policy::Wanted;
use crate::control::model::id::ContainerId;
use crate::control::model::state::{ExitStatus, State};
use crate::control::output::sink::Sink;
use crate::control::process::cgroup::Cgroups;
use crate::control::process::handle::Process;
use crate::control::state::container_dir::Shelf;
use crate::error::{Error, ErrorKind, Result};

/// How far a container got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The runtime starts it.
    Starting,
    /// It runs, or it is frozen: the kernel knows.
    Up,
    /// It was told to stop, or it ended.
    Stopping,
    /// It ended, but the runtime would not delete it.
    Undeletable,
}

/// What became of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is still with us.
    Open,
    /// It ended.
    Ended(ExitStatus),
    /// It never came up.
    NeverStarted,
}

/// One container. What can be seen from outside (paused, dead) is not stored.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: ContainerId,
    pub(crate) descriptor: i32,
    /// When it was started, in nanoseconds since the machine booted.
    pub(crate) started: u64,
    pub(crate) shelf: Shelf,
    /// What its configuration asks of us.
    wanted: OnceLock<Wanted>,
    /// Held by whatever changes the container; never by what only looks.
    pub(crate) change: tokio::sync::Mutex<()>,
    /// Whether somebody reads its processes: such a read can hang for as long as the container likes.
    pub(crate) being_read: Arc<AtomicBool>,
    /// Whether somebody wants it to end.
    unwanted: AtomicBool,
    phase: Mutex<Phase>,
    init: OnceLock<Arc<Process>>,
    cgroups: OnceLock<Cgroups>,
    fate: watch::Sender<Fate>,
}

impl Container {
    pub(crate) fn new(id: ContainerId, descriptor: i32, started: u64, shelf: Shelf) -> Self {
        Self {
            id,
            descriptor,
            started,
            shelf,
            wanted: OnceLock::new(),
            change: tokio::sync::Mutex::default(),
            being_read: Arc::default(),
            unwanted: AtomicBool::new(false),
            phase: Mutex::new(Phase::Starting),
            init: OnceLock::new(),
            cgroups: OnceLock::new(),
            fate: watch::Sender::new(Fate::Open),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.lock()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        *self.lock() = phase;
    }

    /// Its configuration is known.
    pub(crate) fn wants(&self, wanted: Wanted) {
        // A container starts once, or is adopted once.
        let _first = self.wanted.set(wanted);
    }

    /// What its configuration asks of us, so far as it is known.
    pub(crate) fn wanted(&self) -> &Wanted {
        static NOTHING: Wanted = Wanted { dump_dirs: Vec::new(), sink: Sink::Log, restarts: None };
        self.wanted.get().unwrap_or(&NOTHING)
    }

    /// The same container once more, started anew at `started` for the try `number`.
    pub(crate) fn again(&self, started: u64, number: u32) -> Self {
        let again = Self::new(self.id.clone(), self.descriptor, started, self.shelf.clone());
        again.wants(Wanted { restarts: Some(number), ..self.wanted().clone() });
        again
    }

    /// Somebody wants it to end: it is not started again.
    pub(crate) fn let_go(&self) {
        self.unwanted.store(true, Ordering::Release);
    }

    /// Whether somebody wants it to end.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Acquire)
    }

    /// It runs: `init` is its first process.
    pub(crate) fn came_up(&self, init: Arc<Process>) {
        // A container comes up once.
        let _first = self.init.set(init);
        self.enter(Phase::Up);
    }

    /// Its first process, once it came up.
    pub(crate) fn init(&self) -> Option<&Arc<Process>> {
        self.init.get()
    }

    /// Where its cgroups are, as long as it runs.
    pub(crate) fn cgroups(&self) -> Option<&Cgroups> {
        if self.cgroups.get().is_none() {
            let init = self.init()?;
            let ours = Cgroups::of(i32::try_from(std::process::id()).ok()?)?;
            let cgroups = Cgroups::of(init.identity().pid)?.apart_from(&ours);
            // A stranger's cgroups must not stay with us.
            if init.runs() {
                let _first = self.cgroups.set(cgroups);
            }
        }
        self.cgroups.get()
    }

    /// Whether it is frozen, or about to be.
    pub(crate) fn is_frozen(&self) -> bool {
        self.cgroups().is_some_and(Cgroups::is_frozen)
    }

    pub(crate) fn state(&self) -> State {
        match self.phase() {
            Phase::Starting => State::Starting,
            Phase::Up if self.is_frozen() => State::Paused,
            Phase::Up => State::Running,
            Phase::Stopping => State::Stopping,
            Phase::Undeletable => State::Stopped,
        }
    }

    /// Refuses unless the container is in `state`.
    pub(crate) fn must_be(&self, state: State, verb: &str) -> Result<()> {
        let now = self.state();
        if now == state {
            return Ok(());
        }
        let what = format!("cannot {verb} container {}: it is {now}, not {state}", self.id);
        Err(Error::new(ErrorKind::Busy, what))
    }

    /// It is gone for good; whoever waits is told.
    pub(crate) fn seal(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }

    /// Waits until it is gone for good.
    pub(crate) async fn gone(&self) -> Fate {
        let mut fate = self.fate.subscribe();
        let gone = fate.wait_for(|fate| *fate != Fate::Open).await;
        gone.map_or(Fate::NeverStarted, |fate| *fate)
    }
}
