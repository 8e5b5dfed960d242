//! Background work that ends with the daemon.

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Starts background tasks and ends all of them.
#[derive(Debug)]
pub(crate) struct Tasks {
    closing: watch::Sender<bool>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { closing: watch::Sender::new(false) }
    }

    /// Spawns a task that ends by itself, or when the daemon closes.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let mut closing = self.closing.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                // First: nothing may happen any more once the state directory is given up.
                biased;
                _ = closing.wait_for(|closing| *closing) => {}
                () = work => {}
            }
        })
    }

    /// Ends all tasks at their next await.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }
}
