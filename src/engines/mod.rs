//! What each engine needs on the host so that it calls the hook, and how that is taken away again.
//!
//! Nothing is written that the administrator wrote: files of our own are added, and lines or members are put into files that
//! are there, everything else kept byte by byte.
//!
//! - [`change`]: what is to be written, linked or removed; applied one file at a time, each at once.
//! - [`tree`]: the host, or a directory that will be one; where the hook lies in it.
//! - [`toml_text`], [`json_text`]: insertions into files of the administrator.
//! - [`hooks_dir`]: hooks.d directories, for [`podman`] and [`crio`].
//! - [`containerd`], [`docker`], [`lxc`], [`runtime`]: the others.
//! - [`engine`]: all of them, by name.

pub mod change;
pub mod containerd;
pub mod crio;
pub mod docker;
pub mod engine;
pub mod hooks_dir;
pub mod json_text;
pub mod lxc;
pub mod podman;
pub mod runtime;
pub mod toml_text;
pub mod tree;
