//! How much a crash may cost: the handler runs outside of every container's limits, on the container's behalf.

use std::time::Duration;

use rustix::process::{Resource, Rlimit};

use crate::error::ExitCode;

/// How long all of it may take, in seconds. The crashed process is held that long.
const MAX_SECONDS: u32 = 10;
/// When the kernel ends it, in seconds, if it cannot even say that it took too long.
const LAST_SECONDS: u32 = MAX_SECONDS + 1;
/// The most address space, in bytes. 32,000 mappings take about 10 MB.
const MAX_MEMORY: u64 = 256 << 20;
/// The most bytes of a file: no dump has more.
const MAX_FILE: u64 = 16 << 20;
/// How far behind the programs of the box the handler stands.
const NICE: i32 = 10;

/// Ends this process when it takes too long.
pub fn start_alarm() {
    let _none_before = nix::unistd::alarm::set(LAST_SECONDS);
}

/// Ends this process when it takes too long, and says so. Before [`limit`], which leaves little memory for a thread.
pub fn give_up_later(container: &str, pid: i32) {
    let container = container.to_owned();
    let give_up = move || {
        std::thread::sleep(Duration::from_secs(MAX_SECONDS.into()));
        log::error!(
            "the crash of process {pid} in container {container}: there is no dump of it within {MAX_SECONDS} s; the core file or \
             the destination is too slow"
        );
        std::process::exit(ExitCode::Timeout as i32);
    };
    // Without it, nothing is said.
    let _thread = std::thread::Builder::new().spawn(give_up);
}

/// The next program gets as much time as it wants.
pub fn stop_alarm() {
    let _left = nix::unistd::alarm::cancel();
}

/// Lifts the limits for a program that is started next: the kernel starts programs without any.
pub fn lift() {
    for resource in [Resource::As, Resource::Fsize] {
        let Rlimit { maximum, .. } = rustix::process::getrlimit(resource);
        let _limited = rustix::process::setrlimit(resource, Rlimit { current: maximum, maximum });
    }
    let _as_before = rustix::process::nice(-NICE);
}

/// Limits memory, files and the share of the CPU, and keeps what is written from others.
pub fn limit() {
    for (resource, maximum) in [(Resource::As, MAX_MEMORY), (Resource::Fsize, MAX_FILE)] {
        let before = rustix::process::getrlimit(resource);
        // A lower limit may be there already, and stays then. Without the hard one, it can be lifted again.
        let current = before.current.map_or(maximum, |current| current.min(maximum));
        let limit = Rlimit { current: Some(current), maximum: before.maximum };
        let _as_before = rustix::process::setrlimit(resource, limit);
    }
    let _as_before = rustix::process::nice(NICE);
    // A file that has grown too large must give an error that can be reported, not a signal that kills.
    let mut mask = nix::sys::signal::SigSet::empty();
    mask.add(nix::sys::signal::Signal::SIGXFSZ);
    let _blocked = mask.thread_block();
    let _old_umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
}
