//! Verbs that ask the daemon.

pub(crate) mod dump;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod stamps;
pub(crate) mod state;
pub(crate) mod tail;
pub(crate) mod version;
pub(crate) mod wait;
