//! The daemon: sockets, guards and limits in front of the API.
//!
//! Everything runs on one thread. Ending it, in whatever way, leaves every container running.
//!
//! From the bottom up:
//!
//! - [`limits`]: how much of everything a client may use.
//! - [`guard`]: who may call.
//! - [`stream`]: a client's connection with its timeouts and its place; [`answer`]: the HTTP answers.
//! - [`daemon`]: what all connections share; [`connection`]: what the requests of one connection have in common.
//! - [`config`]: the settings of the daemon; [`log_level`]: what it logs.
//! - [`page`]: the page for a browser.
//! - [`websocket`]: one WebSocket; [`http`]: one HTTP connection.
//! - [`listen`]: where connections come from; [`bus`]: the daemon on D-Bus.
//! - [`run`]: runs the daemon from its start to its end.

pub mod answer;
pub mod bus;
pub mod config;
pub mod connection;
pub mod daemon;
pub mod guard;
pub mod http;
pub mod limits;
pub mod listen;
pub mod log_level;
pub mod page;
pub mod run;
pub mod stream;
pub mod websocket;
