//! A stop or restart that was accepted, as it is kept in the container's directory for a later daemon.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::clock::boottime;
use crate::control::container::Container;
use crate::control::lifecycle::context::Context;
use crate::control::state::container_dir::STOP;
use crate::error::Result;

/// What is in the file `stop.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AcceptedStop {
    /// When SIGKILL follows, in nanoseconds since the machine booted.
    pub(crate) kill_at: u64,
    /// Whether SIGTERM was sent.
    pub(crate) signalled: bool,
    /// How long the client wants to wait for SIGKILL, in nanoseconds; `None` when it left that to the settings.
    #[serde(default)]
    patience: Option<u64>,
    /// Whether the container is started again after its end.
    #[serde(default)]
    pub(crate) restart: bool,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl AcceptedStop {
    /// One that begins now, for what clients want of the container, with SIGKILL after `patience`.
    pub(crate) fn now(ctx: &Context, container: &Container, patience: Option<Duration>) -> Self {
        let patience = patience.map(nanoseconds);
        let time = patience.unwrap_or_else(|| nanoseconds(ctx.settings.stop_timeout));
        let restart = container.is_restart_requested();
        Self { kill_at: boottime().saturating_add(time), signalled: false, patience, restart }
    }

    /// The one that was accepted for a container, if there is one. When it is damaged, it begins again.
    pub(crate) fn read(ctx: &Context, container: &Container) -> Option<Self> {
        container.dir.note(STOP).unwrap_or_else(|error| {
            log::warn!("container {}: its stop begins again: {}", container.id, error.report());
            Some(Self::now(ctx, container, None))
        })
    }

    /// Keeps it for a later daemon. Without that the container is stopped all the same, as long as this one lives.
    pub(crate) fn save(self, container: &Container) {
        if let Err(error) = self.keep(container) {
            log::warn!(
                "container {}: a later daemon will not know of its stop: {}",
                container.id,
                error.report()
            );
        }
    }

    /// Keeps it for a later daemon.
    ///
    /// # Errors
    /// The kernel's: a full disk.
    pub(crate) fn keep(self, container: &Container) -> Result<()> {
        container.dir.replace_note(STOP, &self)
    }

    /// The same once SIGTERM was sent.
    pub(crate) fn once_signalled(self) -> Self {
        Self { signalled: true, ..self }
    }

    /// The same as a plain stop.
    pub(crate) fn without_restart(self) -> Self {
        Self { restart: false, ..self }
    }

    /// The same with what another client wants now: SIGKILL comes sooner for it, and never later.
    pub(crate) fn joined(self, other: Self) -> Self {
        let sooner = if other.kill_at < self.kill_at { other } else { self };
        Self { signalled: self.signalled, restart: other.restart, ..sooner }
    }

    /// How long until SIGKILL: never longer than was asked for, whatever is in the file.
    pub(crate) fn time_left(self, ctx: &Context) -> Duration {
        let most = self.patience.map_or(ctx.settings.stop_timeout, Duration::from_nanos);
        Duration::from_nanos(self.kill_at.saturating_sub(boottime())).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sooner_kill_and_the_later_word_count() {
        let stop =
            |kill_at, restart| AcceptedStop { kill_at, signalled: false, patience: Some(kill_at), restart };
        let sent = AcceptedStop { signalled: true, ..stop(5, true) };
        assert_eq!(sent.joined(stop(3, false)), AcceptedStop { signalled: true, ..stop(3, false) });
        assert_eq!(sent.joined(stop(9, false)), AcceptedStop { signalled: true, ..stop(5, false) });
        assert_eq!(stop(5, false).joined(stop(5, true)), stop(5, true));
    }

    #[test]
    fn what_an_earlier_version_wrote_is_a_plain_stop() {
        let stop: AcceptedStop = serde_json::from_str(r#"{"kill_at": 7, "signalled": true}"#).unwrap();
        assert_eq!(stop, AcceptedStop { kill_at: 7, signalled: true, patience: None, restart: false });
    }
}
