//! Has the runtime run a container: the first start and every restart alike.

use std::sync::Arc;
use std::time::SystemTime;

use crate::control::container::Container;
use crate::control::events::dumps::Snapshot;
use crate::control::lifecycle::cleanup;
use crate::control::lifecycle::context::Context;
use crate::control::model::event::{Event, Origin};
use crate::control::model::request::Stdin;
use crate::control::model::state::{ExitStatus, State};
use crate::control::monitor::client::Launched;
use crate::control::monitor::note::Note;
use crate::control::output::log_store::{LogStore, Output};
use crate::control::output::sink::Sink;
use crate::control::phase::Phase;
use crate::control::plugins::plugin::{ContainerRef, Passed};
use crate::control::plugins::plugin_set::PluginSet;
use crate::control::process::handle::Process;
use crate::control::process::helper::Finished;
use crate::control::process::tree;
use crate::control::run_notes;
use crate::control::runtime::{Launch, Verb};
use crate::control::state::container_dir::PID_FILE;
use crate::error::{Error, ErrorKind, Result};

/// The most bytes of the log that are searched for the runtime's reason.
const MAX_REASON: u64 = 4096;
/// The runtime's complaints about a start whose output cannot be read back.
const RUNTIME_LOG: &str = "runtime.log";

/// Runs a container in the directory that was made for it, with the descriptors that its plugins have `passed`.
///
/// # Errors
/// The runtime's, with its reason; those of required plugins.
pub(crate) async fn run(
    ctx: &Context,
    container: &Container,
    plugins: &PluginSet,
    passed: Vec<Passed>,
    output: Output,
) -> Result<()> {
    let (dir, target) = (&container.dir, ContainerRef::of(container));
    dir.save(&container.saved_state(None))?;
    dir.forget_run();
    run_notes::note_run(container, None);
    let log = container.policy().sink.is_write_only().then(|| dir.file(RUNTIME_LOG));
    let verb = if plugins.wants_process(target) { Verb::Create } else { Verb::Run };
    let passed = passed.into_iter().map(|passed| passed.resolve(&output.fd)).collect::<Result<_>>()?;
    let stdin = container.policy().stdin;
    let launch = Launch { verb, id: &container.id, bundle: dir.path(), log: log.as_deref(), passed, stdin };
    let begin = ctx.logs.end(&container.id, &container.policy().sink).unwrap_or(0);
    // It is launched once.
    let _first = container.output_begin.set(begin);
    let before = Snapshot::look(&container.policy().dump_dirs);
    let ran = ctx.runtime.run(launch, &dir.file(PID_FILE), output).await;
    if ran.is_err() {
        // A monitor that was killed has left it.
        tree::kill_runtimes_of(dir.path(), Vec::new()).await;
    }
    let Launched { finished, input } = ran?;
    // Of an earlier run: the hook found them in the image that it was to prepare.
    cleanup::announce_dumps(ctx, container, Origin::ThisDaemon, before.new_dumps(&container.id));
    if finished.timed_out {
        tree::kill_runtimes_of(dir.path(), finished.groups.clone()).await;
    }
    if finished.exit != ExitStatus::Code(0) {
        return Err(failure(ctx, container, &finished, begin));
    }
    if stdin != Stdin::Null && input.is_none() {
        return Err(Error::new(ErrorKind::System, "the runtime handed over no terminal"));
    }
    container.input.set(input);
    if verb == Verb::Run {
        return Ok(());
    }
    plugins.create_runtime(target, dir.pid()?).await?;
    ctx.runtime.start(&container.id).await
}

/// The runtime's error; its reason is in the last line that came behind `begin`. What is before that, an earlier run wrote.
fn failure(ctx: &Context, container: &Container, finished: &Finished, begin: u64) -> Error {
    let sink = &container.policy().sink;
    let text = if sink.is_write_only() {
        container.dir.text(RUNTIME_LOG).into_bytes()
    } else {
        ctx.logs.read(&container.id, sink, Some(begin), MAX_REASON).unwrap_or_default().bytes
    };
    let error = ctx.runtime.failure("run", &container.id, finished, &String::from_utf8_lossy(&text));
    if container.policy().stdin == Stdin::Terminal && error.report().contains("/dev/p") {
        return error
            .advise("a terminal needs a mount of type devpts at /dev/pts in the bundle's config.json");
    }
    error
}

/// The log, or a stand-in: a full disk must not keep a container from starting.
///
/// # Errors
/// The kernel's, when there can be no stand-in either.
pub(crate) fn open_log(ctx: &Context, container: &Container) -> Result<Output> {
    match ctx.logs.create(&container.id, &container.policy().sink) {
        Ok(log) => {
            if container.policy().sink == Sink::Log {
                ctx.health.recover("log");
            }
            Ok(log)
        }
        Err(error) if container.policy().sink == Sink::Log => {
            ctx.health.degrade("log", format!("containers run without a log: {}", error.report()));
            LogStore::stand_in()
        }
        // What is wrong with a file that the container's configuration names says nothing of the daemon.
        Err(error) => {
            log::warn!("container {} runs without a log: {}", container.id, error.report());
            LogStore::stand_in()
        }
    }
}

/// Takes hold of the first process of a container that the runtime started, so that a later daemon can do so, too.
///
/// # Errors
/// The runtime left no pid file, or the process is not there; the kernel's.
pub(crate) fn track_init(ctx: &Context, container: &Container) -> Result<Process> {
    let pid = container.dir.pid()?;
    let init = if ctx.runtime.monitor().is_some() {
        // It may have ended already.
        let noted = || Note::read(container.dir.path()).filter(|note| note.init.pid == pid);
        Process::open(pid)
            .or_else(|error| noted().map(|note| Process::ended(note.init, note.exit)).ok_or(error))?
    } else {
        Process::open_orphan(pid)?
    };
    container.dir.save(&container.saved_state(Some(&init)))?;
    Ok(init)
}

/// The container runs; its saved state says that its start is to be announced.
pub(crate) fn mark_running(container: &Arc<Container>, init: Process) -> Arc<Process> {
    let init = Arc::new(init);
    cleanup::transition(container, Phase::Running(Arc::clone(&init)));
    init
}

/// Announces that a container runs now, because it was started.
pub(crate) fn announce_running(ctx: &Context, container: &Arc<Container>) {
    cleanup::announce_state(ctx, container, State::Running);
    announce_start(ctx, container);
    if !container.policy().dump_dirs.is_empty() {
        container.dir.note_announced(SystemTime::now());
    }
    ctx.watcher.watch(container);
}

/// Announces the start of a container. A later daemon does so again, unless this was received by then.
pub(crate) fn announce_start(ctx: &Context, container: &Arc<Container>) {
    let started = Event::Started { id: container.id.clone(), descriptor: container.descriptor };
    ctx.outbox.deliver(ctx.outbox.kept_by_state(container, vec![started]));
}
