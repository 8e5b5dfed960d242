//! Programs of the host, run beside a manager. A manager reaps every child of its process, so how such a program ended is
//! read from a file that a shell around it writes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// Runs `"$@"` and writes its exit status: 128 and the signal's number for one that was killed.
const SHELL: &str = r#"code=$1; shift; "$@"; echo $? >"$code.new"; mv "$code.new" "$code""#;
/// How often its end is looked for.
const LOOK: Duration = Duration::from_millis(2);
/// Long enough for every program that ends at all, a compiler too.
const DEADLINE: Duration = Duration::from_secs(600);

/// A program that runs in a process group of its own, killed when it is dropped before its end.
pub(crate) struct HostProgram {
    dir: TempDir,
    group: Pid,
    command: String,
    started: Instant,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl HostProgram {
    /// Starts `program`; its standard input is a pipe that is closed at the other end.
    pub(crate) fn start<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(dir.path().join(name)).unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SHELL, "sh"]).arg(dir.path().join("code")).arg(program).args(args);
        shell.current_dir(env!("CARGO_MANIFEST_DIR")).process_group(0);
        shell.stdin(Stdio::piped()).stdout(file("out")).stderr(file("err"));
        #[expect(clippy::zombie_processes, reason = "a manager may reap it; its end is read from the file")]
        let mut child = shell.spawn().unwrap_or_else(|error| panic!("cannot run {shell:?}: {error}"));
        drop(child.stdin.take());
        Self { dir, group: Pid::from_child(&child), command: format!("{shell:?}"), started: Instant::now() }
    }

    /// What it gave, once it has ended.
    fn ended(&self) -> Option<Ended> {
        let read = |name: &str| fs::read(self.dir.path().join(name)).unwrap();
        let text = |name: &str| String::from_utf8_lossy(&read(name)).into_owned();
        assert!(self.started.elapsed() < DEADLINE, "{} does not end", self.command);
        let code = fs::read_to_string(self.dir.path().join("code")).ok()?;
        Some(Ended { code: code.trim().parse().unwrap(), stdout: text("out"), stderr: text("err") })
    }

    /// Waits for its end while the test's other tasks go on.
    #[cfg(feature = "daemon")]
    pub(crate) async fn finish(self) -> Ended {
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for its end; nothing else happens on this thread meanwhile.
    pub(crate) fn finish_blocking(self) -> Ended {
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for HostProgram {
    fn drop(&mut self) {
        if !self.dir.path().join("code").exists() {
            // It may have ended just now.
            let _gone = kill_process_group(self.group, Signal::KILL);
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit status {}\n{}{}", self.code, self.stdout, self.stderr)
    }
}
