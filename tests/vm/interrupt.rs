//! Leaves nothing behind when somebody ends the run: guests have process groups of their own, so that a terminal's
//! signal does not reach them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;

static GUESTS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Notes that a guest runs, by its process group.
pub(crate) fn started(guest: Pid) {
    GUESTS.lock().unwrap_or_else(PoisonError::into_inner).push(guest);
}

/// Kills a guest that runs.
pub(crate) fn end(guest: Pid) {
    let mut guests = GUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = guests.iter().position(|running| *running == guest) {
        guests.swap_remove(at);
        // It may have gone by itself.
        let _gone = killpg(guest, Signal::SIGKILL);
    }
}

/// Where the files of this run lie, and what their names begin with.
pub(crate) fn places() -> ([PathBuf; 2], String) {
    ([PathBuf::from("/dev/shm"), std::env::temp_dir()], format!("oci-minidump-vm-{}-", std::process::id()))
}

/// From now on SIGINT and SIGTERM end the guests, remove the files and end the run. To be called before any thread runs.
pub(crate) fn watch() {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block().unwrap();
    std::thread::spawn(move || {
        let signal = signals.wait().unwrap();
        // Held to the end, so that no guest is added.
        let guests = GUESTS.lock().unwrap_or_else(PoisonError::into_inner);
        for guest in guests.iter() {
            let _gone = killpg(*guest, Signal::SIGKILL);
        }
        let (dirs, prefix) = places();
        for entry in dirs.iter().flat_map(std::fs::read_dir).flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _stays = std::fs::remove_dir_all(entry.path());
            }
        }
        std::process::exit(128 + signal as i32);
    });
}
