//! Runs a program on a kernel that seems to be older: the named system calls fail as if they did not exist.
//!
//! ```text
//! kernel_without CALL[,CALL...] PROGRAM [ARGUMENT...]
//! ```
//!
//! CALL is one of fsopen, openat2, mount_setattr, pidfd_open, close_range, memfd_create, fallocate, LOOP_CONFIGURE (an ioctl), or
//! O_TMPFILE (a flag of openat).

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
    let _closed = writeln!(std::io::stderr(), "kernel_without: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<std::convert::Infallible, Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let calls = words.next().and_then(|word| word.into_string().ok()).ok_or("no system calls are named")?;
    let program = words.next().ok_or("no program is named")?;
    for call in calls.split(',') {
        let (number, rules, errno) = missing(call)?;
        let filter = SeccompFilter::new(
            [(number, rules)].into_iter().collect(),
            SeccompAction::Allow,
            SeccompAction::Errno(errno.try_into()?),
            std::env::consts::ARCH.try_into()?,
        )?;
        apply_filter(&BpfProgram::try_from(filter)?)?;
    }
    Err(Command::new(program).args(words).exec().into())
}

/// The system call behind a name, when it fails, and how.
fn missing(call: &str) -> Result<(i64, Vec<SeccompRule>, i32), Box<dyn Error>> {
    let always = |number| Ok((number, Vec::new(), libc::ENOSYS));
    match call {
        "fsopen" => always(libc::SYS_fsopen),
        "openat2" => always(libc::SYS_openat2),
        "mount_setattr" => always(libc::SYS_mount_setattr),
        "pidfd_open" => always(libc::SYS_pidfd_open),
        "close_range" => always(libc::SYS_close_range),
        "memfd_create" => always(libc::SYS_memfd_create),
        // A file system that cannot take room in advance.
        "fallocate" => Ok((libc::SYS_fallocate, Vec::new(), libc::EOPNOTSUPP)),
        // An ioctl that a kernel before 5.8 does not know.
        "LOOP_CONFIGURE" => Ok((libc::SYS_ioctl, rule(1, SeccompCmpOp::Eq, LOOP_CONFIGURE)?, libc::EINVAL)),
        // A file system without unnamed files, such as vfat.
        "O_TMPFILE" => {
            let flag = u64::try_from(libc::O_TMPFILE & !libc::O_DIRECTORY)?;
            Ok((libc::SYS_openat, rule(2, SeccompCmpOp::MaskedEq(flag), flag)?, libc::EOPNOTSUPP))
        }
        other => Err(format!("unknown system call {other}").into()),
    }
}

fn rule(argument: u8, compare: SeccompCmpOp, value: u64) -> Result<Vec<SeccompRule>, Box<dyn Error>> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}
