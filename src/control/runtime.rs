//! The command line of an OCI runtime: crun, runc, youki.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::control::model::id::ContainerId;
use crate::control::model::request::Stdin;
use crate::control::model::state::ExitStatus;
use crate::control::monitor::client::{self, Launched, Monitor};
use crate::control::monitor::wire::LaunchRequest;
use crate::control::output::log_store::Output;
use crate::control::process::helper::{Finished, Helper, Running, Streams};
use crate::control::process::program::Program;
use crate::control::settings::Settings;
use crate::error::{Error, ErrorKind, ExitCode, Result, Tried};
use crate::host;
use crate::oci::hooks::PROGRAM;

/// The most bytes of a runtime's own output that are kept.
const MAX_OUTPUT: usize = 64 * 1024;
/// The timeout of a call that runs no hooks and changes nothing.
const QUICK_TIMEOUT: Duration = Duration::from_secs(5);

/// The runtime that holds the containers. Every call has a deadline.
#[derive(Debug)]
pub(crate) struct Runtime {
    program: Arc<Program>,
    root: Option<PathBuf>,
    deadline: Duration,
    /// The parent of containers; without it we are.
    monitor: Option<Monitor>,
}

/// `run` or `create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Its program runs.
    Run,
    /// Everything is there but its program, which waits for [`Runtime::start`].
    Create,
}

/// What the runtime reports of a container: the members of the OCI state that are used here.
#[derive(Debug, Deserialize)]
pub(crate) struct OciState {
    /// `created`, `running`, `paused`, `stopped`.
    #[serde(default)]
    pub(crate) status: String,
    /// The bundle it was made from.
    #[serde(default)]
    pub(crate) bundle: PathBuf,
}

/// A container to launch.
pub(crate) struct Launch<'a> {
    pub(crate) verb: Verb,
    pub(crate) id: &'a ContainerId,
    /// Where its configuration lies.
    pub(crate) bundle: &'a Path,
    /// Where the runtime's own complaints go, if not to the output.
    pub(crate) log: Option<&'a Path>,
    /// What the container's program finds as descriptor 3.
    pub(crate) passed: Vec<OwnedFd>,
    /// What it has as its standard input.
    pub(crate) stdin: Stdin,
}

/// An `exec` to launch.
pub(crate) struct Exec<'a> {
    pub(crate) id: &'a ContainerId,
    /// Checked options.
    pub(crate) options: &'a [String],
    pub(crate) command: &'a [String],
    /// Where the runtime's own complaints go.
    pub(crate) log: &'a Path,
}

/// What a command has as its standard streams.
pub(crate) enum ExecEnds<'a> {
    /// Its input, its output, its error output.
    Streams([OwnedFd; 3]),
    /// A terminal; the socket through which the runtime hands over its other end.
    Console(&'a Path),
}

impl Runtime {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut program = settings.runtime.clone();
        if program.components().count() == 1 {
            program = host::find_program(&program, &[]).unwrap_or(program);
        }
        let monitor = settings.monitor.then(|| Monitor::new(settings.state_dir.clone()));
        let program = Arc::new(Program::new(program));
        Self { program, root: settings.runtime_root.clone(), deadline: settings.runtime_timeout, monitor }
    }

    /// A call of the runtime, with its global options.
    fn call(&self, streams: Streams, log: Option<&Path>, deadline: Duration) -> Helper {
        let mut helper = self.helper(streams, deadline);
        helper.args(self.global_options(log));
        helper
    }

    fn helper(&self, streams: Streams, deadline: Duration) -> Helper {
        Helper::opened(self.program.path(), self.program.opened(), streams, deadline)
    }

    fn global_options(&self, log: Option<&Path>) -> Vec<OsString> {
        let options = [("--root", self.root.as_deref()), ("--log", log)];
        let given = options.into_iter().filter_map(|(option, value)| Some([option.into(), value?.into()]));
        given.flatten().collect()
    }

    /// Starts a container; its output and the runtime's go to `output`. The call outlives us, as the container does.
    pub(crate) async fn run(&self, launch: Launch<'_>, pid_file: &Path, output: Output) -> Result<Launched> {
        let mut args = self.global_options(launch.log);
        let verb: &[&str] = if launch.verb == Verb::Run { &["run", "--detach"] } else { &["create"] };
        args.extend(verb.iter().map(OsString::from));
        args.extend(["--bundle".into(), launch.bundle.into(), "--pid-file".into(), pid_file.into()]);
        if !launch.passed.is_empty() {
            args.push(format!("--preserve-fds={}", launch.passed.len()).into());
        }
        args.extend(["--".into(), launch.id.as_str().into()]);
        if let Some(monitor) = &self.monitor {
            let (dir, pid_file) = (launch.bundle.to_owned(), pid_file.to_owned());
            let (program, opened) = (self.program.path().to_owned(), self.program.opened());
            let opened =
                opened.map(|file| file.try_clone()).transpose().tried(|| "cannot open the runtime")?;
            let (is_opened, stdin, target) = (opened.is_some(), launch.stdin, output.target);
            let request = LaunchRequest { dir, pid_file, program, is_opened, args, stdin, target };
            let runtime = client::Runtime { request, output: output.fd, opened, passed: launch.passed };
            return monitor.run(runtime, self.deadline).await;
        }
        if launch.stdin != Stdin::Null {
            let what = "without a monitor, no container can have a terminal or open standard input";
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        let mut helper = self.helper(Streams::File(output.fd), self.deadline).detached();
        helper.args(args).pass(&launch.passed)?;
        Ok(Launched { finished: helper.run().await?, input: None })
    }

    /// The monitor, if containers are its children and not ours.
    pub(crate) fn monitor(&self) -> Option<&Monitor> {
        self.monitor.as_ref()
    }

    /// Launches a command; its output goes to `output`.
    pub(crate) async fn exec(&self, exec: &Exec<'_>, output: OwnedFd) -> Result<Finished> {
        let mut helper = self.call(Streams::File(output), Some(exec.log), self.deadline);
        helper.args(["exec", "--detach"]);
        exec.add_to(&mut helper);
        helper.run().await
    }

    /// Runs a command and captures up to `limit` bytes of each of its outputs.
    pub(crate) fn exec_captured(&self, exec: &Exec<'_>, limit: usize, deadline: Duration) -> Result<Running> {
        let mut helper = self.call(Streams::Captured(limit), Some(exec.log), deadline);
        helper.args(["exec"]);
        exec.add_to(&mut helper);
        helper.start()
    }

    /// Launches a command that leaves its process id in `pid_file`, with the three `streams`, or with a terminal whose other
    /// end comes through the socket `console`.
    pub(crate) async fn exec_streams(
        &self,
        exec: &Exec<'_>,
        pid_file: &Path,
        ends: ExecEnds<'_>,
    ) -> Result<Finished> {
        let (streams, console) = match ends {
            ExecEnds::Streams(streams) => (Streams::Three(streams), None),
            ExecEnds::Console(console) => (Streams::Captured(MAX_OUTPUT), Some(console)),
        };
        let mut helper = self.call(streams, Some(exec.log), self.deadline);
        helper.args(["exec", "--detach", "--pid-file"]).args([pid_file]);
        if let Some(console) = console {
            helper.args(["--tty", "--console-socket"]).args([console]);
        }
        exec.add_to(&mut helper);
        helper.run().await
    }

    /// Starts the program of a container that was created.
    pub(crate) async fn start(&self, id: &ContainerId) -> Result<()> {
        self.simple("start", &[], id).await
    }

    /// Freezes a container.
    pub(crate) async fn pause(&self, id: &ContainerId) -> Result<()> {
        self.simple("pause", &[], id).await
    }

    /// Thaws a container.
    pub(crate) async fn resume(&self, id: &ContainerId) -> Result<()> {
        self.simple("resume", &[], id).await
    }

    /// Deletes a container, which runs its poststop hooks; those must not be cut short when we end.
    pub(crate) async fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        let options: &[&str] = if force { &["--force"] } else { &[] };
        self.simple("delete", options, id).await
    }

    /// What the runtime knows of a container; `None` when it does not know it.
    pub(crate) async fn state(&self, id: &ContainerId) -> Result<Option<OciState>> {
        let mut helper = self.call(Streams::Captured(MAX_OUTPUT), None, self.timeout("state"));
        helper.args(["state", "--", id.as_str()]);
        let finished = helper.run().await?;
        if finished.exit != ExitStatus::Code(0) {
            return if finished.timed_out { Err(self.failure("state", id, &finished, "")) } else { Ok(None) };
        }
        serde_json::from_slice(&finished.stdout).map(Some).map_err(|error| {
            let what = format!("cannot parse the output of `{} state {id}`", self.name());
            Error::new(ErrorKind::System, what).caused_by(error)
        })
    }

    async fn simple(&self, verb: &str, options: &[&str], id: &ContainerId) -> Result<()> {
        let mut helper = self.call(Streams::Captured(MAX_OUTPUT), None, self.deadline);
        if matches!(verb, "delete" | "start") {
            helper = helper.detached();
        }
        helper.args([verb]).args(options).args(["--", id.as_str()]);
        let finished = helper.run().await?;
        match finished.exit {
            ExitStatus::Code(0) => Ok(()),
            _ => Err(self.failure(verb, id, &finished, "")),
        }
    }

    /// How long a call may take.
    fn timeout(&self, verb: &str) -> Duration {
        if verb == "state" { self.deadline.min(QUICK_TIMEOUT) } else { self.deadline }
    }

    fn name(&self) -> std::path::Display<'_> {
        self.program.path().display()
    }

    /// The error of a call that failed; `text` is what it wrote elsewhere than to its captured stderr.
    pub(crate) fn failure(&self, verb: &str, id: &ContainerId, finished: &Finished, text: &str) -> Error {
        let what = format!("{} {verb} {id}", self.name());
        let stderr = String::from_utf8_lossy(&finished.stderr);
        let reason = reason(text).or_else(|| reason(&stderr));
        let (kind, mut what) = if finished.timed_out {
            (ErrorKind::Timeout, format!("{what} did not end within {} s", self.timeout(verb).as_secs_f32()))
        } else {
            (ErrorKind::System, format!("{what} failed with {}", finished.exit))
        };
        let Some(reason) = reason else { return Error::new(kind, what) };
        what = format!("{what}: {reason}");
        let error = Error::new(kind, what);
        match failed_hook(&reason) {
            Some(meaning) => {
                error.advise(format!("the exit code of the hook means: {meaning}; syslog has its message"))
            }
            // Of a directory, for one.
            None if reason.starts_with("open executable:") => {
                error.advise("name a program: a file that may be executed")
            }
            None => error,
        }
    }
}

impl Exec<'_> {
    fn add_to(&self, helper: &mut Helper) {
        helper.args(self.options);
        helper.args(["--", self.id.as_str()]).args(self.command);
    }
}

/// The last line that is not empty, without the time stamp and level that runc puts around it.
fn reason(text: &str) -> Option<String> {
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?.trim();
    let message = line.split_once(" msg=").map_or(line, |(_, message)| message);
    let message = serde_json::from_str::<String>(message).unwrap_or_else(|_| message.to_owned());
    Some(message.chars().take(512).collect())
}

/// What the exit code of the minidump hook means, if `reason` is that it failed: crun shows nothing else of a hook.
fn failed_hook(reason: &str) -> Option<&'static str> {
    let (_, rest) = reason.split_once(PROGRAM)?;
    let (code, _) = rest.split_once("(exit code: ")?.1.split_once(')')?;
    let code: u8 = code.parse().ok()?;
    ExitCode::ALL.into_iter().find(|(known, _)| *known as u8 == code).map(|(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_line_without_decoration() {
        let cases = [
            ("", None),
            ("\n \n", None),
            ("one\ncontainer `x` already exists\n\n", Some("container `x` already exists")),
            (
                r#"time="2026-11-22T03:05:58Z" level=error msg="exec: \"nosuch\": not found in $PATH""#,
                Some("exec: \"nosuch\": not found in $PATH"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(reason(text).as_deref(), expected, "{text:?}");
        }
    }
}
