//! Reads the processes of a container, which can keep a reader for as long as it likes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::control::container::Container;
use crate::control::stats::processes::processes;

/// How long the processes of a container may take to be read.
const READ_TIMEOUT: Duration = Duration::from_millis(500);
/// The stack of the thread that reads them, in bytes.
const READER_STACK_BYTES: usize = 256 * 1024;

/// The processes of a container, or null when the container keeps them from being read. At most one thread per
/// container is lost to such a one.
pub(crate) async fn processes_in_time(container: &Container, pids: Vec<i32>) -> Value {
    if container.being_read.swap(true, Ordering::AcqRel) {
        return Value::Null;
    }
    let being_read = Arc::clone(&container.being_read);
    let (sender, reading) = tokio::sync::oneshot::channel();
    let read = move || {
        let processes = processes(&pids);
        being_read.store(false, Ordering::Release);
        // No caller waits any more for what took too long.
        let _late = sender.send(processes);
    };
    // Not tokio's threads: it panics when there can be none.
    if let Err(error) = std::thread::Builder::new().stack_size(READER_STACK_BYTES).spawn(read) {
        log::warn!("cannot read the processes of container {}: {error}", container.id);
        container.being_read.store(false, Ordering::Release);
    }
    match tokio::time::timeout(READ_TIMEOUT, reading).await {
        Ok(Ok(processes)) => processes,
        _ => Value::Null,
    }
}
