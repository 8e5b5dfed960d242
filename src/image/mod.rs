//! The ext4 image that backs a container's minidump directory while the container lives.

pub mod aside;
pub mod create;
mod directory;
pub mod files;
pub mod identity;
pub mod kernel;
pub mod known;
pub mod label;
mod layout;
pub mod lock;
pub mod loopback;
pub mod mark;
pub mod mount;
pub mod reader;
pub mod repair;
pub mod superblock;
mod template;
mod walk;
