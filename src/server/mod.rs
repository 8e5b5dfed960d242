//! The daemon: sockets, guards and limits in front of the API.
//!
//! Everything runs on one thread. Ending it, in whatever way, leaves every container running.

pub mod answer;
pub mod config;
pub mod guard;
pub mod http;
pub mod limits;
pub mod listen;
pub mod stream;
pub mod websocket;

use std::rc::Rc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::control::Manager;
use crate::error::{Result, Tried};
use crate::rpc::Service;
use config::{Config, Options};
use guard::Guard;
use limits::{Room, Seldom};
use listen::Listeners;

/// What all connections share.
#[derive(Debug)]
pub struct Server {
    /// The API.
    pub service: Rc<Service>,
    /// Who may call.
    pub guard: Guard,
    /// The settings of the server.
    pub config: Config,
    /// Room for connections.
    pub room: Room,
    /// Turns true when the daemon ends.
    pub closing: watch::Sender<bool>,
    /// Requests that a guard refused.
    pub refusals: Seldom,
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// The settings are unusable, the state directory or an address is taken.
pub fn run(options: &Options) -> Result<()> {
    crate::sys::keep_heap_small();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .tried(|| "cannot start the runtime for asynchronous I/O")?;
    let outcome = LocalSet::new().block_on(&runtime, serve(options));
    // What still runs on behalf of clients who have gone must not keep us.
    runtime.shutdown_background();
    outcome
}

async fn serve(options: &Options) -> Result<()> {
    let (config, plugin) = (options.config()?, options.plugin()?);
    let told_to_end = told_to_end()?;
    // The state directory first: whoever holds it is the daemon.
    let manager = Manager::open(options.settings()).await?;
    let mut listeners = Listeners::open(&config)?;
    let server = Rc::new(Server {
        service: Service::new(manager, plugin),
        guard: Guard::new(&config, listeners.port()),
        config,
        room: Room::default(),
        closing: watch::Sender::new(false),
        refusals: Seldom::default(),
    });
    let made = listeners.made.take();
    let accepting = accept(&server, listeners);
    ready();
    told_to_end.await;
    log::info!("ending; containers go on");
    for task in accepting {
        task.abort();
    }
    drop(made);
    server.closing.send_replace(true);
    if tokio::time::timeout(limits::FAREWELL_TIME, server.room.emptied()).await.is_err() {
        log::warn!("ending with requests under way");
    }
    Ok(())
}

/// Ends at SIGTERM or SIGINT; the signals count from now on.
fn told_to_end() -> Result<impl Future<Output = ()>> {
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
                _ = hangup.recv() => log::info!("SIGHUP changes nothing: settings are read at the start"),
            }
        }
    })
}

fn accept(server: &Rc<Server>, listeners: Listeners) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = Vec::new();
    for listener in listeners.tcp {
        if let Ok(address) = listener.local_addr() {
            log::info!("answering on http://{address}/jsonrpc");
        }
        tasks.push(tokio::task::spawn_local(listen::accept_tcp(Rc::clone(server), listener)));
    }
    for listener in listeners.unix {
        if let Some(path) = listener.local_addr().ok().as_ref().and_then(|address| address.as_pathname()) {
            log::info!("answering on {}", path.display());
        }
        tasks.push(tokio::task::spawn_local(listen::accept_unix(Rc::clone(server), listener)));
    }
    tasks
}

/// Tells systemd, when it started us, that we answer.
fn ready() {
    if let Err(error) = sd_notify::notify(true, &[sd_notify::NotifyState::Ready]) {
        log::warn!("cannot tell systemd that we are ready: {error}");
    }
}
