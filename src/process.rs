//! The process a runtime starts: what it inherits is put right before anything else happens.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::{Error, ErrorKind, Result, Tried};

/// How many descriptors we may need at least: without openat2(2), a path in a container takes about ten for a moment.
const MIN_DESCRIPTORS: u64 = 64;

/// Puts right the signal mask (crun blocks everything), the umask, the descriptors that leaked from the runtime, and how many
/// there may be.
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
    allow_descriptors();
}

/// Raises a limit on descriptors that is too low for us: to the hard limit at least, which root may raise, too.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= MIN_DESCRIPTORS);
    if is_enough(limit.current) {
        return;
    }
    let wanted = Some(MIN_DESCRIPTORS);
    let maximum = if is_enough(limit.maximum) { limit.maximum } else { wanted };
    if setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum }).is_err() {
        // Whether what there is suffices shows in what follows.
        let _lower = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
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
        thread.join().map_err(|_| Error::new(ErrorKind::System, "a thread ended before its work"))?
    })
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Makes a panic end the process at once, on whatever thread it is, but for one inside of [`caught`].
pub fn end_on_panic() {
    let tell = take_hook();
    set_hook(Box::new(move |info| {
        if !CATCHING.get() {
            tell(info);
            std::process::abort();
        }
    }));
}

/// Runs `work`, which a library does on hostile data; `None` when it panicked. What it was working on must not be used
/// for anything else then.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = CATCHING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(before);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_library_is_no_end() {
        assert_eq!(caught(|| 7), Some(7));
        assert_eq!(caught(|| [1, 2, 3].iter().step_by(usize::from(CATCHING.get()) - 1).count()), None);
        assert!(!CATCHING.get());
    }
}
