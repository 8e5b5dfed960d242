//! Methods that start, stop and delete containers.

pub(crate) mod delete_container;
pub(crate) mod pause_container;
pub(crate) mod restart_container;
pub(crate) mod resume_container;
pub(crate) mod signal_container;
pub(crate) mod start_container;
pub(crate) mod start_container_from_dobby_spec;
pub(crate) mod stop_container;
