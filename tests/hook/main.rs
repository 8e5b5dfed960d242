//! The hook binary with real runtimes, real crashes, loop devices and mounts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod added;
mod attached;
mod blank;
mod bytes;
mod commands;
mod crash_loop;
mod crash_record;
mod crash_record_attribute;
mod cycle;
mod damaged;
mod damaged_many;
mod destination;
mod differential;
mod disk_full;
mod extremes;
mod fault_cases;
mod fault_injection;
mod faults;
mod flushes;
mod folders;
mod foreign;
mod held;
mod hostile;
mod identity;
mod images;
mod killed;
mod links;
mod list;
mod many;
mod memory;
mod memory_costs;
mod mistakes;
mod naming;
mod neighbour;
mod notify;
mod notify_hostile;
mod notify_killed;
mod notify_metrics;
mod notify_places;
mod notify_post;
mod old_kernels;
mod podman;
mod pristine;
mod propagation;
mod races;
mod readers;
mod repeated;
mod retention;
mod rootfs;
mod running;
mod running_attacks;
mod running_watch;
mod stdin;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod sweep;
mod unmounted;
mod unprivileged;
