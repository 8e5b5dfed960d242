//! What is left of a container that crashed.

pub(crate) mod minidump;
pub(crate) mod oomcrash;
