//! The daemon and command line `ocicontainer`: the real binary, a real runtime, real clients.

#![allow(unreachable_pub)] // A test program has no public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // It may fail where it stands.

mod appearance;
mod attach;
mod attach_ends;
mod attach_input;
mod attach_unread;
mod browser;
mod bytes;
mod cli;
mod concurrency;
mod configuration;
mod containers;
mod crash_loops;
mod degraded;
mod dobby_tool;
mod dumps;
mod events;
mod exits;
mod framing;
mod full_state;
mod guards;
mod http;
mod inside;
mod interrupted;
mod limits;
mod log_files;
mod log_tail;
mod log_times;
mod outbox;
mod output;
mod own_run;
mod page;
mod pids;
mod places;
mod protocol;
mod restarts;
mod runtime_program;
mod since;
mod started;
mod states;
mod stream_frames;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod systemd;
mod terminal;
mod transcript;
mod transcript_life;
mod transcript_past;
mod transcript_terminal;
mod unprivileged;
mod waits;
mod webdriver;
mod websocket;
