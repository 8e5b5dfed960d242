//! One container, as the daemon remembers it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::control::bundle::policy::Policy;
use crate::control::clock::boottime;
use crate::control::input::way::InputWay;
use crate::control::model::event::Origin;
use crate::control::model::id::ContainerId;
use crate::control::model::request::Stdin;
use crate::control::model::state::State;
use crate::control::phase::{Ending, Phase};
use crate::control::process::cgroup::Cgroups;
use crate::control::process::handle::Process;
use crate::control::state::container_dir::ContainerDir;
use crate::control::state::saved_state::SavedState;
use crate::error::{Error, ErrorKind, Result};

/// One container. What can be seen from outside (paused, dead) is not stored.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: ContainerId,
    pub(crate) descriptor: i32,
    /// When it was started, in nanoseconds since the machine booted.
    pub(crate) started: u64,
    /// Which daemon started it.
    pub(crate) origin: Origin,
    pub(crate) dir: ContainerDir,
    policy: OnceLock<Policy>,
    /// Whether a start that was cut short is begun again: clients know of it.
    pub(crate) is_promised: bool,
    /// The bundle of root's that it was made of: what lies there must be root's still when it is started again.
    pub(crate) bundle: OnceLock<PathBuf>,
    /// What was started in its place when it had ended.
    pub(crate) successor: OnceLock<Arc<Container>>,
    /// Why it could not be started in the place of one that ended.
    pub(crate) failure: OnceLock<Error>,
    /// Held by whatever changes the container; never by what only looks.
    pub(crate) change: Arc<tokio::sync::Mutex<()>>,
    /// Whether its processes are being read: such a read can hang for as long as the container likes.
    pub(crate) being_read: Arc<AtomicBool>,
    /// Whether a thread works on its mounts: its file systems can keep that for as long as they like.
    pub(crate) being_mounted: Arc<AtomicBool>,
    pub(crate) input: InputWay,
    /// The places of its first byte of output, and behind its last one: a log is one of all containers of an id.
    pub(crate) output_begin: OnceLock<u64>,
    pub(crate) output_end: OnceLock<u64>,
    cgroups: OnceLock<Cgroups>,
    status: watch::Sender<Status>,
}

/// All that changes in the life of a container.
#[derive(Debug)]
struct Status {
    phase: Phase,
    /// Whether this daemon has seen it run.
    seen_running: bool,
    /// What clients want of it.
    wish: Option<Wish>,
    /// The state that was announced last.
    announced: Option<State>,
}

/// What clients want of a container that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// That it ends; it is not restarted then.
    Stop,
    /// That it ends and is started again.
    Restart,
}

impl Container {
    /// A container that this daemon starts now.
    pub(crate) fn new(id: ContainerId, descriptor: i32, dir: ContainerDir) -> Self {
        Self::with(id, descriptor, dir, (boottime(), Origin::ThisDaemon))
    }

    /// A container that an earlier daemon started; nothing more is known without its `saved` state.
    pub(crate) fn recovered(id: ContainerId, dir: ContainerDir, saved: Option<&SavedState>) -> Self {
        let (descriptor, started) = saved.map_or((0, 0), |saved| (saved.descriptor, saved.started));
        let container = Self::with(id, descriptor, dir, (started, Origin::EarlierDaemon));
        if let Some(bundle) = saved.and_then(|saved| saved.bundle.clone()) {
            let _first = container.bundle.set(bundle);
        }
        Self { is_promised: saved.is_some_and(|saved| saved.promised), ..container }
    }

    fn with(id: ContainerId, descriptor: i32, dir: ContainerDir, (started, origin): (u64, Origin)) -> Self {
        let status = Status { phase: Phase::Starting, seen_running: false, wish: None, announced: None };
        Self {
            id,
            descriptor,
            started,
            origin,
            dir,
            policy: OnceLock::new(),
            is_promised: false,
            bundle: OnceLock::new(),
            successor: OnceLock::new(),
            failure: OnceLock::new(),
            change: Arc::default(),
            being_read: Arc::default(),
            being_mounted: Arc::default(),
            input: InputWay::default(),
            output_begin: OnceLock::new(),
            output_end: OnceLock::new(),
            cgroups: OnceLock::new(),
            status: watch::Sender::new(status),
        }
    }

    /// The container that takes the place of this one, which ended, after so many `restarts` for crashes. That it is started
    /// was promised.
    pub(crate) fn next_attempt(&self, restarts: Option<u32>) -> Self {
        let next = Self::new(self.id.clone(), self.descriptor, self.dir.clone());
        next.set_policy(Policy { restarts, ..self.policy().clone() });
        Self { is_promised: true, bundle: self.bundle.clone(), input: self.input.next(), ..next }
    }

    /// Its configuration is known.
    pub(crate) fn set_policy(&self, policy: Policy) {
        // A container starts once, or is recovered once.
        let _first = self.policy.set(policy);
    }

    /// The policy from its configuration; a default until that is known.
    pub(crate) fn policy(&self) -> &Policy {
        static UNKNOWN: Policy = Policy::UNKNOWN;
        self.policy.get().unwrap_or(&UNKNOWN)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.status.borrow().phase.clone()
    }

    /// Goes to another phase.
    ///
    /// # Errors
    /// No way leads there from the present one, which stays.
    pub(crate) fn transition_to(&self, next: Phase) -> Result<()> {
        let mut refused = None;
        self.status.send_if_modified(|status| {
            if !status.phase.may_become(&next) {
                let (now, next) = (status.phase.name(), next.name());
                refused = Some(format!("container {} is {now} and cannot become {next}", self.id));
                return false;
            }
            status.seen_running |= matches!(next, Phase::Running(_));
            status.phase = next;
            true
        });
        refused.map_or(Ok(()), |what| Err(Error::new(ErrorKind::System, what)))
    }

    /// The state that was announced last, also by an earlier daemon.
    pub(crate) fn announced(&self) -> Option<State> {
        self.status.borrow().announced
    }

    /// Notes which state was announced last.
    pub(crate) fn note_state(&self, state: State) {
        // No task waits for that.
        self.status.send_if_modified(|status| {
            status.announced = Some(state);
            false
        });
    }

    /// A client wants it to end: it is not restarted.
    pub(crate) fn request_stop(&self) {
        self.status.send_modify(|status| status.wish = Some(Wish::Stop));
    }

    /// A client wants it to end, and to be started again.
    pub(crate) fn request_restart(&self) {
        self.status.send_modify(|status| status.wish = Some(Wish::Restart));
    }

    /// A restart cannot be begun.
    pub(crate) fn withdraw_restart(&self) {
        self.status.send_modify(|status| status.wish = status.wish.filter(|wish| *wish != Wish::Restart));
    }

    /// Whether a client wants it to end.
    pub(crate) fn is_stop_requested(&self) -> bool {
        self.status.borrow().wish == Some(Wish::Stop)
    }

    /// Whether a client wants it to be started again.
    pub(crate) fn is_restart_requested(&self) -> bool {
        self.status.borrow().wish == Some(Wish::Restart)
    }

    /// Whether this daemon has seen it run, so that its end was no surprise.
    pub(crate) fn was_seen_running(&self) -> bool {
        self.status.borrow().seen_running
    }

    /// Its first process, while it runs.
    pub(crate) fn init(&self) -> Option<Arc<Process>> {
        self.status.borrow().phase.init().cloned()
    }

    /// Where its cgroups are, once it has run.
    pub(crate) fn cgroups(&self) -> Option<&Cgroups> {
        if self.cgroups.get().is_none() {
            let init = self.init()?;
            let ours = Cgroups::of(i32::try_from(std::process::id()).ok()?)?;
            let cgroups = Cgroups::of(init.identity().pid)?.apart_from(&ours);
            // Another process may have the number by now, and other cgroups.
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

    /// The state that clients see.
    pub(crate) fn state(&self) -> State {
        match self.phase() {
            Phase::Starting | Phase::Gone(Ending::NeverStarted) => State::Starting,
            Phase::Running(_) if self.is_frozen() => State::Paused,
            Phase::Running(_) => State::Running,
            Phase::Hibernating(_) => State::Hibernating,
            Phase::Hibernated(_) => State::Hibernated,
            Phase::Awakening(_) => State::Awakening,
            Phase::Stopping(_) | Phase::CleaningUp | Phase::Gone(Ending::Ended(_)) => State::Stopping,
            Phase::Undeletable(_) => State::Stopped,
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

    /// Waits until it has ended and is cleaned up, or cannot be.
    pub(crate) async fn ending(&self) -> Ending {
        let mut status = self.status.subscribe();
        let ended = status.wait_for(|status| status.phase.ending().is_some()).await;
        ended.ok().and_then(|status| status.phase.ending()).unwrap_or(Ending::NeverStarted)
    }

    /// Waits until it runs; false when it never will.
    pub(crate) async fn running(&self) -> bool {
        let mut status = self.status.subscribe();
        let settled = |status: &Status| status.seen_running || status.phase.ending().is_some();
        status.wait_for(settled).await.is_ok_and(|status| status.seen_running)
    }

    /// Waits until a client wants it to end, or it has ended: what goes on with its processes is in vain then.
    pub(crate) async fn interruption(&self) {
        let mut status = self.status.subscribe();
        let in_vain = |status: &Status| status.wish.is_some() || status.phase.init().is_none();
        let _container_gone = status.wait_for(in_vain).await;
    }

    /// What a later daemon must know; its start counts as not announced.
    pub(crate) fn saved_state(&self, init: Option<&Process>) -> SavedState {
        SavedState {
            descriptor: self.descriptor,
            started: self.started,
            init: init.map(Process::identity),
            restarts: self.policy().restarts,
            start_unannounced: true,
            exit: None,
            promised: self.is_promised,
            interactive: self.policy().stdin == Stdin::Pipe,
            bundle: self.bundle.get().cloned(),
        }
    }
}
