//! What a page about the box shows, while someone looks at it: nothing here is kept or sampled.
//!
//! - [`summary`]: where each container stands.
//! - [`dumps`]: the newest dumps that were brought to the host.

pub(crate) mod dumps;
pub(crate) mod summary;
