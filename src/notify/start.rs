//! Starting a worker, and leaving entries for it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Result;
use crate::notify::entry::{Dump, Entry};
use crate::notify::program::PATH;
use crate::notify::spool::Spool;
use crate::notify::{mark, pending, tally};
use crate::settings::admin::Admin;
use crate::sys::detach::spawn_detached;

/// This program, also when its file was replaced.
const OURSELVES: &str = "/proc/self/exe";
/// What the worker is called.
const NAME: &str = "oci-minidump-hook";

/// Leaves a published dump, whose file this is, for the worker: it is in the spool then. If that is not possible, it waits, and
/// is counted at once.
///
/// # Errors
/// As [`Spool::add`]. A dump is published in any case.
pub fn hand_over(admin: &Admin, dump: Dump, file: &File) -> Result<()> {
    let mut entry = Entry::of(dump.located());
    entry.counted = mark::is_counted(file);
    match pending::add(admin, &entry) {
        Ok(()) => {
            mark::end(file);
            Ok(())
        }
        Err(error) => {
            if !entry.counted && tally::count_now(admin, &entry) {
                mark::count(file);
            }
            Err(error)
        }
    }
}

/// Starts a worker, if this process has left something for one: `program notify`, with these settings. It is a process of
/// its own that has nothing of ours but the cgroup. What is killed with that is done by the next worker.
pub fn start(admin: &Admin, program: &Path, settings: &Path) {
    if admin.notify.is_on() && pending::flush(admin) {
        spawn(Command::new(program), settings);
    }
}

/// The same with this program, which goes on.
pub fn start_ourselves(admin: &Admin, settings: &Path) {
    start(admin, Path::new(OURSELVES), settings);
}

/// The same, when this program is about to end, which the worker waits for: crun counts each child that ends as the hook
/// that it waits for, and two that end at once as one, and the worker has become a child of crun's.
pub fn finish(admin: &Admin, settings: &Path) {
    if admin.notify.is_on() && pending::flush(admin) {
        spawn(after_us(), settings);
    }
}

/// The same, if anything waits for a worker.
pub fn finish_all(admin: &Admin, settings: &Path) {
    // An error is for the worker to report.
    let waits = || Spool::of(admin).names().map_or(true, |names| !names.is_empty());
    if admin.notify.is_on() && (pending::flush(admin) || waits()) {
        spawn(after_us(), settings);
    }
}

fn after_us() -> Command {
    let mut command = Command::new(OURSELVES);
    command.arg("--after").arg(std::process::id().to_string());
    command
}

fn spawn(mut command: Command, settings: &Path) {
    let settings = std::path::absolute(settings).unwrap_or_else(|_| settings.to_owned());
    command.arg0(NAME).arg("--settings").arg(settings).arg("notify");
    command.env_clear().env("PATH", PATH).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match spawn_detached(&mut command) {
        Ok(()) => log::debug!("a worker hands over what was published"),
        Err(error) => log::warn!("cannot start the hand-over of dumps, the next sweep does it: {error}"),
    }
}
