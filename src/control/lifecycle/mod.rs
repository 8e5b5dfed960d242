//! The life of a container.

pub(crate) mod context;
pub(crate) mod exec;
pub(crate) mod exec_options;
pub(crate) mod exit;
pub(crate) mod recover;
pub(crate) mod restart;
pub(crate) mod start;
pub(crate) mod stop;
