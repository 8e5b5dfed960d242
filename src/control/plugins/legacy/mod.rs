//! Plugins of the oldest kind, which a specification lists in `plugins`: those that RDK's RuntimeManager asks for.

pub(super) mod ethanlog;
pub(super) mod opencdm;
