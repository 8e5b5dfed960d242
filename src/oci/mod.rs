//! What an OCI runtime hands over: the state on stdin and the bundle with its `config.json`.

pub mod bundle;
pub mod hooks;
pub mod id;
pub mod run;
pub mod state;
pub mod subject;
