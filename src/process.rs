//! The process a runtime starts: what it inherits is put right before anything else happens.

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::Mode;

/// Puts right the signal mask (crun blocks everything), the umask, and the descriptors that leaked from the runtime.
pub fn inherit_nothing() {
    // A small RLIMIT_FSIZE must give an error that can be reported, not a signal that kills.
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGXFSZ);
    // Neither can fail for these arguments, and without them the work still gets done.
    let _old_mask = mask.thread_set_mask();
    // Directories made in the container's root file system must stay passable for its users.
    let _old_umask = rustix::process::umask(Mode::from_raw_mode(0o022));
    if crate::sys::close_from(3).is_err() {
        // Before Linux 5.9; what was leaked stays open, but every child gets only what it is given.
        log::debug!("cannot close inherited descriptors");
    }
}
