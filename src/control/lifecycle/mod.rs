//! The life of a container: a transition per file. From the bottom up:
//!
//! - [`context`]: the parts of the control layer, put together.
//! - [`cleanup`]: deletes from the runtime, collects dumps, removes directories.
//! - [`launch`]: has the runtime run a container.
//! - [`start`]: the first start.
//! - [`restart`]: whether a container that crashed is restarted, and the restart.
//! - [`exit`]: a container exits.
//! - [`supervisor`]: one task per container from its start to its end.
//! - [`output`]: the way to the input of containers, and their output goes on being read when the reader is killed.
//! - [`inside`]: commands in a container that runs, its annotations, hibernation and mounts.
//! - [`accepted`]: a stop that was accepted; [`stop`]: stop, pause, resume, delete.
//! - [`renew`]: restart and signals for a client.
//! - [`recover`]: takes over what an earlier daemon left.

pub(crate) mod accepted;
pub(crate) mod cleanup;
pub(crate) mod context;
pub(crate) mod exit;
pub(crate) mod inside;
pub(crate) mod launch;
pub(crate) mod output;
pub(crate) mod recover;
pub(crate) mod renew;
pub(crate) mod restart;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod supervisor;
