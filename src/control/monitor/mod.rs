//! The monitor: a small process that is the parent of containers, outlives the daemon, and writes down how they end. From
//! the bottom up:
//!
//! - [`note`]: how a container ended, in a file of its directory.
//! - [`wire`]: what the daemon and the monitor say to each other.
//! - [`children`]: the monitor's children, and what is written when one ends.
//! - [`serve`]: the monitor's loop.
//! - [`socket`]: the sockets of monitors.
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
//! - It has the terminals and open inputs of its containers, and gives a copy to any daemon that asks, also to one of another
//!   version. When it is killed, the daemon has the copy still, and another monitor reads the terminal; when both are, the
//!   kernel hangs up the terminal, and an open input ends.
//! - A terminal comes over a socket to which only its own user has a way, once, while its runtime is at work.
//! - It ends when it has neither children nor clients.

pub(crate) mod children;
pub(crate) mod client;
pub(crate) mod note;
pub(crate) mod serve;
pub(crate) mod socket;
pub(crate) mod wire;
