//! The hook binary with real runtimes, real crashes, loop devices and mounts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bytes;
mod commands;
#[path = "../support/crasher.rs"]
mod crasher;
mod cycle;
mod damaged;
mod destination;
mod hostile;
mod images;
mod podman;
mod repeated;
mod rootfs;
mod stdin;
#[path = "../support/world.rs"]
mod world;
