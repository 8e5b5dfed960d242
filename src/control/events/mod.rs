//! Events, from what happened to the subscribers. From the bottom up:
//!
//! - [`numbers`]: the numbers of events, each given out once.
//! - [`journal`]: the events of the last time with their numbers, for clients that say what they saw last.
//! - [`replay`]: retains for late subscribers what became of an earlier daemon's containers.
//! - [`bus`]: sends events to subscribers; [`started`]: waits for a start; [`ended`]: waits for an end.
//! - [`dumps`]: tracks which minidumps were brought to the host.
//! - [`loops`]: tracks which crash loops were announced.
//! - [`entry`]: the file that keeps events until they are delivered.
//! - [`outbox`]: the one way of an event: persisted, sent, dropped.
//! - [`leftovers`]: sends what an earlier daemon left in the outbox.
//! - [`sweeper`]: has the hook harvest what poststop missed; [`watcher`]: what containers leave while they run.

pub(crate) mod bus;
pub(crate) mod dumps;
pub(crate) mod ended;
pub(crate) mod entry;
pub(crate) mod journal;
pub(crate) mod leftovers;
pub(crate) mod loops;
pub(crate) mod numbers;
pub(crate) mod outbox;
pub(crate) mod replay;
pub(crate) mod started;
pub(crate) mod sweeper;
pub(crate) mod watcher;
