//! Events.

pub(crate) mod dumps;
pub(crate) mod outbox;
pub(crate) mod replay;
pub(crate) mod sweeper;
