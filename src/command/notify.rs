//! `notify`: hands over the dumps that wait for it.

use std::io::Write;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::command::say;
use crate::deadline::Deadline;
use crate::error::{ExitCode, Result};
use crate::harvest::hand_over::waiting;
use crate::notify::worker::{self, Take};
use crate::proc::pidfd::PidFd;
use crate::settings::admin::Admin;

/// How long the end of the hook is waited for.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an old kernel is asked for it.
const END_INTERVAL: Duration = Duration::from_millis(2);

/// Hands over what waits, and says how much that was. Exits with [`ExitCode::Failure`] when a dump is left or given up, and
/// with [`ExitCode::Busy`] when another process is at it.
///
/// # Errors
/// As [`worker::work`].
pub fn notify(all: bool, after: Option<i32>, admin: &Admin, out: &mut impl Write) -> Result<ExitCode> {
    match after {
        Some(pid) => wait_for_the_end(pid),
        None => waiting::leave_all(admin),
    }
    let work = worker::work(admin, if all { Take::All } else { Take::Due })?;
    if work.is_busy {
        say(out, format_args!("another process hands over dumps"))?;
        return Ok(ExitCode::Busy);
    }
    let (done, left, given_up) = (work.done, work.left, work.given_up);
    say(out, format_args!("{done} dumps handed over, {left} left, {given_up} given up"))?;
    Ok(if left + given_up == 0 { ExitCode::Ok } else { ExitCode::Failure })
}

/// Waits for the end of a process, or of one that has its number by now.
fn wait_for_the_end(pid: i32) {
    let deadline = Deadline::after(END_TIMEOUT);
    let Ok(process) = PidFd::open(pid) else { return };
    while !process.has_ended().unwrap_or(true) && !deadline.has_passed() {
        let (timeout, mut fds) = (deadline.left(END_TIMEOUT), Vec::new());
        fds.extend(process.fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let interval = if fds.is_empty() { END_INTERVAL } else { timeout };
        let _interrupted = poll(&mut fds, Timespec::try_from(interval).ok().as_ref());
    }
}

/// The same at the end of another command, which does not fail for it.
pub fn after(admin: &Admin) {
    if let Err(error) = worker::work(admin, Take::Due) {
        log::warn!("{}", error.report());
    }
}
