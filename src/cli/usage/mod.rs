//! Verbs that show what containers use.

pub(crate) mod info;
pub(crate) mod ps;
pub(crate) mod stats;
pub(crate) mod top;
