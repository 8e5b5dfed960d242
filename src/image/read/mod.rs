//! Reading an image for the harvest: what there is in it, and the bytes of its dumps, whatever reads them.
//!
//! - [`files`]: what the harvest sees of an image; `walk`: its directories, within bounds.
//! - [`user_space`]: without mounting it, checked before by `layout` and `extents`, with directories read by `directory`.
//! - [`kernel`]: through a read-only mount.
//! - [`leased`]: of a container that runs, through a mount from which dumps are removed.

mod directory;
mod extents;
pub mod files;
pub mod kernel;
mod layout;
pub mod leased;
pub mod user_space;
mod walk;
