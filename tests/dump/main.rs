//! The dump reader against real dumps, against another reader of them, and against damaged and hostile ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod agree;
mod allocations;
mod build;
#[cfg(feature = "stack")]
#[path = "../support/c_program.rs"]
mod c_program;
mod crashes;
mod damage;
#[cfg(feature = "stack")]
mod elf;
#[cfg(feature = "stack")]
mod elf_machines;
mod hostile;
mod missing;
#[cfg(feature = "stack")]
#[path = "../support/oracle.rs"]
mod oracle;
mod samples;
#[cfg(feature = "stack")]
mod stack;
#[cfg(feature = "stack")]
mod stack_full;
#[cfg(feature = "stack")]
mod stack_hostile;
#[cfg(feature = "stack")]
mod stack_top;
#[path = "../support/mod.rs"]
mod support;
mod verb;
