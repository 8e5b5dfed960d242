//! Mounting an image: detached, or in a private mount namespace on old kernels; with which options and which label;
//! where in a container.

pub mod detached;
pub mod label;
pub mod options;
pub mod private_namespace;
pub mod target;
