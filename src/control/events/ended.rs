//! Waits for the end of a container.

use crate::control::events::bus::EventBus;
use crate::control::model::event::Origin;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::phase::Ending;
use crate::control::registry::{Registry, no_container};
use crate::error::{Error, ErrorKind, Result};

/// Waits until a container is gone, and gives how its last run ended. One that is restarted is not gone, whether after a
/// crash or for a client. Of one that has gone already, the end is given as long as it is remembered.
///
/// # Errors
/// [`ErrorKind::NotFound`] when no such end is known, or it never ran.
pub(crate) async fn wait(registry: &Registry, bus: &EventBus, id: &ContainerId) -> Result<ExitStatus> {
    let Some(mut container) = registry.look_up(id) else {
        let remembered = registry.last_exit(id);
        let known = if remembered.is_some() { remembered } else { bus.last_end(id).await };
        return known.ok_or_else(|| no_container(id.as_str()));
    };
    let mut last = None;
    loop {
        if let Ending::Ended(exit) = container.ending().await {
            last = Some(exit);
        }
        let Some(next) = container.successor.get().cloned() else { break };
        container = next;
    }
    // What an earlier daemon was removing when it ended; that one wrote down how it had ended.
    let earlier = || registry.last_exit(id).filter(|_| container.origin == Origin::EarlierDaemon);
    last.or_else(earlier)
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("container {id} did not start")))
}
