//! The public handle of the control layer; `inside`: what it does in a container that runs.

mod inside;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::control::events::bus::Subscription;
use crate::control::events::ended;
use crate::control::events::journal::Since;
use crate::control::events::started;
use crate::control::health::{LOG_BYTES, STATE_BYTES, descriptor_problem, disk_problem};
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::inside::annotate;
use crate::control::lifecycle::stop::StopOptions;
use crate::control::lifecycle::{output, recover, renew, stop, supervisor};
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::model::request::StartRequest;
use crate::control::model::signal::Signal;
use crate::control::model::state::{ExitStatus, Health, Listed, State};
use crate::control::output::log_store::{LogBegin, LogStore};
use crate::control::output::read::LogPart;
use crate::control::output::sink::Sink;
use crate::control::output::times::known::Came;
use crate::control::process::{reaper, tree};
use crate::control::registry::no_container;
use crate::control::settings::Settings;
use crate::control::state::lock::StateLock;
use crate::control::stats;
use crate::error::{Error, ErrorKind, Result, Tried};

/// A handle to all containers; a clone costs a reference count. `Send` and `Sync`, as are all its futures.
/// When the last clone is dropped, the background work ends and the state directory is free for the next one;
/// the containers go on.
#[derive(Debug, Clone)]
pub struct Manager {
    handle: Arc<Handle>,
}

/// Ends the background work with the last clone.
#[derive(Debug)]
struct Handle(Arc<Context>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.tasks.close();
        self.0.watcher.stop();
        self.0.lock.release();
    }
}

impl Manager {
    /// Takes the state directory, adopts the containers that run and cleans up those that ended meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when another daemon holds the state directory.
    pub async fn open(mut settings: Settings) -> Result<Self> {
        let lock = StateLock::take(&settings.state_dir).await?;
        // Runtimes note where a bundle really is, and by that we know our containers.
        let what = || format!("cannot resolve {}", settings.state_dir.display());
        let state_dir = std::fs::canonicalize(&settings.state_dir).tried(what)?;
        settings.state_dir = state_dir;
        let logs = LogStore::open(&settings);
        let ctx = Arc::new(Context::new(settings, logs, lock));
        reaper::adopt_orphans()?;
        ctx.tasks.spawn(reaper::serve()?);
        let shared = Arc::clone(&ctx);
        ctx.tasks.spawn(async move { output::read_on(&shared).await });
        recover::recover(&ctx)?;
        if ctx.settings.fresh {
            recover::remove_all(&ctx).await;
        }
        ctx.sweeper.sweep();
        Ok(Self { handle: Arc::new(Handle(ctx)) })
    }

    pub(in crate::control) fn ctx(&self) -> &Arc<Context> {
        &self.handle.0
    }

    /// All containers, in the order of their starts; those that are starting or stopping included.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let containers = self.ctx().registry.all();
        containers.iter().map(|c| Listed { descriptor: c.descriptor, id: c.id.clone() }).collect()
    }

    /// The container with this id, or with this descriptor in decimal.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Input`] when it cannot be an id.
    pub fn resolve(&self, id_or_descriptor: &str) -> Result<ContainerId> {
        // No id is all digits.
        if let Ok(descriptor) = id_or_descriptor.parse::<i32>() {
            let containers = self.ctx().registry.all();
            let found = containers.iter().find(|container| container.descriptor == descriptor);
            return found.map(|c| c.id.clone()).ok_or_else(|| no_container(id_or_descriptor));
        }
        let id = id_or_descriptor.parse()?;
        self.ctx().registry.find(&id)?;
        Ok(id)
    }

    /// The state of a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub fn state(&self, id: &ContainerId) -> Result<State> {
        Ok(self.ctx().registry.find(id)?.state())
    }

    /// The `info` object of `getContainerInfo`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub async fn info(&self, id: &ContainerId) -> Result<Value> {
        let container = self.ctx().registry.find(id)?;
        let pids = stats::pids(container.cgroups()).unwrap_or_else(|| {
            // Without a cgroup of its own, its processes are its init's descendants.
            container.init().map_or_else(Vec::new, |init| tree::with_descendants(init.identity().pid))
        });
        let processes = stats::processes_in_time(&container, pids.clone()).await;
        let annotations = annotate::of(&container);
        let annotations = if annotations.is_empty() { Value::Null } else { json!(annotations) };
        Ok(stats::info(&container, &pids, processes, annotations))
    }

    /// Starts a container and gives its descriptor, once its program runs.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when the id is taken; others with the runtime's reason. Nothing is left behind then.
    pub async fn start(&self, request: StartRequest) -> Result<i32> {
        Ok(supervisor::start(self.ctx(), request).await?.descriptor)
    }

    /// Stops a container: SIGTERM, and SIGKILL after the stop timeout; SIGKILL at once when `force`.
    /// Returns once the signal is sent. A paused container is resumed so that the signal reaches it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the kernel's when the signal cannot be sent.
    pub async fn stop(&self, id: &ContainerId, force: bool) -> Result<()> {
        self.stop_with(id, StopOptions { force, timeout: None }).await
    }

    /// Stops a container as the options say. Of several stops of one container, the earliest SIGKILL counts.
    ///
    /// # Errors
    /// As [`Manager::stop`].
    pub async fn stop_with(&self, id: &ContainerId, options: StopOptions) -> Result<()> {
        stop::stop(self.ctx(), id, options).await
    }

    /// Stops a container, with SIGKILL after `timeout` or else the stop timeout, and starts it again as it was: with the
    /// configuration that the runtime got for it. Gives its descriptor, once it runs again. A daemon that ends meanwhile
    /// leaves the rest to the next one.
    ///
    /// # Errors
    /// As [`Manager::stop`]; the runtime's, and nothing is left of the container then.
    pub async fn restart(&self, id: &ContainerId, timeout: Option<Duration>) -> Result<i32> {
        renew::restart(self.ctx(), id, timeout).await
    }

    /// Sends a signal to the first process of a container. SIGKILL is a forced stop; any other signal promises nothing: one
    /// that is paused gets it when it is resumed, and one that is restarted after crashes is so when the signal ends it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] for a hibernated container; the kernel's.
    pub async fn signal(&self, id: &ContainerId, signal: Signal) -> Result<()> {
        renew::signal(self.ctx(), id, signal).await
    }

    /// Freezes a running container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] in any state but Running; the runtime's.
    pub async fn pause(&self, id: &ContainerId) -> Result<()> {
        stop::pause(self.ctx(), id).await
    }

    /// Thaws a paused container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] in any state but Paused; the runtime's.
    pub async fn resume(&self, id: &ContainerId) -> Result<()> {
        stop::resume(self.ctx(), id).await
    }

    /// Deletes a container with all its state, and returns when it is gone and its dumps are harvested.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] when it runs and `force` is false; the runtime's.
    pub async fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        stop::delete(self.ctx(), id, force).await
    }

    /// Waits until a container is gone (its last Stopped event was sent) and gives the exit status of its last run. One that
    /// is restarted, after a crash or for a client, is not gone. Works for containers that have ended, too, also before this
    /// daemon began: as long as the journal of events knows.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Timeout`].
    pub async fn wait(&self, id: &ContainerId, timeout: Option<Duration>) -> Result<ExitStatus> {
        let wait = ended::wait(&self.ctx().registry, &self.ctx().bus, id);
        let Some(timeout) = timeout else { return wait.await };
        tokio::time::timeout(timeout, wait).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("container {id} has not ended in time")))
        })
    }

    /// Waits until a container of this id runs, and gives its descriptor. It need not be there yet.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`]; [`ErrorKind::System`] when the daemon ends.
    pub async fn wait_started(&self, id: &ContainerId, timeout: Option<Duration>) -> Result<i32> {
        let wait = started::wait(&self.ctx().registry, &self.ctx().bus, id);
        let Some(timeout) = timeout else { return wait.await };
        tokio::time::timeout(timeout, wait).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("container {id} has not started in time")))
        })
    }

    /// The configuration that the runtime got for a container: the bundle's with all that was added.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the kernel's.
    pub fn config(&self, id: &ContainerId) -> Result<Value> {
        self.ctx().registry.find(id)?.dir.config()
    }

    /// Up to `bytes` of a container's output: those from the place `from` on, which an earlier call gave, or else the
    /// last ones. Also of one that ended, as long as its log exists.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no log, [`ErrorKind::Input`] when it cannot be an id.
    pub fn logs(&self, id: &str, from: Option<u64>, bytes: u64) -> Result<LogPart> {
        let (id, sink) = self.output_of(id)?;
        self.ctx().logs.read(&id, &sink, from, bytes)
    }

    /// As [`Self::logs`], also from a time on, and with what is known of when it came.
    ///
    /// # Errors
    /// As with [`Self::logs`].
    pub fn logs_with_times(&self, id: &str, begin: LogBegin, bytes: u64) -> Result<(LogPart, Vec<Came>)> {
        let (id, sink) = self.output_of(id)?;
        self.ctx().logs.read_with_times(&id, &sink, begin, bytes)
    }

    fn output_of(&self, id: &str) -> Result<(ContainerId, Sink)> {
        let id = id.parse()?;
        let logs = &self.ctx().logs;
        let container = self.ctx().registry.look_up(&id);
        let sink = container.map_or_else(|| logs.last_sink(&id), |container| container.policy().sink.clone());
        Ok((id, sink))
    }

    /// Subscribes to everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.ctx().bus.subscribe()
    }

    /// Events of containers that an earlier daemon started, sent before `subscription` began or received by it: for a
    /// client that lost that daemon, each with its number. Empty once this daemon has run for a minute.
    #[must_use]
    pub fn replay(&self, subscription: &Subscription) -> Vec<(u64, Event)> {
        self.ctx().bus.replay(subscription)
    }

    /// What came after the event with this number, and before what `subscription` receives next: for a client that saw that
    /// event and lost its connection since, also if that was to an earlier daemon.
    pub async fn since(&self, number: u64, subscription: &Subscription) -> Since {
        self.ctx().bus.since(number, subscription).await
    }

    /// What the daemon cannot do at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut degraded = self.ctx().health.problems();
        let (logs, state) = (&self.ctx().settings.log_dir, &self.ctx().settings.state_dir);
        degraded.extend(disk_problem("containers' output is lost", logs, LOG_BYTES));
        degraded.extend(disk_problem("no container can start", state, STATE_BYTES));
        degraded.extend(descriptor_problem().map(|why| format!("no container can start: {why}")));
        Health { degraded }
    }
}
