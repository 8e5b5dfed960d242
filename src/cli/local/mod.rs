//! Verbs that need no daemon, and the daemon itself.

pub(crate) mod convert_spec;
pub(crate) mod dumps;
pub(crate) mod serve;
