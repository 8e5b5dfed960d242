//! What the next daemon finds. From the bottom up:
//!
//! - [`lock`]: the process that holds it is the daemon.
//! - [`saved_state`]: what a later daemon must know of a container.
//! - [`container_dir`]: the directory of one container.
//!
//! The state directory is a cache that a reboot empties. It holds:
//!
//! | name | what it is | who removes it |
//! | --- | --- | --- |
//! | `ID/` | the directory of a container, which is also the bundle for the runtime | the clean-up after its end |
//! | `ID/mark` | nothing: a directory that has it is of a container, and removed with it | |
//! | `ID/config.json` | the effective configuration | |
//! | `ID/record.json` | the saved state | |
//! | `ID/container.pid` | the runtime's pid file | |
//! | `ID/announced` | since when dumps may not have been announced | |
//! | `ID/exit.json` | how the first process ended, from the monitor | the next run |
//! | `ID/output`, `ID/output.place` | the pipe that the container writes to; how much was read before what its log still has | the next start |
//! | `ID/output.times` | when the output came | the clean-up after its end, which keeps a copy beside the log |
//! | `ID/run.json` | for the hook: restarts so far, and how the run ended | the next run |
//! | `ID/runtime.log` | the runtime's complaints when the output cannot be read back | |
//! | `ID/console` | the socket through which a container's terminal comes | the end of the start |
//! | `ID/exec-PID-N.log` | the runtime's complaints about one command | the end of that command |
//! | `ID/exec-PID-N.pid`, `ID/exec-PID-N.tty` | the process id of a command with streams; the socket through which its terminal comes | the end of that command |
//! | `ID/spec/` | the bundle that a Dobby spec became | |
//! | `ID/rootfs` | the root file system of an app's own bundle, mounted | the clean-up after its end |
//! | `ID/NAME.json`, `ID/cgroup-NAME` | the notes of plugins | the plugin, at the last stop |
//! | `ID/minidump/`, `ID/storage/N`, `ID/netns` | mounts of plugins | the plugin, at the last stop |
//! | `+ended.DELIVERED.STARTED.ID` | an entry of the outbox: events that may not have been delivered | the outbox |
//! | `+events`, `+events.1` | the journal: the events of the last time with their numbers | a reboot |
//! | `+monitor.HASH` | the socket of a monitor | the next daemon, when the monitor has ended |
//! | `+sinks/ID.json`, `+sinks/ID.times` | where a container wrote that has ended, if not into the daemon's log, and when; whether its log was cut; of at least 64 containers | the next start of that id; a reboot |
//! | `+loops/announced.json` | which crash loops were announced | a reboot |
//! | `+minidumps/` | dumps for which no other place was left | the administrator |

pub(crate) mod container_dir;
pub(crate) mod lock;
pub(crate) mod saved_state;
