//! Starts, watches and stops containers through an OCI runtime.
//!
//! The runtime holds the containers and the state directory holds what the runtime does not know; this process is
//! a cache of both. Ending it, in whatever way, changes nothing for a container, and the next one takes over.
//!
//! A [`Manager`] must be opened inside a tokio runtime with one thread, and it reaps every child of the process:
//! others in the same process must start children through it, never by `std::process` or `tokio::process`.

mod adopt;
mod bundle;
mod cgroup;
pub mod child;
mod command;
mod container;
mod cut;
mod descriptor;
mod disk;
mod event;
mod exec;
mod exit;
mod family;
mod found;
mod harvested;
mod id;
mod journal;
mod manager;
mod minidump;
mod options;
mod output;
mod plugins;
mod process;
mod reaper;
mod request;
mod restart;
mod runtime;
mod settings;
mod shadow;
mod shared;
mod shelf;
mod sink;
mod spec;
mod start;
mod state;
mod stats;
mod stop;
mod sweep;
mod tail;
mod untold;
mod wanted;

pub use command::split;
pub use event::Event;
pub use id::ContainerId;
pub use manager::Manager;
pub use request::{ExecLimits, ExecOutput, ExecRequest, Source, StartRequest};
pub use settings::Settings;
pub use state::{ExitStatus, Health, Listed, State};
pub use tail::LogPart;
