//! Waits for the start of a container.

use tokio::sync::broadcast::error::RecvError;

use crate::control::events::bus::EventBus;
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::phase::Phase;
use crate::control::registry::Registry;
use crate::error::{Error, ErrorKind, Result};

/// Waits until a container of this id runs, and gives its descriptor.
///
/// # Errors
/// [`ErrorKind::System`] when the daemon ends.
pub(crate) async fn wait(registry: &Registry, bus: &EventBus, id: &ContainerId) -> Result<i32> {
    // Before the look: what happens between the two is not missed then.
    let mut events = bus.subscribe();
    loop {
        if let Some(container) = registry.look_up(id)
            && matches!(container.phase(), Phase::Running(_))
        {
            return Ok(container.descriptor);
        }
        match events.recv().await {
            Ok(Event::Started { id: started, descriptor }) if started == *id => return Ok(descriptor),
            // Events that were lost: another look finds what they said.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => {
                let what = format!("cannot wait for container {id}: the daemon ends");
                return Err(Error::new(ErrorKind::System, what));
            }
        }
    }
}
