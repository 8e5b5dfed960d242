//! Has the hook harvest what poststop missed: when the daemon starts, since the power may have gone, and when a
//! runtime may have forgotten the hook.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::control::container::Container;
use crate::control::lifecycle::context::Shared;
use crate::control::model::event::Event;
use crate::control::model::state::ExitStatus;
use crate::control::process::helper::{Helper, Streams};
use crate::error::{Error, ErrorKind, Result};
use crate::hook::sweep::{Sweep, Swept};

/// How long it may take. One that is killed loses nothing, and the next one goes on.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// How much it may say, in bytes; a dump is a few hundred.
const OUTPUT: usize = 4 * 1024 * 1024;

/// Sweeps come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    next: Mutex<()>,
    now: Mutex<()>,
}

impl Shared {
    /// Sweeps beside everything else, and tells of each dump whose container is known.
    pub(crate) fn sweep(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        self.spawn(async move {
            // Nobody else has images, and only root may look for them.
            let hook = shared.hook.as_ref().filter(|_| rustix::process::geteuid().is_root());
            let Some(hook) = hook else { return };
            // One that waits for its turn will see all that there is.
            let Ok(next) = shared.turn.next.try_lock() else { return };
            let _now = shared.turn.now.lock().await;
            drop(next);
            match run(hook).await {
                Ok(sweep) => tell(&shared, sweep),
                Err(error) => log::warn!("{}", error.report()),
            }
        });
    }

    /// Sweeps after a container for which poststop may not have run.
    pub(crate) fn sweep_after(self: &Arc<Self>, container: &Container) {
        if !container.wanted().dump_dirs.is_empty() {
            self.sweep();
        }
    }
}

async fn run(hook: &Path) -> Result<Sweep> {
    let mut helper = Helper::new(hook, Streams::Captured(OUTPUT), DEADLINE);
    helper.args(["sweep", "--json"]);
    let finished = helper.run().await?;
    serde_json::from_slice(&finished.stdout).map_err(|error| {
        let how = match finished.exit {
            _ if finished.timed_out => format!("did not end within {} minutes", DEADLINE.as_secs() / 60),
            ExitStatus::Code(0 | 1) => "gave no report".to_owned(),
            exit => format!("ended with {exit}"),
        };
        let said = crate::log::cut(String::from_utf8_lossy(&finished.stderr).trim());
        let what = format!("{} sweep {how}: {said}", hook.display());
        Error::new(ErrorKind::System, what).caused_by(error).advise("run it by hand")
    })
}

fn tell(shared: &Shared, sweep: Sweep) {
    for failure in sweep.failures {
        log::warn!("minidumps are left in an image: {failure}");
    }
    for Swept { path, container, harvest } in sweep.harvested {
        let whose = container.as_deref().unwrap_or("an unknown container");
        log::info!("harvested {} minidumps of {whose} late, from {}", harvest.dumps.len(), path.display());
        let Some(id) = container.and_then(|id| id.parse().ok()) else { continue };
        let dumps = harvest.dumps.into_iter().map(|dump| {
            let name = dump.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let truncated = dump.truncated.is_some();
            Event::Minidump { id: Clone::clone(&id), name, path: dump.path, size: dump.size, truncated }
        });
        shared.tell_dumps(dumps.collect(), true);
    }
}
