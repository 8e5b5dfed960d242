//! What all parts of the control layer share.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::FlockOperation;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::control::container::Container;
use crate::control::descriptor::Descriptors;
use crate::control::events::dumps::Directories;
use crate::control::events::replay::Found;
use crate::control::events::sweeper::Turn;
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::output::log_store::Output;
use crate::control::runtime::Runtime;
use crate::control::settings::Settings;
use crate::error::{Error, ErrorKind, Result};

/// How many events a slow subscriber may lag behind.
const EVENTS: usize = 1024;
/// Of how many ended containers the exit status is remembered.
const ENDED: usize = 64;

/// The state of the daemon: a cache of the runtime and of the state directory.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) runtime: Runtime,
    pub(crate) output: Output,
    pub(crate) hook: Option<PathBuf>,
    pub(crate) directories: Directories,
    pub(crate) turn: Turn,
    pub(crate) found: Found,
    pub(crate) events: broadcast::Sender<Event>,
    containers: Mutex<Containers>,
    ended: Mutex<VecDeque<(ContainerId, ExitStatus)>>,
    troubles: Mutex<BTreeMap<String, String>>,
    closing: watch::Sender<bool>,
    /// Held for as long as this daemon is the one.
    lock: OwnedFd,
}

/// All containers, in the order of their starts.
#[derive(Debug)]
struct Containers {
    list: Vec<Arc<Container>>,
    descriptors: Descriptors,
}

/// The guarded value; nothing here holds an invariant that a panic could break.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(settings: Settings, output: Output, held: OwnedFd) -> Self {
        Self {
            runtime: Runtime::new(&settings),
            hook: crate::control::bundle::hook::find(settings.hook.as_deref()),
            output,
            settings,
            directories: Directories::default(),
            turn: Turn::default(),
            found: Found::new(),
            events: broadcast::Sender::new(EVENTS),
            containers: Mutex::new(Containers { list: Vec::new(), descriptors: Descriptors::new() }),
            ended: Mutex::default(),
            troubles: Mutex::default(),
            closing: watch::Sender::new(false),
            lock: held,
        }
    }

    /// Does work in the background.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // It ends by itself, or when the daemon closes.
        drop(self.entrust(work));
    }

    /// Does work that goes on when its caller goes away; `None` if the daemon closes before it ends.
    pub(crate) fn entrust<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let mut closing = self.closing.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                // First: nothing may happen any more once the lock is given up.
                biased;
                _ = closing.wait_for(|closing| *closing) => None,
                done = work => Some(done),
            }
        })
    }

    /// Ends all background work and lets the next daemon have the state directory.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
        // A child that is about to exec has a copy of the descriptor: closing ours would not be enough.
        if let Err(error) = rustix::fs::flock(&self.lock, FlockOperation::Unlock) {
            log::warn!("cannot unlock the state directory: {error}");
        }
    }

    /// Tells the subscribers, if there are any.
    pub(crate) fn tell(&self, event: Event) {
        self.found.follow(&event);
        self.send(event);
    }

    /// Tells them, and those that come within a minute after the daemon's start: of what an earlier one started.
    pub(crate) fn tell_found(&self, event: Event) {
        self.found.keep(&event);
        self.send(event);
    }

    fn tell_as(&self, found: bool, event: Event) {
        if found { self.tell_found(event) } else { self.tell(event) }
    }

    /// Tells what happened to a container: also those who come later, if an earlier daemon had started it.
    pub(crate) fn tell_of(&self, container: &Container, event: Event) {
        self.tell_as(self.found.has(container), event);
    }

    fn send(&self, event: Event) {
        self.found.count();
        let _nobody_listens = self.events.send(event);
    }

    /// Tells of dumps, so far as nobody was told of them before.
    pub(crate) fn tell_dumps(&self, dumps: Vec<Event>, found: bool) {
        for event in dumps {
            if let Event::Minidump { path, .. } = &event
                && self.directories.is_news(path)
            {
                self.tell_as(found, event);
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        lock(&self.containers).list.clone()
    }

    pub(crate) fn find(&self, id: &ContainerId) -> Result<Arc<Container>> {
        self.look_up(id).ok_or_else(|| no_container(id.as_str()))
    }

    pub(crate) fn look_up(&self, id: &ContainerId) -> Option<Arc<Container>> {
        lock(&self.containers).list.iter().find(|container| container.id == *id).cloned()
    }

    /// Adds a container under a free descriptor, unless the id is taken: then the one that has it.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when there are 1023 containers already.
    pub(crate) fn reserve(
        &self,
        id: &ContainerId,
        make: impl FnOnce(i32) -> Container,
    ) -> Result<std::result::Result<Arc<Container>, Arc<Container>>> {
        let mut containers = lock(&self.containers);
        let Containers { list, descriptors } = &mut *containers;
        if let Some(holder) = list.iter().find(|container| container.id == *id) {
            return Ok(Err(Arc::clone(holder)));
        }
        let taken = |number| list.iter().any(|container| container.descriptor == number);
        let descriptor = descriptors
            .next(taken)
            .ok_or_else(|| Error::new(ErrorKind::Busy, "there are 1023 containers, no number is left"))?;
        let container = Arc::new(make(descriptor));
        list.push(Arc::clone(&container));
        Ok(Ok(container))
    }

    /// Adds a container that an earlier daemon started, in its place by the time of its start.
    pub(crate) fn adopt(&self, container: Arc<Container>) {
        let mut containers = lock(&self.containers);
        let place = containers.list.partition_point(|other| other.started <= container.started);
        containers.list.insert(place, container);
    }

    /// Forgets a container.
    pub(crate) fn forget(&self, container: &Arc<Container>) {
        lock(&self.containers).list.retain(|other| !Arc::ptr_eq(other, container));
    }

    /// Puts another container of the same id and descriptor in the place of one that ended.
    pub(crate) fn replace(&self, ended: &Arc<Container>, by: &Arc<Container>) {
        let mut containers = lock(&self.containers);
        let place = containers.list.iter_mut().find(|other| Arc::ptr_eq(other, ended));
        if let Some(place) = place {
            *place = Arc::clone(by);
        }
    }

    /// Remembers how a container ended.
    pub(crate) fn remember(&self, id: &ContainerId, exit: ExitStatus) {
        let mut ended = lock(&self.ended);
        ended.retain(|(known, _)| known != id);
        ended.truncate(ENDED - 1);
        ended.push_front((id.clone(), exit));
    }

    /// How the last container of this id ended.
    pub(crate) fn remembered(&self, id: &ContainerId) -> Option<ExitStatus> {
        lock(&self.ended).iter().find(|(known, _)| known == id).map(|(_, exit)| *exit)
    }

    /// Something does not work as it should, or (with `None`) does again.
    pub(crate) fn trouble(&self, what: &str, sentence: Option<String>) {
        let mut troubles = lock(&self.troubles);
        match sentence {
            Some(sentence) => {
                log::warn!("{sentence}");
                troubles.insert(what.to_owned(), sentence);
            }
            None => drop(troubles.remove(what)),
        }
    }

    pub(crate) fn troubles(&self) -> Vec<String> {
        lock(&self.troubles).values().cloned().collect()
    }
}

/// The error of a call that names a container that is not there.
pub(crate) fn no_container(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no container {name:?}"))
}
