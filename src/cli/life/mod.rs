//! Verbs that start, stop and use containers.

pub(crate) mod attach;
pub(crate) mod delete;
pub(crate) mod exec;
pub(crate) mod kill;
pub(crate) mod not_run;
pub(crate) mod pause;
pub(crate) mod restart;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod start;
pub(crate) mod start_spec;
pub(crate) mod stop;
