//! Starts, watches and stops containers through an OCI runtime.
//!
//! The runtime holds the containers and the state directory holds what the runtime does not know; this process is
//! a cache of both. Ending it, in whatever way, changes nothing for a container, and the next one takes over.
//!
//! A [`Manager`] must be opened inside a tokio runtime with one thread, and it reaps every child of the process:
//! others in the same process must start children through it, never by `std::process` or `tokio::process`.

mod bundle;
mod container;
mod descriptor;
mod events;
mod health;
mod lifecycle;
mod manager;
mod model;
mod output;
mod plugins;
mod process;
mod runtime;
mod settings;
mod state;
mod stats;

pub use manager::Manager;
pub use model::command_line::split;
pub use model::event::Event;
pub use model::id::ContainerId;
pub use model::request::{ExecLimits, ExecOutput, ExecRequest, Source, StartRequest};
pub use model::state::{ExitStatus, Health, Listed, State};
pub use output::read::LogPart;
pub use process::helper;
pub use settings::Settings;
