//! The monitor: a small process that is the parent of containers, outlives the daemon, and writes down how they end. From
//! the bottom up:
//!
//! - [`note`]: how a container ended, in a file of its directory.
//! - [`wire`]: what the daemon and the monitor say to each other.
//! - [`children`]: the monitor's children, and what is written when one ends.
//! - [`serve`]: the monitor's loop.
//! - [`client`]: the daemon's side: finds the monitor or starts one, and has it launch containers.
//!
//! What always holds:
//!
//! - The monitor writes the note of a container before it reaps its first process, so that the note is there once the
//!   process is gone. A daemon that is killed at any moment changes nothing of that.
//! - A note counts only for the process of its number and start time: a number that was given out again is another's.
//! - A monitor that is killed takes no container with it. They fall to the daemon, which reaps them, or to init; since
//!   Linux 6.15 a daemon that runs learns their end from the kernel. The next start makes another monitor.
//! - The name of its socket stands for the program and for what a process bequeaths to its children (namespaces, limits,
//!   capabilities). After an upgrade that changes any of it, the new daemon has a monitor of its own, and the old one ends
//!   with its last container.
//! - It ends when it has neither children nor clients.

pub(crate) mod children;
pub(crate) mod client;
pub(crate) mod note;
pub(crate) mod serve;
pub(crate) mod wire;
