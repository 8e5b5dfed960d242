//! The hand-over of published dumps: to the administrator's program, to a socket of this machine, and as counts.
//!
//! What publishes a dump only leaves an entry in a directory, the spool. A worker, a process of its own, takes the entries
//! from there, so that neither a start nor a stop of a container waits for what it does. What holds whatever happens in
//! between (a kill, a power cut, another hook):
//!
//! 1. An entry goes when its dump was handed over, has gone, or was given up with a line in the log, and not before; a dump
//!    without an entry has a mark, by which it gets one later. Each dump is handed over at least once.
//! 2. One worker is at work at a time, and an entry that is written while it ends is not left behind.
//! 3. Nothing is set: nothing is written, read or started.
//!
//! From the bottom up:
//!
//! - [`mark`]: how far a dump has come, on itself. [`age`]: how long an entry has waited. [`entry`]: what is left to do for a
//!   dump. [`spool`]: where that lies.
//! - `counts`: counts crashes. `exposition`: shows them as Prometheus reads them. `tally`: counts what waits.
//! - `pending`: what this process has left.
//! - `program`: runs the program. `post`: posts to a socket.
//! - [`worker`]: does it all. [`start`]: starts one.

pub mod age;
mod counts;
pub mod entry;
mod exposition;
pub mod mark;
mod pending;
mod post;
mod program;
pub mod spool;
pub mod start;
mod tally;
pub mod worker;

pub use pending::not_kept;
