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

/// Does work that the kernel may hold up, in a thread of its own. Not one of tokio's: it panics when there can be none.
///
/// # Errors
/// The kernel's, when there is no room for a thread, or it ended before its work.
pub(crate) async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    let (sender, done) = tokio::sync::oneshot::channel();
    // Its caller may not wait any more.
    std::thread::Builder::new().spawn(move || drop(sender.send(work())))?;
    done.await.map_err(std::io::Error::other)
}
