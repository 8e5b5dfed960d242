//! The requests of loop devices, loop(4).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// What `LOOP_GET_STATUS64` gives and `LOOP_CONFIGURE` takes: `struct loop_info64`, linux/loop.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`, linux/loop.h, since Linux 5.8.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

// SAFETY: it consists of numbers, and each may be 0.
const LOOP_INFO_ZERO: LoopInfo64 = unsafe { std::mem::zeroed() };

/// `LO_FLAGS_READ_ONLY`, loop(4).
pub const READ_ONLY: u32 = 1;
/// `LO_FLAGS_AUTOCLEAR`, loop(4): the device detaches by itself at its last close.
pub const AUTOCLEAR: u32 = 4;

/// The requests of loop(4), as unsafe functions.
mod request {
    #![allow(missing_docs)]
    use super::{LoopConfig, LoopInfo64};

    nix::ioctl_none_bad!(loop_ctl_get_free, 0x4C82);
    nix::ioctl_write_ptr_bad!(loop_configure, 0x4C0A, LoopConfig);
    nix::ioctl_read_bad!(loop_get_status64, 0x4C05, LoopInfo64);
}

/// The number of a free loop device (`LOOP_CTL_GET_FREE`, loop(4)); another process may take it first.
///
/// # Errors
/// The kernel's.
pub fn get_free(control: impl AsFd) -> io::Result<u32> {
    // SAFETY: the request takes no argument; the descriptor is borrowed for the call.
    let number = unsafe { request::loop_ctl_get_free(control.as_fd().as_raw_fd()) }?;
    u32::try_from(number).map_err(|_| Errno::INVAL.into())
}

/// Attaches `file` to the loop device `device` in one step (`LOOP_CONFIGURE`, since Linux 5.8).
///
/// `name` is what `losetup` shows; the kernel cuts it after 63 bytes.
///
/// # Errors
/// `EBUSY` when the device was taken meanwhile; `EINVAL` or `ENOTTY` on kernels before 5.8.
pub fn configure(device: impl AsFd, file: BorrowedFd<'_>, name: &[u8], flags: u32) -> io::Result<()> {
    let mut info = LoopInfo64 { flags, ..LOOP_INFO_ZERO };
    for (to, from) in info.file_name.iter_mut().take(63).zip(name) {
        *to = *from;
    }
    let fd = u32::try_from(file.as_raw_fd()).map_err(|_| Errno::BADF)?;
    let config = LoopConfig { fd, block_size: 0, info, reserved: [0; 8] };
    // SAFETY: `config` is a valid `struct loop_config` that outlives the call; the kernel only reads it and takes
    // its own reference to the file.
    unsafe { request::loop_configure(device.as_fd().as_raw_fd(), &raw const config) }?;
    Ok(())
}

/// The file behind a loop device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackingFile {
    /// Its device and inode number.
    pub identity: (u64, u64),
    /// Whether the device cannot be written to.
    pub read_only: bool,
}

/// The file behind a loop device, `None` when nothing is attached (`LOOP_GET_STATUS64`, loop(4)).
///
/// # Errors
/// The kernel's, but for `ENXIO`.
pub fn backing_file(device: impl AsFd) -> io::Result<Option<BackingFile>> {
    let mut info = LOOP_INFO_ZERO;
    // SAFETY: `info` is a valid, writable `struct loop_info64` that outlives the call.
    match unsafe { request::loop_get_status64(device.as_fd().as_raw_fd(), &raw mut info) } {
        Ok(_) => Ok(Some(BackingFile {
            identity: (info.device, info.inode),
            read_only: info.flags & READ_ONLY != 0,
        })),
        Err(nix::Error::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
