//! The kernel's handler of core files: what it reads, what it writes, and for which crashes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod attacks;
#[cfg(feature = "stack")]
#[path = "../support/c_program.rs"]
mod c_program;
mod container;
#[cfg(feature = "stack")]
mod crashed;
mod damage;
#[cfg(feature = "stack")]
mod elf_symbols;
mod enable;
mod handler;
mod head_builder;
mod killed;
mod machines;
mod notify;
#[cfg(feature = "stack")]
#[path = "../support/oracle.rs"]
mod oracle;
mod previous;
mod real;
mod runtimes;
#[cfg(feature = "stack")]
mod stacks;
#[path = "../support/mod.rs"]
mod support;
