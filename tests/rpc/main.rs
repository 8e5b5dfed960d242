//! The daemon and command line `ocicontainer`: the real binary, a real runtime, real clients.

#![allow(unreachable_pub)] // A test program has no public interface.

mod cli;
mod configuration;
mod containers;
mod events;
mod guards;
mod http;
mod limits;
mod man;
mod protocol;
mod websocket;
mod wire;
mod world;
