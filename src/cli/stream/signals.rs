//! Signals to this process, read like input.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Result, Tried};

/// Has signals wait from now on to be read.
///
/// # Errors
/// The kernel's.
pub(crate) fn receive(signals: &[Signal]) -> Result<SignalFd> {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_block().tried(|| "cannot block signals")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .tried(|| "cannot wait for signals")
}
