//! The table of all containers, and how the last ones ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control::container::Container;
use crate::control::descriptor::Descriptors;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::error::{Error, ErrorKind, Result};

/// The most exit statuses that are remembered of containers that have ended.
const MAX_REMEMBERED: usize = 64;

/// All containers, in the order of their starts.
#[derive(Debug)]
pub(crate) struct Registry {
    containers: Mutex<Containers>,
    exits: Mutex<VecDeque<(ContainerId, ExitStatus)>>,
}

#[derive(Debug)]
struct Containers {
    list: Vec<Arc<Container>>,
    descriptors: Descriptors,
}

/// What became of the claim to an id.
pub(crate) enum Claim {
    /// It is ours, by this new container.
    New(Arc<Container>),
    /// Another container has it.
    Taken(Arc<Container>),
}

/// The guarded value; nothing here holds an invariant that a panic could break.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub(crate) fn new() -> Self {
        let containers = Containers { list: Vec::new(), descriptors: Descriptors::new() };
        Self { containers: Mutex::new(containers), exits: Mutex::default() }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        lock(&self.containers).list.clone()
    }

    /// The container with this id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub(crate) fn find(&self, id: &ContainerId) -> Result<Arc<Container>> {
        self.look_up(id).ok_or_else(|| no_container(id.as_str()))
    }

    pub(crate) fn look_up(&self, id: &ContainerId) -> Option<Arc<Container>> {
        lock(&self.containers).list.iter().find(|container| container.id == *id).cloned()
    }

    /// Adds a container under a free descriptor, unless the id is taken.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when all descriptors are taken.
    pub(crate) fn claim(&self, id: &ContainerId, make: impl FnOnce(i32) -> Container) -> Result<Claim> {
        let mut containers = lock(&self.containers);
        let Containers { list, descriptors } = &mut *containers;
        if let Some(holder) = list.iter().find(|container| container.id == *id) {
            return Ok(Claim::Taken(Arc::clone(holder)));
        }
        let taken = |number| list.iter().any(|container| container.descriptor == number);
        let descriptor = descriptors
            .next(taken)
            .ok_or_else(|| Error::new(ErrorKind::Busy, "too many containers: the limit is 1023"))?;
        let container = Arc::new(make(descriptor));
        list.push(Arc::clone(&container));
        Ok(Claim::New(container))
    }

    /// Adds a container that an earlier daemon started, in its place by the time of its start.
    pub(crate) fn insert(&self, container: Arc<Container>) {
        let mut containers = lock(&self.containers);
        let place = containers.list.partition_point(|other| other.started <= container.started);
        containers.list.insert(place, container);
    }

    pub(crate) fn remove(&self, container: &Arc<Container>) {
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

    /// Remembers how a container ended, for clients that ask later.
    pub(crate) fn remember_exit(&self, id: &ContainerId, exit: ExitStatus) {
        let mut exits = lock(&self.exits);
        exits.retain(|(known, _)| known != id);
        exits.truncate(MAX_REMEMBERED - 1);
        exits.push_front((id.clone(), exit));
    }

    /// How the last container of this id ended.
    pub(crate) fn last_exit(&self, id: &ContainerId) -> Option<ExitStatus> {
        lock(&self.exits).iter().find(|(known, _)| known == id).map(|(_, exit)| *exit)
    }
}

/// The error of a call that names a container that does not exist.
pub(crate) fn no_container(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no container {name:?}"))
}
