//! Starts a container again that crashed, as its spec wants it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::control::container::Container;
use crate::control::lifecycle::context::Shared;
use crate::control::lifecycle::start::{PID_FILE, keep, now};
use crate::control::model::state::ExitStatus;
use crate::control::plugins::plugin::ContainerRef;
use crate::control::plugins::plugin_set::PluginSet;
use crate::dobby::Runtime;
use crate::error::Result;

/// How often a container is started again.
const MOST: u32 = 10;
/// A container that ran this long has all its tries again.
const LONG: Duration = Duration::from_secs(5 * 60);

/// The number of the next try of a container that ended, if there is one.
pub(crate) fn next_try(container: &Container, exit: ExitStatus) -> Option<u32> {
    let ran = Duration::from_nanos(now().saturating_sub(container.started));
    count(container.wanted().restarts?, ran, exit)
}

/// The number of the next try after `tries`, the last of which ran for `ran`. How a container ended that an earlier
/// daemon started nobody saw; it may have been well.
fn count(tries: u32, ran: Duration, exit: ExitStatus) -> Option<u32> {
    let crashed = matches!(exit, ExitStatus::Signal(_) | ExitStatus::Code(1..));
    let tries = if ran >= LONG { 0 } else { tries };
    (crashed && tries < MOST).then_some(tries + 1)
}

impl Shared {
    /// Starts `container`, which takes the place of one that crashed and has its directory. The output goes on where
    /// it was.
    pub(crate) async fn start_again(self: &Arc<Self>, container: &Arc<Container>) {
        let (id, sink) = (&container.id, &container.wanted().sink);
        container.shelf.discard(PID_FILE);
        let output = self.output.append(id, sink).or_else(|_| self.log_for(container));
        self.output.watch(id, sink);
        let ran = match output {
            Ok(output) => self.run_again(container, output).await,
            Err(error) => Err(error),
        };
        match ran.and_then(|()| keep(container)) {
            Ok(init) => self.came_up(container, init),
            Err(error) => {
                log::error!("container {id} cannot be started again: {}", error.report());
                self.fail(container).await;
            }
        }
    }

    async fn run_again(&self, container: &Container, output: OwnedFd) -> Result<()> {
        let config = container.shelf.config()?;
        let (chain, _told_before) = PluginSet::of(&Runtime::of_config(&config)?)?;
        let passed = chain.prepare(ContainerRef::of(container), &config).await?;
        self.run(container, &chain, passed, output).await
    }
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
            (10, LONG, ExitStatus::Signal(9), Some(1)),
            (0, short, ExitStatus::Code(0), None),
            (0, LONG, ExitStatus::Unknown, None),
        ];
        for (tries, ran, exit, expected) in cases {
            assert_eq!(count(tries, ran, exit), expected, "{tries} {ran:?} {exit}");
        }
    }
}
