//! The hook binary with real runtimes, real crashes, loop devices and mounts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod bytes;
#[path = "../support/chosen.rs"]
mod chosen;
mod commands;
mod cycle;
mod damaged;
mod destination;
mod differential;
mod disk_full;
mod extremes;
mod faults;
mod faulty;
mod folders;
mod foreign;
mod hostile;
#[path = "../support/hugetlb.rs"]
mod hugetlb;
mod identity;
mod images;
mod killed;
mod links;
mod naming;
mod neighbour;
mod old_kernels;
mod podman;
#[path = "../support/programs.rs"]
mod programs;
mod propagation;
mod races;
mod repeated;
mod retention;
mod rootfs;
mod stdin;
mod surroundings;
mod sweep;
#[path = "../support/test_dir.rs"]
mod test_dir;
mod unprivileged;
#[path = "../support/world.rs"]
mod world;
