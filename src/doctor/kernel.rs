//! What the kernel has, and what is used instead of what it lacks.

use std::fs::File;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::FsOpenFlags;

use crate::doctor::finding::Finding;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc::pidfd::PidFd;
use crate::proc::user_namespace;
use crate::{sys, tool};

/// Everything about the kernel and the tools that go with it.
#[must_use]
pub fn look() -> Vec<Finding> {
    vec![
        Finding::of("privilege", user_namespace::check_root().map(|()| "root of the host".into())),
        Finding::of("kernel", version()),
        calls(),
        Finding::of("ext4", ext4()),
        Finding::of("loop devices", loop_devices()),
        Finding::of("e2fsprogs", e2fsprogs()),
    ]
}

fn version() -> Result<String> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if version >= (5, 8) || cfg!(feature = "old-kernels") {
        return Ok(format!("{release}, {}", uname.machine().to_string_lossy()));
    }
    let what = format!("{release} is older than 5.8, and this program was built without 'old-kernels'");
    Err(Error::new(ErrorKind::Unsupported, what).advise("build it with that feature"))
}

/// The newer calls; each has a fallback.
fn calls() -> Finding {
    let missing = |error: Errno| error == Errno::NOSYS;
    let fsopen = rustix::mount::fsopen("nosuchfs", FsOpenFlags::FSOPEN_CLOEXEC).map(drop);
    let openat2 =
        rustix::fs::openat2(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::empty())
            .map(drop);
    let pidfd = PidFd::open(1).ok().is_some_and(|pid| pid.fd().is_some());
    let absent: Vec<_> = [
        ("fsopen", fsopen.is_err_and(missing)),
        ("openat2", openat2.is_err_and(missing)),
        ("pidfd_open", !pidfd),
    ]
    .into_iter()
    .filter_map(|(name, is_missing)| is_missing.then_some(name))
    .collect();
    let text = match &absent[..] {
        [] => "fsopen, openat2 and pidfd_open are there".to_owned(),
        absent => format!("{} missing: older calls are used instead", absent.join(", ")),
    };
    Finding::fine("system calls", text)
}

fn ext4() -> Result<String> {
    let known = std::fs::read_to_string("/proc/filesystems").tried(|| "cannot read /proc/filesystems")?;
    if known.lines().any(|line| line.trim_start_matches("nodev").trim() == "ext4") {
        return Ok("in the kernel".into());
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let module = |list: &str| {
        let text = std::fs::read_to_string(format!("/lib/modules/{release}/{list}"));
        text.is_ok_and(|text| text.contains("/ext4.ko"))
    };
    if module("modules.builtin") || module("modules.dep") {
        return Ok("a module, loaded when it is needed".into());
    }
    Err(Error::new(ErrorKind::Unsupported, "the kernel has no ext4").advise("build it with CONFIG_EXT4_FS"))
}

/// Whether there are loop devices to be had.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when there are none.
pub fn loop_devices() -> Result<String> {
    let refused = |error: std::io::Error| {
        Error::new(ErrorKind::Unsupported, "cannot open /dev/loop-control")
            .caused_by(error)
            .advise("load the kernel module loop (modprobe loop), and run as root")
    };
    let control = File::open("/dev/loop-control").map_err(refused)?;
    let free = sys::loop_device::get_free(&control).tried(|| "cannot get a loop device")?;
    Ok(format!("available (the next is /dev/loop{free})"))
}

fn e2fsprogs() -> Result<String> {
    let e2fsck = tool::find("e2fsck", "e2fsprogs")?;
    tool::find("mke2fs", "e2fsprogs")?;
    Ok(format!("{} and mke2fs", e2fsck.display()))
}
