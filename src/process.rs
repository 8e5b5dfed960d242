//! The process a runtime starts: what it inherits is put right before anything else happens.

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::Mode;

use crate::error::{Error, ErrorKind, Result, Tried};

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

/// Does `work` in a thread of its own, which may change its root, its working directory and its namespaces.
///
/// # Errors
/// Those of `work`, and the kernel's when there is no room for a thread.
pub fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work);
        let thread = thread.tried(|| "cannot start a thread")?;
        thread.join().map_err(|_| Error::new(ErrorKind::System, "the mounting thread died"))?
    })
}
