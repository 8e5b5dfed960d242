//! Methods that run commands in containers, and those with streams.

pub(crate) mod attach_container;
pub(crate) mod exec_stream;
pub(crate) mod execute_command;
pub(crate) mod run_command;
pub(crate) mod run_container;
