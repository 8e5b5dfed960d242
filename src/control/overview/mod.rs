//! What a page about the box shows, while someone looks at it: nothing here is kept or sampled.
//!
//! - [`summary`]: where each container stands.
//! - [`dumps`]: the newest dumps that were brought to the host.
//! - [`stack`]: the stacks in one of them.
//! - [`past`]: what happened: the last events, and the containers that have ended.

pub(crate) mod dumps;
pub(crate) mod past;
pub(crate) mod stack;
pub(crate) mod summary;
