//! Has the hook harvest what poststop missed: when the daemon starts, since the power may have gone, and when a
//! runtime may have forgotten the hook.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::control::container::Container;
use crate::control::events::dumps;
use crate::control::events::outbox::Outbox;
use crate::control::model::event::Origin;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::process::helper::{Helper, Streams};
use crate::control::tasks::Tasks;
use crate::error::{Error, ErrorKind, Result};
use crate::hook::sweep::{Sweep, Swept};

/// How long a sweep may take. One that is killed loses nothing, and the next one goes on.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The most bytes of its report; a dump takes a few hundred.
const MAX_REPORT: usize = 4 * 1024 * 1024;

/// Runs sweeps one after the other; at most one is queued.
#[derive(Debug)]
pub(crate) struct Sweeper {
    /// The hook; `None` when there is none, or when we may not look for images.
    hook: Option<PathBuf>,
    outbox: Arc<Outbox>,
    tasks: Arc<Tasks>,
    queued: Mutex<()>,
    running: Mutex<()>,
}

impl Sweeper {
    pub(crate) fn new(hook: Option<PathBuf>, outbox: Arc<Outbox>, tasks: Arc<Tasks>) -> Arc<Self> {
        // Only root has images, and only root may look for them.
        let hook = hook.filter(|_| rustix::process::geteuid().is_root());
        Arc::new(Self { hook, outbox, tasks, queued: Mutex::default(), running: Mutex::default() })
    }

    /// Sweeps in the background, and announces each dump whose container is known.
    pub(crate) fn sweep(self: &Arc<Self>) {
        let sweeper = Arc::clone(self);
        self.tasks.spawn(async move {
            let Some(hook) = &sweeper.hook else { return };
            // A queued sweep already covers this request.
            let Ok(queued) = sweeper.queued.try_lock() else { return };
            let _running = sweeper.running.lock().await;
            drop(queued);
            match run(hook).await {
                Ok(sweep) => sweeper.announce(sweep),
                Err(error) => log::warn!("{}", error.report()),
            }
        });
    }

    /// Sweeps after a container for which poststop may not have run.
    pub(crate) fn sweep_after(self: &Arc<Self>, container: &Container) {
        if !container.policy().dump_dirs.is_empty() {
            self.sweep();
        }
    }

    fn announce(&self, sweep: Sweep) {
        for failure in sweep.failures {
            log::warn!("minidumps are left in an image: {failure}");
        }
        for Swept { path, container, harvest } in sweep.harvested {
            let whose = container.as_deref().unwrap_or("an unknown container");
            log::info!(
                "harvested {} minidumps of {whose} late, from {}",
                harvest.dumps.len(),
                path.display()
            );
            let Some(id) = container.and_then(|id| id.parse::<ContainerId>().ok()) else { continue };
            let dumps = dumps::of_harvest(&id, harvest);
            self.outbox.deliver(self.outbox.write_dumps(&id, Origin::EarlierDaemon, dumps));
        }
    }
}

async fn run(hook: &Path) -> Result<Sweep> {
    let mut helper = Helper::new(hook, Streams::Captured(MAX_REPORT), SWEEP_TIMEOUT);
    helper.args(["sweep", "--json"]);
    let finished = helper.run().await?;
    serde_json::from_slice(&finished.stdout).map_err(|error| {
        let how = match finished.exit {
            _ if finished.timed_out => format!("did not end within {} minutes", SWEEP_TIMEOUT.as_secs() / 60),
            ExitStatus::Code(0 | 1) => "gave no report".to_owned(),
            exit => format!("ended with {exit}"),
        };
        let stderr = crate::log::cut(String::from_utf8_lossy(&finished.stderr).trim());
        let what = format!("{} sweep {how}: {stderr}", hook.display());
        Error::new(ErrorKind::System, what).caused_by(error).advise("run it by hand")
    })
}
