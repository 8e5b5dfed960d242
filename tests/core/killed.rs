//! The handler of core files is killed before every call that changes something: no crash record stays without its dump, and
//! no dump without its record.

use std::fs;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use oci_minidump::harvest::crash_record::CrashRecord;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::container::Container;
use crate::support::host::hook_program;
use crate::support::programs::fault_injector;

const ON: &str = "crash_records = true\n[retention]\nburst = \"3/1h\"\n";

/// Handles a crash, killed before the call `step`. Gives whether it was killed.
fn crash_killed(container: &Container, step: u64) -> bool {
    let held =
        pidfd_open(Pid::from_raw(container.pid().cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
    rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty()).unwrap();
    let mut command = Command::new(fault_injector());
    command.arg(container.path("calls")).args(["changes", &format!("kill@{step}")]).arg(hook_program());
    command.arg("--settings").arg(container.path("settings.toml")).arg("core");
    let pid = container.pid().to_string();
    command.args([&pid, &pid, "11", &held.as_raw_fd().to_string()]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let _closed = std::io::Write::write_all(&mut child.stdin.take().unwrap(), &container.head_at(step));
    !child.wait().unwrap().success()
}

fn files(container: &Container, ending: &str) -> Vec<std::path::PathBuf> {
    let is_wanted = |path: &std::path::PathBuf| path.extension().is_some_and(|found| found == ending);
    container.dumps().into_iter().filter(is_wanted).collect()
}

#[test]
fn a_handler_that_is_killed_at_any_step_leaves_dumps_with_records_and_no_record_for_ever() {
    let container = Container::new();
    container.settings(ON);
    for step in 1.. {
        let is_killed = crash_killed(&container, step);
        // The record comes first, so that a dump always has one.
        for dump in files(&container, "dmp") {
            let record = CrashRecord::find(&dump).unwrap_or_else(|| panic!("killed at {step}: {dump:?}"));
            assert_eq!(record.size, fs::metadata(&dump).unwrap().len(), "killed at {step}");
            assert_eq!((record.container.as_deref(), record.truncated), (Some("app"), false));
            assert_eq!(
                (record.signal.as_deref(), record.program.as_deref()),
                (Some("SIGSEGV"), Some("sleep"))
            );
            assert!(record.module.is_some() && record.offset.is_some() && record.build_id.is_some());
            assert_eq!(record.subject.bundle.as_deref(), Some("/b"));
        }
        assert!(files(&container, "json").len() <= files(&container, "dmp").len() + 1, "killed at {step}");
        // The next crash clears up.
        assert!(container.crash(&container.head_at(1000 + step), &[]).status.success());
        let (dumps, records) = (files(&container, "dmp"), files(&container, "json"));
        assert!(dumps.len() <= 3 && dumps.len() == records.len(), "killed at {step}: {dumps:?} {records:?}");
        if !is_killed {
            assert!(step > 10, "{step}");
            return;
        }
    }
}
