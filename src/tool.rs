//! Running the e2fsprogs tools: by absolute path, with an environment of our own, a deadline and bounded output.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;

/// How much of a program's last words is kept, in bytes.
const MAX_OUTPUT_TAIL: usize = 1024;
/// The path by which a program finds the file it works on.
pub const WORK_FILE: &str = "/proc/self/fd/3";

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The end of what it wrote to stdout and stderr, at most 1 KiB, on one line.
    pub output_tail: String,
}

/// The absolute path of the program `name`.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when it is in none of the fixed directories.
pub fn find(name: &str, package: &str) -> Result<PathBuf> {
    host::find_program(name, &[]).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("the program {name} is missing"))
            .advise(format!("install {package}"))
    })
}

/// Runs the program `name` on `file`, which it finds as [`WORK_FILE`], and waits for it, but not longer than
/// `timeout`. It dies with us.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when there is no such program, [`ErrorKind::System`] when it ran too long.
pub fn run(
    name: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    file: &File,
    timeout: Duration,
) -> Result<Outcome> {
    let program = find(name, "e2fsprogs")?;
    let (reader, writer) = std::io::pipe().tried(|| "cannot make a pipe")?;
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir("/")
        .stdin(Stdio::null());
    command.stdout(writer.try_clone().tried(|| "cannot copy a pipe")?).stderr(writer);
    let mut child = crate::sys::tie_child(&mut command, Some(file.as_raw_fd()))
        .spawn()
        .tried(|| format!("cannot run {}", program.display()))?;
    // The command holds the writing end; without it the reader would never see the end.
    drop(command);
    let deadline = Instant::now() + timeout;
    let output_tail = listen(reader, deadline);
    let code = wait(&mut child, deadline).map_err(|e| e.within(name))?;
    Ok(Outcome { code, output_tail })
}

/// Reads everything, keeps the end of it.
fn listen(mut pipe: std::io::PipeReader, deadline: Instant) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { break };
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) => break,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
            Ok(_) => {}
        }
        match pipe.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => kept.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
        if kept.len() > MAX_OUTPUT_TAIL {
            kept.drain(..kept.len() - MAX_OUTPUT_TAIL);
        }
    }
    String::from_utf8_lossy(&kept).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits for the child until the deadline, then kills it.
fn wait(child: &mut Child, deadline: Instant) -> Result<Option<i32>> {
    loop {
        if let Some(status) = child.try_wait().tried(|| "cannot wait for the program")? {
            return Ok(status.code());
        }
        if Instant::now() >= deadline {
            child.kill().tried(|| "cannot end the program")?;
            child.wait().tried(|| "cannot wait for the program")?;
            return Err(Error::new(ErrorKind::System, "did not finish in time and was killed"));
        }
        // It closed its output a moment ago, so it is about to end.
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        File::open("/dev/null").unwrap()
    }

    #[test]
    fn output_is_bounded_and_the_exit_code_kept() {
        let script = "head -c 100000 /dev/zero | tr '\\0' x; echo; echo the end; exit 3";
        let outcome =
            run("sh", &["-c", script], &[("PATH", "/usr/bin:/bin")], &file(), Duration::from_secs(20))
                .unwrap();
        assert_eq!(outcome.code, Some(3));
        assert!(outcome.output_tail.len() <= MAX_OUTPUT_TAIL && outcome.output_tail.ends_with("x the end"));
    }

    #[test]
    fn a_program_that_hangs_is_killed_and_one_that_is_missing_is_named() {
        let error =
            run("sh", &["-c", "exec /bin/sleep 100"], &[], &file(), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "sh: did not finish in time and was killed");
        let error = run("no-such-tool", &[], &[], &file(), Duration::ZERO).unwrap_err();
        assert_eq!(error.report(), "the program no-such-tool is missing; install e2fsprogs");
    }

    #[test]
    fn the_program_gets_the_file_and_nothing_of_our_environment() {
        let path = std::env::temp_dir().join(format!("tool-test-{}", std::process::id()));
        std::fs::write(&path, "content").unwrap();
        let script = "cat /proc/self/fd/3; echo; echo home=$HOME";
        let opened = File::open(&path).unwrap();
        let outcome =
            run("sh", &["-c", script], &[("PATH", "/usr/bin:/bin")], &opened, Duration::from_secs(20))
                .unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(outcome.output_tail, "content home=");
    }
}
