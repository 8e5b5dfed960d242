//! Runs the daemon from its start to its end.

use std::rc::Rc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

use crate::control::Manager;
use crate::error::{Result, Tried};
use crate::rpc::service::Service;
use crate::server::bus;
use crate::server::config::ServeOptions;
use crate::server::daemon::Daemon;
use crate::server::guard::Guard;
use crate::server::limits::{self, ConnectionSlots, RateLimited};
use crate::server::listen::{self, Listeners};
use crate::server::log_level::LogLevel;
use crate::server::stream::places::Places;

/// The shortest time of systemd's watchdog that is kept.
const MIN_WATCHDOG: Duration = Duration::from_millis(10);

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// The settings are unusable, the state directory or an address is taken.
pub fn run(options: &ServeOptions, level: &LogLevel) -> Result<()> {
    crate::sys::keep_heap_small();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .tried(|| "cannot start the runtime for asynchronous I/O")?;
    let outcome = LocalSet::new().block_on(&runtime, serve(options, level));
    // What still runs on behalf of clients that have gone away must not delay the end.
    runtime.shutdown_background();
    outcome
}

async fn serve(options: &ServeOptions, level: &LogLevel) -> Result<()> {
    let (config, identity) = (options.config()?, options.identity()?);
    let settings = options.settings();
    settings.runtime_program()?;
    let shutdown_signal = shutdown_signal(level)?;
    // The state directory first: the process that holds it is the daemon.
    let manager = Manager::open(settings).await?;
    let mut listeners = Listeners::open(&config)?;
    let daemon = Rc::new(Daemon {
        service: Service::new(manager, identity),
        guard: Guard::new(config.guard.clone(), config.listen, listeners.port()),
        config,
        slots: ConnectionSlots::default(),
        places: Places::default(),
        closing: watch::Sender::new(false),
        refusals: RateLimited::default(),
    });
    let made = listeners.made.take();
    let bus = bus::start(&daemon)?;
    let accepting = accept(&daemon, listeners);
    notify(NotifyState::Ready);
    tokio::select! {
        () = shutdown_signal => {}
        () = bus.asked_to_end() => {}
        () = feed_watchdog(&daemon, &accepting) => {}
    }
    log::info!("shutting down; containers keep running");
    for task in accepting {
        task.abort();
    }
    drop(made);
    daemon.closing.send_replace(true);
    let ended = async { tokio::join!(daemon.slots.emptied(), daemon.places.emptied(), bus.close()) };
    if tokio::time::timeout(limits::SHUTDOWN_GRACE, ended).await.is_err() {
        log::warn!("shutdown timed out with requests in progress");
    }
    Ok(())
}

/// Resolves on SIGTERM or SIGINT; the handlers are installed immediately.
fn shutdown_signal(level: &LogLevel) -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).tried(|| "cannot wait for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                // A terminal that closes must not end the daemon.
                _ = hangup.recv() => level.reload(),
            }
        }
    })
}

fn accept(daemon: &Rc<Daemon>, listeners: Listeners) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = Vec::new();
    for listener in listeners.tcp {
        if let Ok(address) = listener.local_addr() {
            log::info!("answering on http://{address}/jsonrpc");
        }
        tasks.push(tokio::task::spawn_local(listen::accept_tcp(Rc::clone(daemon), listener)));
    }
    for listener in listeners.unix {
        if let Some(path) = listener.local_addr().ok().as_ref().and_then(|address| address.as_pathname()) {
            log::info!("answering on {}", path.display());
        }
        tasks.push(tokio::task::spawn_local(listen::accept_unix(Rc::clone(daemon), listener)));
    }
    tasks
}

/// Notifies systemd, if it started the daemon. Programs that the daemon runs have an environment of their own, without the
/// socket for that.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        log::warn!("cannot notify systemd: {error}");
    }
}

/// Notifies systemd's watchdog twice in its time (sd_watchdog_enabled(3)), for ever, as long as the daemon works: this runs
/// only when the one thread is free, and stops when clients are not accepted any more.
async fn feed_watchdog(daemon: &Daemon, accepting: &[tokio::task::JoinHandle<()>]) {
    let mut microseconds = 0;
    if !sd_notify::watchdog_enabled(false, &mut microseconds) {
        return std::future::pending().await;
    }
    let mut interval = tokio::time::interval(Duration::from_micros(microseconds).max(MIN_WATCHDOG) / 2);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if accepting.iter().any(tokio::task::JoinHandle::is_finished) {
            log::error!("clients are not accepted any more: systemd's watchdog is to restart the daemon");
            return std::future::pending().await;
        }
        // Takes the table of all containers, which every call needs.
        let _there = daemon.service.manager().list().len();
        notify(NotifyState::Watchdog);
    }
}
