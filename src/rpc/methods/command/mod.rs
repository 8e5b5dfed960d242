//! Methods that run commands in containers.

pub(crate) mod exec_stream;
pub(crate) mod execute_command;
pub(crate) mod run_command;
