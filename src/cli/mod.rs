//! The command line of `ocicontainer`: one verb per file. From the bottom up:
//!
//! - `client`: the daemon's client; `term`: what goes to the user; `common`: the options of a verb that talks to the
//!   daemon.
//! - `waiting`: what a long operation waits for.
//! - `stream`: what runs in a container with the user's own input, output and terminal.
//! - `units`: figures for people; `ids`: the containers that a verb is for.
//! - `query`: verbs that ask the daemon.
//! - `usage`: verbs that show what containers use.
//! - `life`: verbs that start, stop and use containers.
//! - `inside`: verbs that change a container which runs.
//! - `local`: verbs that need no daemon, and the daemon itself.
//! - `command_line`: all verbs.
//! - [`dobby_tool`]: the program under the name `DobbyTool`.

mod client;
mod command_line;
mod common;
pub mod dobby_tool;
mod ids;
mod inside;
mod life;
mod local;
mod query;
mod stream;
mod term;
mod units;
mod usage;
mod waiting;

pub use command_line::{command, run};
