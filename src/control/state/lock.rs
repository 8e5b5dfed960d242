//! The lock of the state directory: the process that holds it is the daemon.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;

/// How often, and how long apart, the lock is tried.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The state directory, locked for as long as this value lives or until it is released.
#[derive(Debug)]
pub(crate) struct StateLock(File);

impl StateLock {
    /// Makes the state directory if it is missing, and locks it for this process.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when another daemon has it, [`ErrorKind::Attack`] when others can change it.
    pub(crate) async fn take(state_dir: &Path) -> Result<Self> {
        let shown = state_dir.display();
        host::make_dir(state_dir, 0o700).map_err(|error| match rustix::process::geteuid().is_root() {
            true => error,
            false => error.advise("run as root, or give --state-dir, --log-dir, --socket and --runtime-root"),
        })?;
        let dir = host::open_dir(state_dir)?;
        host::check_trusted(state_dir)?;
        for _ in 0..LOCK_ATTEMPTS {
            if host::try_lock(&dir).tried(|| format!("cannot lock {shown}"))? {
                return Ok(Self(dir));
            }
            // A child of a daemon that was killed holds the lock, too, until it becomes the runtime.
            tokio::time::sleep(LOCK_INTERVAL).await;
        }
        let error = Error::new(ErrorKind::Busy, format!("another daemon holds {shown}"));
        Err(error.advise("stop it, or use another state directory"))
    }

    /// Lets the next daemon have the directory.
    pub(crate) fn release(&self) {
        // A child that is about to exec has a copy of the descriptor: closing ours would not be enough.
        if let Err(error) = host::unlock(&self.0) {
            log::warn!("cannot unlock the state directory: {error}");
        }
    }
}
