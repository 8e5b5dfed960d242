//! Where each container stands, from what the daemon knows anyway: no process and no cgroup is read, but for the one file
//! that says whether a container is frozen.

use std::time::Duration;

use crate::control::clock::boottime;
use crate::control::container::Container;
use crate::control::manager::Manager;
use crate::control::model::id::ContainerId;
use crate::control::model::state::State;
use crate::control::settings::Settings;

/// One container in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: ContainerId,
    /// The number Dobby's clients know it by.
    pub descriptor: i32,
    /// Where it stands.
    pub state: State,
    /// How long ago it was started, or restarted; `None` when that is not known.
    pub age: Option<Duration>,
    /// How often it was restarted in a row; `None` for a container that is not restarted.
    pub restarts: Option<u32>,
}

impl Manager {
    /// All containers in short, in the order of their starts.
    #[must_use]
    pub fn summaries(&self) -> Vec<Summary> {
        let now = boottime();
        self.ctx().registry.all().iter().map(|container| summary(container, now)).collect()
    }

    /// The settings that containers are run with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.ctx().settings
    }
}

fn summary(container: &Container, now: u64) -> Summary {
    let started = Some(container.started).filter(|started| *started != 0);
    Summary {
        id: container.id.clone(),
        descriptor: container.descriptor,
        state: container.state(),
        age: started.map(|started| Duration::from_nanos(now.saturating_sub(started))),
        restarts: container.policy().restarts,
    }
}
