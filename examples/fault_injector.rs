//! Runs a program and does it harm at one exact moment: before its N-th system call of some kind, in whatever thread
//! or child, the program is killed, the call fails, or the program is held up while others do something.
//!
//! ```text
//! fault_injector REPORT KINDS FAULT PROGRAM [ARGUMENT...]
//! ```
//!
//! KINDS is a list of `changes`, `opens` and `reads`, separated by commas. FAULT is `none`, `kill@N`, `hold@N`, or
//! `ERRNO@N` with an errno's number. A program that is held has made the file REPORT.held, and goes on when that is
//! removed. REPORT gets one line for each call of these kinds: who made it, and which it was. The exit code is the
//! program's, or 128 and the signal.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use seccompiler::{apply_filter, sock_filter};

type Failure = Box<dyn Error>;

/// A system call with its number.
type Call = (&'static str, i64);

macro_rules! calls {
    ($($name:ident => $number:ident),* $(,)?) => { &[$((stringify!($name), libc::$number)),*] };
}

/// Calls that change something outside the process, or make a process or thread that will. What death by a signal does
/// by itself (closing descriptors, giving up locks) is no step of its own.
const CHANGES: &[Call] = calls![
    write => SYS_write, pwrite64 => SYS_pwrite64, writev => SYS_writev, copy_file_range => SYS_copy_file_range,
    sendfile => SYS_sendfile, ftruncate => SYS_ftruncate, fallocate => SYS_fallocate, fsync => SYS_fsync,
    fdatasync => SYS_fdatasync, ioctl => SYS_ioctl, flock => SYS_flock, mkdirat => SYS_mkdirat,
    linkat => SYS_linkat, symlinkat => SYS_symlinkat, unlinkat => SYS_unlinkat, renameat => SYS_renameat,
    renameat2 => SYS_renameat2, fchmod => SYS_fchmod, fchmodat => SYS_fchmodat, fchown => SYS_fchown,
    fchownat => SYS_fchownat, fsetxattr => SYS_fsetxattr, mount => SYS_mount, umount2 => SYS_umount2,
    fsopen => SYS_fsopen, fsconfig => SYS_fsconfig, fsmount => SYS_fsmount, move_mount => SYS_move_mount,
    mount_setattr => SYS_mount_setattr, unshare => SYS_unshare, setns => SYS_setns, clone => SYS_clone,
    clone3 => SYS_clone3, execve => SYS_execve, exit => SYS_exit, exit_group => SYS_exit_group,
];

/// Calls of the same kind that younger architectures do without.
#[cfg(target_arch = "x86_64")]
const OLD_CHANGES: &[Call] = calls![
    mkdir => SYS_mkdir, unlink => SYS_unlink, rename => SYS_rename, rmdir => SYS_rmdir, link => SYS_link,
    chmod => SYS_chmod, chown => SYS_chown, fork => SYS_fork, vfork => SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CHANGES: &[Call] = &[];

const OPENS: &[Call] = calls![openat => SYS_openat, openat2 => SYS_openat2, pidfd_open => SYS_pidfd_open];

const READS: &[Call] = calls![read => SYS_read, pread64 => SYS_pread64, getdents64 => SYS_getdents64,
    fstat => SYS_fstat, statx => SYS_statx];

/// The same calls of a 32-bit program, which has two of some (arch/x86/entry/syscalls/syscall_32.tbl).
#[rustfmt::skip]
const I386_NUMBERS: &[Call] = &[
    ("write", 4), ("pwrite64", 181), ("writev", 146), ("copy_file_range", 377), ("sendfile", 187),
    ("ftruncate", 93), ("fallocate", 324), ("fsync", 118), ("fdatasync", 148), ("ioctl", 54),
    ("flock", 143), ("mkdirat", 296), ("linkat", 303), ("symlinkat", 304), ("unlinkat", 301),
    ("renameat", 302), ("renameat2", 353), ("fchmod", 94), ("fchmodat", 306), ("fchown", 95),
    ("fchownat", 298), ("fsetxattr", 228), ("mount", 21), ("umount2", 52), ("fsopen", 430),
    ("fsconfig", 431), ("fsmount", 432), ("move_mount", 429), ("mount_setattr", 442), ("unshare", 310),
    ("setns", 346), ("clone", 120), ("clone3", 435), ("execve", 11), ("exit", 1),
    ("exit_group", 252), ("mkdir", 39), ("unlink", 10), ("rename", 38), ("rmdir", 40),
    ("link", 9), ("chmod", 15), ("chown", 182), ("fork", 2), ("vfork", 190),
    ("openat", 295), ("openat2", 437), ("pidfd_open", 434), ("read", 3), ("pread64", 180),
    ("getdents64", 220), ("fstat", 108), ("statx", 383), ("sendfile", 239), ("ftruncate", 194),
    ("fchown", 207), ("chown", 212), ("fstat", 197),
];

/// What seccomp calls an architecture, `AUDIT_ARCH_*` of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;
#[cfg(target_arch = "riscv64")]
const NATIVE: u32 = 0xC000_00F3;
const I386: u32 = 0x4000_0003;

/// What happens before which call.
struct Fault {
    at: usize,
    harm: Harm,
}

enum Harm {
    /// The program is killed.
    Kill,
    /// The call fails with this errno.
    Fail(i32),
    /// The program waits until this file, which is made for it, is removed.
    Hold(PathBuf),
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code.into(),
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "fault_injector: {error}");
            250.into()
        }
    }
}

fn run(words: Vec<String>) -> Result<u8, Failure> {
    let [report, kinds, fault, program, arguments @ ..] = &words[..] else {
        return Err("usage: fault_injector REPORT KINDS FAULT PROGRAM [ARGUMENT...]".into());
    };
    if report == "--traced" {
        return Err(be_traced(kinds, program, arguments)?.into());
    }
    let fault = Fault::parse(fault, report)?;
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.args(["--traced", kinds, "-", program]).args(arguments).spawn()?;
    let (code, seen) = trace(Pid::from_raw(child.id().try_into()?), &fault)?;
    std::fs::write(report, seen.join("\n"))?;
    Ok(code)
}

impl Fault {
    fn parse(word: &str, report: &str) -> Result<Self, Failure> {
        if word == "none" {
            return Ok(Self { at: 0, harm: Harm::Kill });
        }
        let (what, at) = word.split_once('@').ok_or("a fault is none, kill@N, hold@N or ERRNO@N")?;
        let harm = match what {
            "kill" => Harm::Kill,
            "hold" => Harm::Hold(format!("{report}.held").into()),
            errno => Harm::Fail(errno.parse()?),
        };
        Ok(Self { at: at.parse()?, harm })
    }
}

/// Becomes the program, with a filter that stops it at each of the calls. Gives the reason if it cannot.
fn be_traced(kinds: &str, program: &str, arguments: &[String]) -> Result<std::io::Error, Failure> {
    let filter = filter(kinds)?;
    ptrace::traceme()?;
    // The tracer must have said what it wants to hear of before the first call is stopped.
    raise(Signal::SIGSTOP)?;
    apply_filter(&filter)?;
    Ok(Command::new(program).args(arguments).exec())
}

/// Stops at the calls of these kinds, in programs of either size.
fn filter(kinds: &str) -> Result<Vec<sock_filter>, Failure> {
    let mut filter = Vec::new();
    for kind in kinds.split(',') {
        let calls: &[&[Call]] = match kind {
            "changes" => &[CHANGES, OLD_CHANGES],
            "opens" => &[OPENS],
            "reads" => &[READS],
            other => return Err(format!("unknown kind {other}").into()),
        };
        for (name, number) in calls.iter().flat_map(|calls| calls.iter()) {
            stop_at(&mut filter, name, *number, u32::MAX)?;
        }
    }
    // Opening a file to write, or to make it, is a change.
    stop_at(
        &mut filter,
        "openat",
        libc::SYS_openat,
        u32::try_from(libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT)?,
    )?;
    filter.push(step(RETURN, 0, libc::SECCOMP_RET_ALLOW));
    Ok(filter)
}
/// Adds what stops at a call, if its third argument has one of `flags`; `u32::MAX` stands for always.
fn stop_at(filter: &mut Vec<sock_filter>, name: &str, number: i64, flags: u32) -> Result<(), Failure> {
    let in_32_bits =
        I386_NUMBERS.iter().filter(|(known, _)| *known == name).map(|(_, number)| (I386, *number));
    let in_32_bits = in_32_bits.filter(|_| cfg!(target_arch = "x86_64"));
    for (architecture, number) in std::iter::once((NATIVE, number)).chain(in_32_bits) {
        // `struct seccomp_data`, linux/seccomp.h: the number, the architecture, a pointer, six arguments of 8 bytes.
        let of_flags = [step(LOAD, 0, 32), step(UNLESS_SET, 1, flags)];
        let of_flags = if flags == u32::MAX { &[][..] } else { &of_flags };
        let skip = u8::try_from(of_flags.len())? + 1;
        filter.extend([step(LOAD, 0, 4), step(UNLESS_EQUAL, skip + 2, architecture)]);
        filter.extend([step(LOAD, 0, 0), step(UNLESS_EQUAL, skip, u32::try_from(number)?)]);
        filter.extend(of_flags.iter().cloned());
        filter.push(step(RETURN, 0, libc::SECCOMP_RET_TRACE));
    }
    Ok(())
}

// Instructions of linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ, BPF_JMP|BPF_JSET, BPF_RET.
const LOAD: u16 = 0x20;
const UNLESS_EQUAL: u16 = 0x15;
const UNLESS_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

/// An instruction; `skip` is how many follow that a comparison which fails leaves out.
fn step(code: u16, skip: u8, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: skip, k }
}

/// Follows the program and everything it starts to the end. Gives its exit code and the calls seen.
fn trace(program: Pid, fault: &Fault) -> Result<(u8, Vec<String>), Failure> {
    waitpid(program, Some(WaitPidFlag::__WALL))?;
    ptrace::setoptions(
        program,
        Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL,
    )?;
    let (mut seen, mut code, mut known, mut started) = (Vec::new(), 0, HashMap::new(), false);
    let mut stopped = program;
    let mut signal = None;
    loop {
        // Who was killed meanwhile cannot go on.
        let _gone = ptrace::cont(stopped, signal.take());
        let status = match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Err(Errno::ECHILD) => return Ok((code, seen)),
            other => other?,
        };
        match status {
            WaitStatus::Exited(pid, exit) if pid == program => code = exit.try_into()?,
            WaitStatus::Signaled(pid, by, _) if pid == program => code = 128 + u8::try_from(by as i32)?,
            WaitStatus::PtraceEvent(_, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => {
                started = true
            }
            WaitStatus::PtraceEvent(pid, _, event)
                if started && event == Event::PTRACE_EVENT_SECCOMP as i32 =>
            {
                let count = known.len();
                let who = *known.entry(pid).or_insert(count);
                seen.push(format!("{who} {}", call(pid)));
                if seen.len() == fault.at {
                    harm(program, pid, fault)?;
                }
            }
            // A signal on its way to the program; but the stops of new threads and children are the tracer's own.
            WaitStatus::Stopped(_, by) if by != Signal::SIGSTOP && by != Signal::SIGTRAP => signal = Some(by),
            _ => {}
        }
        stopped = status.pid().ok_or("a wait without a process")?;
    }
}

fn harm(program: Pid, pid: Pid, fault: &Fault) -> Result<(), Failure> {
    match &fault.harm {
        Harm::Kill => Ok(kill(program, Signal::SIGKILL)?),
        Harm::Fail(errno) => fail(pid, *errno),
        Harm::Hold(file) => {
            std::fs::write(file, "")?;
            while file.exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
    }
}

/// Lets the call at which `pid` is stopped fail: no call is made, and the result is the error.
#[cfg(target_arch = "x86_64")]
fn fail(pid: Pid, errno: i32) -> Result<(), Failure> {
    let mut registers = ptrace::getregs(pid)?;
    registers.orig_rax = u64::MAX;
    registers.rax = i64::from(-errno).cast_unsigned();
    Ok(ptrace::setregs(pid, registers)?)
}

#[cfg(not(target_arch = "x86_64"))]
fn fail(_pid: Pid, _errno: i32) -> Result<(), Failure> {
    Err("errors can be injected on x86_64 only".into())
}

/// The name of the call at which `pid` is stopped.
fn call(pid: Pid) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = text.split(' ').next().and_then(|word| word.parse::<i64>().ok());
    let tables =
        if in_32_bits(pid) { [I386_NUMBERS, &[], &[], &[]] } else { [CHANGES, OLD_CHANGES, OPENS, READS] };
    let mut all = tables.into_iter().flatten();
    all.find(|(_, known)| Some(*known) == number).map_or_else(|| text.clone(), |(name, _)| (*name).to_owned())
}

/// By its code segment, arch/x86/include/asm/segment.h.
#[cfg(target_arch = "x86_64")]
fn in_32_bits(pid: Pid) -> bool {
    ptrace::getregs(pid).is_ok_and(|registers| registers.cs == 0x23)
}

#[cfg(not(target_arch = "x86_64"))]
fn in_32_bits(_pid: Pid) -> bool {
    false
}
