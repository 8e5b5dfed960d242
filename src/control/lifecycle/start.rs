//! Starts a container.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::control::bundle::policy::Wanted;
use crate::control::bundle::{config, source, spec};
use crate::control::container::{Container, Fate, Phase};
use crate::control::events::dumps::Before;
use crate::control::lifecycle::context::Shared;
use crate::control::lifecycle::exit;
use crate::control::model::event::Event;
use crate::control::model::request::{Source, StartRequest};
use crate::control::model::state::ExitStatus;
use crate::control::output::log_store::Output;
use crate::control::plugins::plugin::ContainerRef;
use crate::control::plugins::plugin_set::PluginSet;
use crate::control::plugins::{config_edit, mount_points, plugin_set};
use crate::control::process::handle::Process;
use crate::control::process::helper::Finished;
use crate::control::process::tree;
use crate::control::runtime::{Launch, OciState, Verb};
use crate::control::state::container_dir::{Record, Shelf};
use crate::dobby::{Conversion, Runtime};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::bundle::Bundle;

/// How much of the log is searched for the runtime's reason.
const REASON: u64 = 4096;
/// The runtime's pid file.
pub(crate) const PID_FILE: &str = "container.pid";
/// The runtime's complaints about a start whose output nobody keeps.
const RUNTIME_LOG: &str = "runtime.log";

impl Shared {
    /// Starts a container and gives its descriptor. Goes on when the caller goes away.
    pub(crate) async fn start(self: &Arc<Self>, request: StartRequest) -> Result<i32> {
        let shared = Arc::clone(self);
        let start = self.entrust(async move { shared.start_to_end(request).await });
        let broke_off = || Error::new(ErrorKind::System, "the start broke off");
        start.await.map_err(|error| broke_off().caused_by(error))?.ok_or_else(broke_off)?
    }

    async fn start_to_end(self: Arc<Self>, request: StartRequest) -> Result<i32> {
        let within = |error: Error| error.within(format_args!("cannot start container {}", request.id));
        let spec = spec::convert(&request, &self.settings).map_err(within)?;
        let container = self.take_id(&request).await?;
        let _change = container.change.lock().await;
        let (error, ran) = match self.launch(&container, &request, spec).await {
            Ok(()) => match keep(&container) {
                Ok(init) => {
                    self.came_up(&container, init);
                    return Ok(container.descriptor);
                }
                Err(error) => (error, true),
            },
            Err(error) => (error, false),
        };
        if ran {
            self.fail(&container).await
        } else {
            self.give_up(&container).await
        }
        Err(within(error))
    }

    /// It was started, and cannot be kept: nothing may be left of it, and everybody is told.
    pub(crate) async fn fail(self: &Arc<Self>, container: &Arc<Container>) {
        let (id, descriptor) = (container.id.clone(), container.descriptor);
        let failed = Event::Failed { id, descriptor, error_code: 1 };
        self.note_end(container, vec![failed.clone()], false);
        self.give_up(container).await;
        self.tell(failed);
        self.told_end(container);
    }

    /// Waits for a container of this id that is on its way out: whoever stopped it may start it anew at once.
    async fn take_id(self: &Arc<Self>, request: &StartRequest) -> Result<Arc<Container>> {
        let id = &request.id;
        let make = |descriptor| {
            let shelf = Shelf::new(&self.settings.state_dir, id);
            Container::new(id.clone(), descriptor, now(), shelf)
        };
        let patience = self.settings.stop_timeout + self.settings.runtime_timeout * 2;
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let holder = match self.reserve(id, make)? {
                Ok(container) => return Ok(container),
                Err(holder) => holder,
            };
            match holder.phase() {
                Phase::Stopping => {
                    tokio::time::timeout_at(deadline, holder.gone()).await.map_err(|_| {
                        Error::new(ErrorKind::Timeout, format!("the earlier container {id} does not end"))
                    })?;
                    if holder.phase() == Phase::Undeletable {
                        self.delete_again(&holder).await?;
                    }
                }
                Phase::Undeletable => self.delete_again(&holder).await?,
                Phase::Starting | Phase::Up => {
                    let what = format!("container {id} is {} already", holder.state());
                    return Err(Error::new(ErrorKind::Busy, what));
                }
            }
        }
    }

    /// Makes the shadow bundle and has the runtime run it.
    async fn launch(
        &self,
        container: &Container,
        request: &StartRequest,
        spec: Option<Conversion>,
    ) -> Result<()> {
        let shelf = &container.shelf;
        let site = ContainerRef::of(container);
        if shelf.dir().exists() {
            plugin_set::post_halt(site, ExitStatus::Unknown).await;
            self.clear(container, self.runtime.state(&container.id).await?).await?;
        }
        shelf.create()?;
        let bundle = self.bundle(container, request, spec)?;
        let mut config = config::config(bundle, request, self.hook.as_deref())?;
        config_edit::drop_launcher(&mut config);
        let runtime = Runtime::of_config(&config)?;
        container.wants(Wanted::new(&runtime, &config, &container.id));
        let (mut chain, missing) = PluginSet::of(&runtime)?;
        for warning in missing {
            log::warn!("container {}: {warning}", container.id);
        }
        let mounts = config["mounts"].as_array().map_or(0, Vec::len);
        let passed = chain.set_up(site, &mut config).await?;
        mount_points::make(&config, mounts);
        shelf.save_config(&config)?;
        drop((config, runtime));
        self.run(container, &chain, passed, self.log_for(container)?).await
    }

    /// Has the runtime run the container in the directory that was made for it, with what its plugins have `passed`.
    pub(crate) async fn run(
        &self,
        container: &Container,
        chain: &PluginSet,
        passed: Option<OwnedFd>,
        output: OwnedFd,
    ) -> Result<()> {
        let (shelf, site) = (&container.shelf, ContainerRef::of(container));
        shelf.save(&record(container, None))?;
        let log = container.wanted().sink.is_blind().then(|| shelf.file(RUNTIME_LOG));
        let verb = if chain.wants_process(site) { Verb::Create } else { Verb::Run };
        let launch = Launch { verb, id: &container.id, bundle: shelf.dir(), log: log.as_deref(), passed };
        let before = Before::look(&container.wanted().dump_dirs);
        let finished = self.runtime.run(launch, &shelf.file(PID_FILE), output)?.finish().await;
        // Of an earlier life: the hook found them in the image that it was to prepare.
        self.tell_dumps(before.new_ones(&container.id), false);
        if finished.timed_out {
            tree::end_work_on(shelf.dir(), finished.groups.clone()).await;
        }
        if finished.exit != ExitStatus::Code(0) {
            return Err(self.why(container, &finished));
        }
        if verb == Verb::Run {
            return Ok(());
        }
        chain.create_runtime(site, shelf.pid(PID_FILE)?).await?;
        self.runtime.start(&container.id).await
    }

    /// The bundle to start: the one that is named, or what becomes of the spec.
    fn bundle(
        &self,
        container: &Container,
        request: &StartRequest,
        spec: Option<Conversion>,
    ) -> Result<Bundle> {
        match (&request.source, spec) {
            (Source::Bundle(dir), _) => source::open(dir, &self.settings.bundle_roots),
            (Source::Spec(_), Some(spec)) => {
                let dir = spec::place(&spec, &container.shelf)?;
                source::open(&dir, &[])
            }
            (Source::Spec(_), None) => Err(Error::new(ErrorKind::System, "the spec was not converted")),
        }
    }

    /// The log, or a stand-in: a full disk must not keep a container from starting.
    pub(crate) fn log_for(&self, container: &Container) -> Result<OwnedFd> {
        match self.output.create(&container.id, &container.wanted().sink) {
            Ok(log) => {
                self.trouble("log", None);
                Ok(log)
            }
            Err(error) => {
                self.trouble("log", Some(format!("containers run without a log: {}", error.report())));
                Output::dummy()
            }
        }
    }

    /// The runtime's error; its last words are the last line of the new log.
    fn why(&self, container: &Container, finished: &Finished) -> Error {
        let sink = &container.wanted().sink;
        let said = if sink.is_blind() {
            container.shelf.text(RUNTIME_LOG).into_bytes()
        } else {
            self.output.read(&container.id, sink, None, REASON).unwrap_or_default().bytes
        };
        self.runtime.failure("run", &container.id, finished, &String::from_utf8_lossy(&said))
    }

    /// It runs: from now on its end is awaited.
    pub(crate) fn came_up(self: &Arc<Self>, container: &Arc<Container>, init: Process) {
        let init = Arc::new(init);
        container.came_up(Arc::clone(&init));
        self.tell_start(container);
        self.spawn(exit::watch(Arc::clone(self), Arc::clone(container), init));
    }

    /// A start failed: nothing may be left of it.
    pub(crate) async fn give_up(self: &Arc<Self>, container: &Arc<Container>) {
        self.output.unwatch(&container.id, &container.wanted().sink);
        let before = Before::look(&container.wanted().dump_dirs);
        // It may have run for a moment, while no daemon looked.
        plugin_set::post_halt(ContainerRef::of(container), ExitStatus::Unknown).await;
        let cleared = match self.runtime.state(&container.id).await {
            Ok(known) => self.clear(container, known).await,
            // A runtime that cannot even say that has nothing that could be deleted.
            Err(error) => {
                log::warn!("container {}: {}", container.id, error.report());
                put_away(container).await
            }
        };
        if let Err(error) = cleared {
            log::error!("container {} could not be cleaned up: {}", container.id, error.report());
        }
        self.tell_dumps(before.new_ones(&container.id), false);
        // A runtime that fails behind our hook may not call it again.
        self.sweep_after(container);
        self.forget(container);
        container.seal(Fate::NeverStarted);
    }

    /// Removes what is left of a container that does not run: from the runtime, which gave `known`, and here.
    ///
    /// # Errors
    /// The runtime's, and the directory stays for another try.
    pub(crate) async fn clear(&self, container: &Container, known: Option<OciState>) -> Result<()> {
        self.unmake(container, known).await?;
        put_away(container).await
    }

    /// Removes what is left of a container that does not run from the runtime, which gave `known`.
    ///
    /// # Errors
    /// The runtime's.
    pub(crate) async fn unmake(&self, container: &Container, known: Option<OciState>) -> Result<()> {
        let (id, shelf) = (&container.id, &container.shelf);
        match known {
            Some(state) if state.bundle == shelf.dir() => self.runtime.delete(id, true).await?,
            // Somebody else has a container of this name in the same runtime: hands off.
            Some(_) => {}
            // A start that was cut short may have left something that the runtime does not call a container.
            None => drop(self.runtime.delete(id, true).await),
        }
        Ok(())
    }
}

/// Removes all that is ours of a container that the runtime does not have any more.
pub(crate) async fn put_away(container: &Container) -> Result<()> {
    plugin_set::post_stop(ContainerRef::of(container), true).await;
    container.shelf.remove()
}

/// Takes hold of a container that the runtime started, so that a later daemon can do so, too.
pub(crate) fn keep(container: &Container) -> Result<Process> {
    let init = Process::inherit(container.shelf.pid(PID_FILE)?)?;
    container.shelf.save(&record(container, Some(&init)))?;
    Ok(init)
}

/// The time since the machine booted, in nanoseconds: the same for a later daemon, and nobody sets it.
pub(crate) fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(nanoseconds.unwrap_or_default())
}

/// What a later daemon must know.
pub(crate) fn record(container: &Container, init: Option<&Process>) -> Record {
    let (descriptor, started) = (container.descriptor, container.started);
    let restarts = container.wanted().restarts;
    Record { descriptor, started, init: init.map(Process::identity), restarts, untold: true, exit: None }
}
