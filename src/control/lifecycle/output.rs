//! The output of containers goes on being read when the process that reads it is killed.

use std::os::fd::OwnedFd;

use crate::control::container::Container;
use crate::control::lifecycle::context::Context;
use crate::control::model::request::Stdin;
use crate::control::output::reader;

/// The way to the input of a container that runs: from the monitor that has it, if it is not known yet.
pub(crate) async fn input(ctx: &Context, container: &Container) -> Option<OwnedFd> {
    let known = container.input.get();
    if known.is_some() || container.policy().stdin == Stdin::Null {
        return known;
    }
    container.input.set(ctx.runtime.monitor()?.input(container.dir.path().to_owned()).await);
    container.input.get()
}

/// Ends the input of a container, if it is a pipe.
pub(crate) async fn close_input(ctx: &Context, container: &Container) {
    container.input.set(None);
    if let Some(monitor) = ctx.runtime.monitor() {
        monitor.close_input(container.dir.path().to_owned()).await;
    }
}

/// Has the terminal of a container read on when its monitor was killed. It is lost when no daemon ran meanwhile.
async fn read_terminal(ctx: &Context, container: &Container) {
    let Some(monitor) = ctx.runtime.monitor() else { return };
    let dir = container.dir.path().to_owned();
    let before = container.input.get();
    if let Some(input) = monitor.input(dir.clone()).await {
        container.input.set(Some(input));
    } else if let Some(terminal) = before {
        let target = ctx.logs.target(&container.id, &container.policy().sink);
        if let Err(error) = monitor.read_terminal(dir, target, terminal).await {
            log::warn!("container {}: {}", container.id, error.report());
        }
    }
}

/// Has the output of a container read that runs, unless a process does already.
pub(crate) async fn read(ctx: &Context, container: &Container) {
    match container.policy().stdin {
        Stdin::Null => {}
        Stdin::Pipe => drop(input(ctx, container).await),
        Stdin::Terminal => read_terminal(ctx, container).await,
    }
    read_pipe(ctx, container).await;
}

async fn read_pipe(ctx: &Context, container: &Container) {
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
            if container.init().is_some() {
                read(ctx, &container).await;
            }
        }
    }
}
