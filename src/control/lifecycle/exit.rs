//! What happens when a container ends: it is deleted, its dumps are harvested, and then it is told.

use std::sync::Arc;

use crate::control::container::{Container, Fate, Phase};
use crate::control::events::outbox;
use crate::control::lifecycle::context::Shared;
use crate::control::lifecycle::restart;
use crate::control::lifecycle::start::{now, put_away};
use crate::control::model::event::Event;
use crate::control::model::state::ExitStatus;
use crate::control::plugins::plugin::ContainerRef;
use crate::control::plugins::plugin_set;
use crate::control::process::handle::Process;
use crate::error::Result;

/// Waits for the end of a container and cleans up after it.
pub(crate) async fn watch(shared: Arc<Shared>, container: Arc<Container>, init: Arc<Process>) {
    let exit = init.ended().await;
    // Boxed: while a container lives, nothing of its clean-up takes memory.
    Box::pin(finish(shared, container, exit)).await;
}

/// Cleans up after a container that ended.
pub(crate) async fn finish(shared: Arc<Shared>, container: Arc<Container>, exit: ExitStatus) {
    container.enter(Phase::Stopping);
    let _change = container.change.lock().await;
    outbox::note_exit(&container, exit);
    let deleted = shared.delete_ended(&container, exit).await;
    shared.output.unwatch(&container.id, &container.wanted().sink);
    let next = restart::next_try(&container, exit).filter(|_| deleted.is_ok());
    if next.is_some() {
        plugin_set::post_stop(ContainerRef::of(&container), false).await;
    }
    // Nothing is waited for from here on to the exchange: a stop comes before it or after it.
    let next = next.filter(|_| !container.is_unwanted()).map(|number| container.again(now(), number));
    let (id, descriptor) = (container.id.clone(), container.descriptor);
    let stopped = Event::Stopped { id: id.clone(), descriptor, exit };
    let deleted = match deleted {
        Ok(dumps) => {
            let events = dumps.into_iter().chain([stopped.clone()]).collect();
            shared.note_end(&container, events, next.is_some());
            if next.is_none() { put_away(&container).await } else { Ok(()) }
        }
        Err(error) => Err(error),
    };
    shared.remember(&id, exit);
    let next = next.map(Arc::new);
    let _start = next.as_ref().and_then(|next| next.change.try_lock().ok());
    match (deleted, &next) {
        (Ok(()), Some(next)) => shared.replace(&container, next),
        (Ok(()), None) => shared.forget(&container),
        (Err(error), _) => {
            let sentence = format!("container {id} ended but cannot be deleted: {}", error.report());
            shared.trouble(&format!("container {id}"), Some(sentence));
            container.enter(Phase::Undeletable);
        }
    }
    log::info!("container {id} ended with {exit}");
    shared.tell_of(&container, stopped);
    shared.told_end(&container);
    container.seal(Fate::Ended(exit));
    if let Some(next) = &next {
        log::info!("container {} is started again", next.id);
        shared.start_again(next).await;
    }
}

impl Shared {
    /// Deletes a container whose init has ended, and tells of its dumps.
    async fn delete_ended(self: &Arc<Self>, container: &Container, exit: ExitStatus) -> Result<Vec<Event>> {
        let mut before = self.directories.reserve(&container.wanted().dump_dirs).await;
        if container.init().is_none()
            && let Some(time) = outbox::silence(container)
        {
            // An earlier daemon may have been killed between the harvest and the event.
            before.forget_since(&container.id, time);
        }
        let deleted = self.delete_from_runtime(container, exit).await;
        let dumps = before.new_ones(&container.id);
        self.tell_dumps(dumps.clone(), self.found.has(container));
        deleted.map(|()| dumps)
    }

    /// Poststop hooks run now, so the bundle must still be there.
    async fn delete_from_runtime(self: &Arc<Self>, container: &Container, exit: ExitStatus) -> Result<()> {
        let id = &container.id;
        plugin_set::post_halt(ContainerRef::of(container), exit).await;
        if let Err(error) = self.runtime.delete(id, false).await {
            // Processes that outlived the init, a state file that was damaged: force helps against both.
            log::debug!("{}", error.report());
            let known = self.runtime.state(id).await?;
            let unmade = self.unmake(container, known).await;
            self.sweep_after(container);
            return unmade;
        }
        Ok(())
    }

    /// Tries once more to delete a container that ended long ago.
    pub(crate) async fn delete_again(self: &Arc<Self>, container: &Arc<Container>) -> Result<()> {
        let _change = container.change.lock().await;
        if container.phase() != Phase::Undeletable || self.look_up(&container.id).is_none() {
            return Ok(());
        }
        let dumps = self.delete_ended(container, ExitStatus::Unknown).await?;
        self.note_end(container, dumps, false);
        put_away(container).await?;
        self.told_end(container);
        self.forget(container);
        self.trouble(&format!("container {}", container.id), None);
        Ok(())
    }
}
