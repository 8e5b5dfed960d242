//! A C program that really crashes: in a container's mount namespace, held at its signal as the kernel holds it, with all
//! registers that it has then.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::container::{Container, call, head_of};
use crate::support::host::wait_until;

/// The functions on the stack at the crash, the innermost first.
pub(crate) const CALLS: [&str; 5] = ["crash_here", "third", "second", "first", "main"];

/// Runs a program of the host and fails when it does.
pub(crate) fn run(program: &str, args: &[&Path]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// The build id of a file, as binutils read it.
pub(crate) fn build_id(path: &Path) -> String {
    let output = Command::new("readelf").arg("-n").arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let id = text.lines().find_map(|line| line.trim().strip_prefix("Build ID: ").map(str::to_owned));
    id.unwrap_or_else(|| panic!("{text}"))
}

/// Ends the process whatever becomes of the test.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Has `program` crash in a container, and returns its dump, which lies in the container's directory.
pub(crate) fn crash(container: &Container, program: &Path) -> PathBuf {
    let before = container.dumps();
    let mut command = Command::new("nsenter");
    command.args(["-t", &container.pid().to_string(), "-m"]).arg(program).stdin(Stdio::piped());
    let mut held = Held(command.spawn().unwrap());
    let number = held.0.id();
    let executable = format!("/proc/{number}/exe");
    wait_until(|| fs::read_link(&executable).is_ok_and(|path| path == program));
    let pid = Pid::from_raw(number.cast_signed());
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    held.0.stdin.take().unwrap().write_all(b"x").unwrap();
    assert_eq!(waitpid(pid, None).unwrap(), WaitStatus::Stopped(pid, Signal::SIGSEGV));
    let mut head = head_of(number, number);
    let status = head.notes.iter_mut().find(|(_, kind, _)| *kind == 1).unwrap();
    status.2[112..112 + 216].copy_from_slice(&registers(pid));
    let pidfd =
        pidfd_open(rustix::process::Pid::from_raw(pid.as_raw()).unwrap(), PidfdFlags::empty()).unwrap();
    let output = call(&container.path("settings.toml"), &[number; 2], Some(pidfd), (&head.bytes(), &[]));
    assert!(output.status.success(), "{output:?}");
    let mut dumps = container.dumps();
    dumps.retain(|dump| !before.contains(dump));
    assert_eq!(dumps.len(), 1, "{output:?}");
    dumps.remove(0)
}

/// The general registers in the order that the kernel has in a core file.
fn registers(pid: Pid) -> Vec<u8> {
    let r = ptrace::getregs(pid).unwrap();
    let all = [
        r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx, r.rsi,
        r.rdi, r.orig_rax, r.rip, r.cs, r.eflags, r.rsp, r.ss, r.fs_base, r.gs_base, r.ds, r.es, r.fs, r.gs,
    ];
    all.iter().flat_map(|register| register.to_le_bytes()).collect()
}
