//! Starts, watches and stops containers through an OCI runtime.
//!
//! The runtime holds the containers and the state directory holds what the runtime does not know; the daemon only caches
//! both. Stopping or killing it does not affect containers, and the next daemon takes over.
//!
//! A [`Manager`] must be opened inside a tokio runtime with one thread, and it reaps every child of the process:
//! no other part of the same process can learn how a child of its own ended.
//!
//! The modules, from the bottom up:
//!
//! - `clock`: clocks that are never set; `tasks`: background work that ends with the daemon.
//! - `id_range`: user or group ids that an administrator names.
//! - `settings`: the settings of this layer.
//! - `health`: what the daemon cannot do at the moment.
//! - `model`: requests, states and events, as callers see them.
//! - `process`: processes of the host, their trees and cgroups.
//! - `output`: where containers write, and their logs.
//! - `input`: what containers read.
//! - `monitor`: the process that outlives the daemon as the parent of containers.
//! - `runtime`: the OCI runtime's command line.
//! - `memcr`: memcr's protocol.
//! - `state`: what the next daemon finds.
//! - `bundle`: the bundle that the runtime gets.
//! - `phase`: where a container stands, with the state diagram; `container`: one container; `run_notes`: what is noted of its run.
//! - `descriptor`: the numbers of containers; `registry`: the table of them all.
//! - `events`: events, from what happened to the subscribers.
//! - `plugins`: Dobby's plugins.
//! - `stats`: what a container uses.
//! - `lifecycle`: a transition per file: start, exit, restart, stop, recovery.
//! - `manager`: the public handle.
//! - `overview`: what a page about the box shows.

mod bundle;
mod clock;
mod container;
mod descriptor;
mod events;
mod health;
mod id_range;
mod input;
mod lifecycle;
mod manager;
mod memcr;
mod model;
mod monitor;
mod output;
mod overview;
mod phase;
mod plugins;
mod process;
mod registry;
mod run_notes;
mod runtime;
mod settings;
mod state;
mod stats;
mod tasks;

pub use events::bus::Subscription;
pub use events::journal::{PastEvent, Since};
pub use id_range::IdRange;
pub use lifecycle::inside::mount::MountRequest;
pub use lifecycle::stop::StopOptions;
pub use manager::Manager;
pub use memcr::{Compression, HibernateOptions};
pub use model::command_line::split_words;
pub use model::event::Event;
pub use model::id::ContainerId;
pub use model::request::{ExecLimits, ExecOutput, ExecRequest, Source, StartRequest, WindowSize};
pub use model::signal::Signal;
pub use model::state::{ExitStatus, Health, Listed, State};
pub use model::stream::{
    AttachEnd, AttachRequest, Inlet, Outlet, StreamEnd, StreamPart, StreamRequest, WINDOW,
};
pub use monitor::serve::{ARGUMENT as MONITOR_ARGUMENT, run_monitor};
pub use output::log_store::LogBegin;
pub use output::read::LogPart;
pub use output::times::known::Came;
pub use overview::dumps::{Dump, MAX_LISTED};
pub use overview::past::{Begin, Ended, MAX_ENDED, MAX_EVENTS, Past};
pub use overview::summary::Summary;
pub use plugins::catalogue::plugin_reference;
pub use settings::{BundleOwner, BundleOwners, Settings};
