//! What the next daemon finds.

pub(crate) mod container_dir;
