//! Runs a program on a kernel that seems to be older: the named system calls fail as if they did not exist.
//!
//! ```text
//! kernel_without CALL[,CALL...] PROGRAM [ARGUMENT...]
//! ```
//!
//! CALL is one of fsopen, openat2, mount_setattr, pidfd_open, close_range, memfd_create, fallocate, sync_file_range, fsetxattr,
//! statx, LOOP_CONFIGURE (an ioctl), or O_TMPFILE (a flag of openat).

use std::error::Error;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::libc;
use seccompiler::{apply_filter, sock_filter};

/// linux/loop.h.
const LOOP_CONFIGURE: u32 = 0x4C0A;

/// What seccomp calls this program's architecture, `AUDIT_ARCH_*` of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "x86")]
const NATIVE: u32 = I386;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;
#[cfg(target_arch = "arm")]
const NATIVE: u32 = 0x4000_0028;
#[cfg(target_arch = "riscv64")]
const NATIVE: u32 = 0xC000_00F3;

/// The architecture of 32-bit programs on x86_64, whose system calls have numbers of their own.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
const I386: u32 = 0x4000_0003;

/// A system call that fails, when an argument is such, and how.
struct Missing {
    number: libc::c_long,
    /// arch/x86/entry/syscalls/syscall_32.tbl.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    i386: u32,
    argument: u32,
    mask: u32,
    value: u32,
    errno: i32,
}

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
        apply_filter(&missing(call)?.filter()?)?;
    }
    Err(Command::new(program).args(words).exec().into())
}

/// The system call behind a name.
fn missing(call: &str) -> Result<Missing, Box<dyn Error>> {
    let always = |number, i386, errno| Missing { number, i386, argument: 0, mask: 0, value: 0, errno };
    Ok(match call {
        "fsopen" => always(libc::SYS_fsopen, 430, libc::ENOSYS),
        "openat2" => always(libc::SYS_openat2, 437, libc::ENOSYS),
        "mount_setattr" => always(libc::SYS_mount_setattr, 442, libc::ENOSYS),
        "pidfd_open" => always(libc::SYS_pidfd_open, 434, libc::ENOSYS),
        "close_range" => always(libc::SYS_close_range, 436, libc::ENOSYS),
        "memfd_create" => always(libc::SYS_memfd_create, 356, libc::ENOSYS),
        // Its arguments, and so its number, are in another order on 32-bit ARM.
        #[cfg(not(target_arch = "arm"))]
        "sync_file_range" => always(libc::SYS_sync_file_range, 314, libc::ENOSYS),
        // A file system that cannot take room in advance.
        "fallocate" => always(libc::SYS_fallocate, 324, libc::EOPNOTSUPP),
        // A file system that keeps no attributes.
        "statx" => always(libc::SYS_statx, 383, libc::ENOSYS),
        "fsetxattr" => always(libc::SYS_fsetxattr, 228, libc::EOPNOTSUPP),
        // An ioctl that a kernel before 5.8 does not know.
        "LOOP_CONFIGURE" => Missing {
            argument: 1,
            mask: u32::MAX,
            value: LOOP_CONFIGURE,
            ..always(libc::SYS_ioctl, 54, libc::EINVAL)
        },
        // A file system without unnamed files, such as vfat.
        "O_TMPFILE" => {
            let flag = u32::try_from(libc::O_TMPFILE & !libc::O_DIRECTORY)?;
            let openat = always(libc::SYS_openat, 295, libc::EOPNOTSUPP);
            Missing { argument: 2, mask: flag, value: flag, ..openat }
        }
        other => return Err(format!("unknown system call {other}").into()),
    })
}

impl Missing {
    /// The filter of this call, for each architecture whose programs run here. seccompiler makes filters that kill
    /// the programs of any other one, and knows none for 32-bit machines.
    fn filter(&self) -> Result<Vec<sock_filter>, Box<dyn Error>> {
        let mut filter = self.block(NATIVE, u32::try_from(self.number)?)?.to_vec();
        #[cfg(target_arch = "x86_64")]
        filter.extend(self.block(I386, self.i386)?);
        filter.push(step(RETURN, 0, libc::SECCOMP_RET_ALLOW));
        Ok(filter)
    }

    /// Lets the call fail that has this number on this architecture; everything else goes on behind the block.
    fn block(&self, architecture: u32, number: u32) -> Result<[sock_filter; 8], Box<dyn Error>> {
        // `struct seccomp_data`, linux/seccomp.h: the number, the architecture, a pointer, six arguments of 8 bytes,
        // of which these machines have the low half first.
        Ok([
            step(LOAD, 0, 4),
            step(UNLESS_EQUAL, 6, architecture),
            step(LOAD, 0, 0),
            step(UNLESS_EQUAL, 4, number),
            step(LOAD, 0, 16 + 8 * self.argument),
            step(AND, 0, self.mask),
            step(UNLESS_EQUAL, 1, self.value),
            step(RETURN, 0, libc::SECCOMP_RET_ERRNO | u32::try_from(self.errno)?),
        ])
    }
}

// Instructions of linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ, BPF_ALU|BPF_AND, BPF_RET.
const LOAD: u16 = 0x20;
const UNLESS_EQUAL: u16 = 0x15;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

/// An instruction; `skip` is how many follow that a comparison which fails leaves out.
fn step(code: u16, skip: u8, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: skip, k }
}
