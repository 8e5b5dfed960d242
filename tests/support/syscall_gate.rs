//! A daemon that is held at a system call, to be killed there, or whose system calls are interrupted.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::daemon_world::DaemonWorld;

/// Holds each thread of the daemon behind a system call on one file, by means of strace.
pub(crate) struct SyscallGate(Child);

impl SyscallGate {
    /// Behind the `nth` of the `calls` that name `path`.
    pub(crate) fn behind(world: &DaemonWorld, nth: u32, calls: &str, path: &Path) -> Self {
        let held = format!("inject={calls}:delay_exit=60000000:when={nth}");
        Self::attach(world, calls, &["-P".as_ref(), path.as_ref(), "-e".as_ref(), held.as_ref()])
    }

    /// Where every other one of the `calls` of each thread is interrupted by a signal, the first one to begin with.
    pub(crate) fn interrupting(world: &DaemonWorld, calls: &str) -> Self {
        let interrupted = format!("inject={calls}:error=EINTR:when=1+2");
        Self::attach(world, calls, &["-e".as_ref(), interrupted.as_ref()])
    }

    fn attach(world: &DaemonWorld, calls: &str, options: &[&OsStr]) -> Self {
        let said = world.path("strace.log");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", &format!("trace={calls}")]).args(options);
        strace.arg("-o").arg(world.path("strace.out")).arg("-p").arg(world.pid().to_string());
        strace.stdin(Stdio::null()).stderr(fs::File::create(&said).unwrap());
        let gate = Self(strace.spawn().expect("strace"));
        world.until("strace is attached", || fs::read_to_string(&said).unwrap().contains("attached"));
        gate
    }

    /// Kills the daemon where it is held.
    pub(crate) fn kill(mut self, world: &mut DaemonWorld) {
        let daemon = Pid::from_raw(world.pid().try_into().unwrap()).unwrap();
        kill_process(daemon, Signal::KILL).unwrap();
        // Only then does the daemon's end reach its parent.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        world.end(Signal::KILL);
    }

    /// Leaves the daemon alone again, and gives the calls that there were.
    pub(crate) fn leave(mut self, world: &DaemonWorld) -> String {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
        fs::read_to_string(world.path("strace.out")).unwrap()
    }
}
