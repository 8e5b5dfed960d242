//! `doctor`: looks at the host and its engines and says of each thing that it is fine, or what to do.
//!
//! - [`finding`]: one line of it.
//! - [`kernel`], [`host`], [`engines`]: what is looked at. Nothing is changed.
//! - [`sample`], [`trial`]: a container that crashes, and running it in each engine (`--crash`).

pub mod engines;
pub mod finding;
mod hand_over;
pub mod host;
pub mod kernel;
pub mod sample;
pub mod trial;
