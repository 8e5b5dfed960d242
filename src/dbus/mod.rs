//! Dobby's D-Bus interface: what drives Dobby over D-Bus (DobbyTool, the OCIContainer plugin of Thunder, any client of
//! DobbyProxy) drives this daemon.
//!
//! Dobby answers a call that fails with -1, false or an empty text, and so does this; the reason is in the log. Only
//! for what Dobby's library refuses by itself (an unknown method, a caller without permission) there is a D-Bus error.
//!
//! From the bottom up:
//!
//! - [`address`]: where the bus is; `names`: what everything is called, and the numbers that stand for states.
//! - `answer`: answers to calls; `broker`: what the bus itself is asked; [`caller`]: who calls.
//! - [`face`]: what all calls share.
//! - `methods`: the methods, in a table.
//! - `signals`: events as signals; `introspection`: the description that D-Bus clients ask for; `standard`: the
//!   interfaces that every object has.
//! - `dispatch`: from a call to its answer.
//! - [`serve`]: connects, serves, and connects again when the bus was restarted.

pub mod address;
mod answer;
mod broker;
pub mod caller;
mod dispatch;
pub mod face;
mod introspection;
mod methods;
mod names;
pub mod serve;
mod signals;
mod standard;

use crate::error::{Error, ErrorKind};

/// A failure of the bus or of a message.
fn broken(what: &str, error: zbus::Error) -> Error {
    Error::new(ErrorKind::System, what).caused_by(error)
}
