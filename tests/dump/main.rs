//! The dump reader against real dumps, against another reader of them, and against damaged and hostile ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod agree;
mod allocations;
mod build;
mod crashes;
mod damage;
mod hostile;
#[path = "../support/hugetlb.rs"]
mod hugetlb;
mod missing;
#[path = "../support/programs.rs"]
mod programs;
mod samples;
#[path = "../support/test_dir.rs"]
mod test_dir;
mod verb;
#[allow(dead_code, reason = "the world is that of the hook's tests")]
#[path = "../support/world.rs"]
mod world;
