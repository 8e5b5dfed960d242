//! Runs a program on a kernel that seems to be older: the named system calls fail as if they did not exist.
//!
//! ```text
//! without CALL[,CALL...] PROGRAM [ARGUMENT...]
//! ```
//!
//! CALL is one of fsopen, openat2, mount_setattr, pidfd_open, close_range, memfd_create, or LOOP_CONFIGURE (an ioctl).

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// linux/loop.h.
const LOOP_CONFIGURE: u64 = 0x4C0A;

fn main() -> ExitCode {
    let Err(error) = run();
    let _closed = writeln!(std::io::stderr(), "without: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<std::convert::Infallible, Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let calls = words.next().and_then(|word| word.into_string().ok()).ok_or("no system calls are named")?;
    let program = words.next().ok_or("no program is named")?;
    let mut missing = BTreeMap::new();
    for call in calls.split(',') {
        missing.insert(number(call)?, Vec::new());
    }
    if calls.split(',').any(|call| call == "LOOP_CONFIGURE") {
        let request = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, LOOP_CONFIGURE)?;
        let rule = SeccompRule::new(vec![request])?;
        missing.insert(libc::SYS_ioctl, vec![rule]);
    }
    // Before Linux 5.8 the ioctl gives EINVAL; a system call that does not exist gives ENOSYS.
    for (call, rules) in missing {
        let errno = if rules.is_empty() { libc::ENOSYS } else { libc::EINVAL };
        let filter = SeccompFilter::new(
            [(call, rules)].into_iter().collect(),
            SeccompAction::Allow,
            SeccompAction::Errno(errno.try_into()?),
            std::env::consts::ARCH.try_into()?,
        )?;
        apply_filter(&BpfProgram::try_from(filter)?)?;
    }
    Err(Command::new(program).args(words).exec().into())
}

fn number(call: &str) -> Result<i64, Box<dyn Error>> {
    Ok(match call {
        "fsopen" => libc::SYS_fsopen,
        "openat2" => libc::SYS_openat2,
        "mount_setattr" => libc::SYS_mount_setattr,
        "pidfd_open" => libc::SYS_pidfd_open,
        "close_range" => libc::SYS_close_range,
        "memfd_create" => libc::SYS_memfd_create,
        "LOOP_CONFIGURE" => libc::SYS_ioctl,
        other => return Err(format!("unknown system call {other}").into()),
    })
}
