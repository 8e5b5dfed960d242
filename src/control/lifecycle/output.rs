//! The output of containers goes on being read when the process that reads it is killed.

use crate::control::container::Container;
use crate::control::lifecycle::context::Context;
use crate::control::output::reader;
use crate::control::phase::Phase;

/// Has the output of a container read that runs, unless a process does already.
pub(crate) async fn read(ctx: &Context, container: &Container) {
    let Some(target) = ctx.logs.target(&container.id, &container.policy().sink) else { return };
    // One that runs without a log has none.
    if !reader::exists(container.dir.path()) {
        return;
    }
    ctx.logs.hold(&container.id);
    let read = match ctx.runtime.monitor() {
        Some(monitor) => monitor.read_output(container.dir.path().to_owned(), target).await,
        None => ctx.logs.read_here(&container.id, target),
    };
    // One that has ended meanwhile has nothing more to say.
    if let Err(error) = read
        && reader::exists(container.dir.path())
    {
        log::warn!("container {} waits when it has much to write: {}", container.id, error.report());
    }
}

/// Takes up what a monitor has left that was killed, for as long as the daemon runs.
pub(crate) async fn read_on(ctx: &Context) {
    let Some(monitor) = ctx.runtime.monitor() else { return };
    monitor.watch_all().await;
    loop {
        monitor.ended().await;
        for container in ctx.registry.all() {
            // The next launch brings its reader along.
            if matches!(container.phase(), Phase::Running(_)) {
                read(ctx, &container).await;
            }
        }
    }
}
