//! The ext4 image that backs a container's minidump directory while the container lives.

pub mod aside;
pub mod create;
pub mod identity;
pub mod known;
pub mod lock;
pub mod loopback;
pub mod mark;
pub mod memory;
pub mod mount;
pub mod read;
pub mod repair;
pub mod superblock;
pub mod temporary;
pub mod token;
