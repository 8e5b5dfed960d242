//! Starts containers again that have ended: after a crash, when their configuration asks for it, or for a client.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::control::clock::boottime;
use crate::control::container::Container;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::{cleanup, launch};
use crate::control::model::state::ExitStatus;
use crate::control::output::log_store::Output;
use crate::control::plugins::plugin::ContainerRef;
use crate::control::plugins::plugin_set::PluginSet;
use crate::control::process::handle::Process;
use crate::control::state::container_dir::PID_FILE;
use crate::dobby::runtime::RuntimeExtras;
use crate::error::{Error, ErrorKind, Result};
use crate::host;

/// The most restarts in a row.
const MAX_RESTARTS: u32 = 10;
/// A container that ran this long has all its restarts again.
const RESET_TIME: Duration = Duration::from_secs(5 * 60);

/// The number of the next restart of a container that ended, if there is to be one.
pub(crate) fn next_number(container: &Container, exit: ExitStatus) -> Option<u32> {
    let ran = Duration::from_nanos(boottime().saturating_sub(container.started));
    count(container.policy().restarts?, ran, exit)
}

/// The number of the next restart after `restarts`, the last of which ran for `ran`. An unknown exit status, of a
/// container that an earlier daemon had started, may have been a success.
fn count(restarts: u32, ran: Duration, exit: ExitStatus) -> Option<u32> {
    let crashed = matches!(exit, ExitStatus::Signal(_) | ExitStatus::Code(1..));
    let restarts = if ran >= RESET_TIME { 0 } else { restarts };
    (crashed && restarts < MAX_RESTARTS).then_some(restarts + 1)
}

/// Starts `container`, which takes the place of one that ended and has its directory. The output goes on where it was.
/// `None` when it does not run; nothing is left of it then.
pub(crate) async fn restart(ctx: &Context, container: &Arc<Container>) -> Option<Arc<Process>> {
    let (id, sink) = (&container.id, &container.policy().sink);
    container.dir.discard(PID_FILE);
    let output = ctx.logs.append(id, sink).or_else(|_| launch::open_log(ctx, container));
    let ran = match output {
        Ok(output) => run(ctx, container, output).await,
        Err(error) => Err(error),
    };
    match ran.and_then(|()| launch::track_init(ctx, container)) {
        Ok(init) => {
            log::info!("container {id} is restarted");
            let init = launch::mark_running(container, init);
            launch::announce_running(ctx, container);
            Some(init)
        }
        Err(error) => {
            log::error!("container {id} cannot be restarted: {}", error.report());
            let _first = container.failure.set(error);
            cleanup::report_failed_start(ctx, container).await;
            None
        }
    }
}

/// The configuration to start a container with again: the one it had. What it names in a bundle of root's, where others may
/// have got to write since, is not taken.
///
/// # Errors
/// [`ErrorKind::Attack`] for such a bundle, [`ErrorKind::Bundle`] without a root file system.
pub(crate) fn config_of(container: &Container) -> Result<Value> {
    if let Some(bundle) = container.bundle.get() {
        host::check_trusted(host::nearest(bundle))?;
    }
    let config = container.dir.config()?;
    let root = Path::new(config["root"]["path"].as_str().unwrap_or_default());
    if !root.is_dir() {
        let what = format!("its root file system {} is gone", root.display());
        return Err(
            Error::new(ErrorKind::Bundle, what).advise("put it back, or start it from another bundle")
        );
    }
    Ok(config)
}

async fn run(ctx: &Context, container: &Container, output: Output) -> Result<()> {
    let config = config_of(container)?;
    let extras = RuntimeExtras::of_config(&config)?;
    let (plugins, _warned_before) = PluginSet::of(&extras, &ctx.settings.dobby_settings)?;
    let passed = plugins.prepare(ContainerRef::of(container), &config).await?;
    launch::run(ctx, container, &plugins, passed, output).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crashes_count_and_only_ten_in_a_row() {
        let short = Duration::from_secs(299);
        let cases = [
            (0, short, ExitStatus::Code(1), Some(1)),
            (9, short, ExitStatus::Signal(9), Some(10)),
            (10, short, ExitStatus::Signal(9), None),
            (10, RESET_TIME, ExitStatus::Signal(9), Some(1)),
            (0, short, ExitStatus::Code(0), None),
            (0, RESET_TIME, ExitStatus::Unknown, None),
        ];
        for (restarts, ran, exit, expected) in cases {
            assert_eq!(count(restarts, ran, exit), expected, "{restarts} {ran:?} {exit}");
        }
    }
}
