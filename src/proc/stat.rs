//! What identifies a process and whether it runs: `/proc/PID/stat` (proc_pid_stat(5)).

use std::io;
use std::ops::Range;
use std::path::Path;
use std::str::SplitAsciiWhitespace;
use std::time::Duration;

/// The fields of `/proc/PID/stat` that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The state as a letter, such as `S`.
    pub state: u8,
    /// The process id of the parent.
    pub parent: i32,
    /// How many threads it has that have not ended; the first one counts while it waits for the others.
    pub threads: u64,
    /// When the process started, in clock ticks since boot. Together with the process id it names a process that a later
    /// one with the same number is not mistaken for.
    pub start_time: u64,
    /// How it ended (wait(2)), once it has; 0 as well for who may not know.
    pub exit: i32,
}

impl Stat {
    /// Whether the process has ended and only waits for its parent. The state is that of its first thread, which may end
    /// before the others.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

/// Reads `/proc/PID/stat`; `None` when there is no such process.
///
/// # Errors
/// The kernel's, and `InvalidData` for a file that the manual page does not describe: it is then unknown whether there is
/// such a process. So it is where `/proc` is not mounted.
pub fn stat(pid: i32) -> io::Result<Option<Stat>> {
    let text = match crate::proc::read(format!("/proc/{pid}/stat")) {
        // ESRCH: it ended between the opening and the reading.
        Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new("/proc/self/stat").exists() => {
            return Ok(None);
        }
        other => other?,
    };
    parse(&text).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Stat {
    /// How long ago the process started.
    #[must_use]
    pub fn age(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let now = Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0));
        now.saturating_sub(Duration::from_millis(self.start_time.saturating_mul(1000) / ticks))
    }
}

/// How a process with this number and start time has ended (wait(2)), of which it is certain that it has and is not waited
/// for yet. `None` also for who may not know: root may, and then the kernel hides no link of the process.
#[must_use]
pub fn exit_of_zombie(pid: i32, start_time: u64) -> Option<i32> {
    let stat = stat(pid).ok().flatten().filter(|stat| stat.is_dead() && stat.start_time == start_time)?;
    let hidden = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let may_know = stat.exit != 0 || !std::fs::read_link(format!("/proc/{pid}/cwd")).is_err_and(hidden);
    may_know.then_some(stat.exit)
}

/// Reads the text of such a file.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Stat> {
    let mut fields = fields(text)?;
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let threads = fields.nth(15)?.parse().ok()?;
    let start_time = fields.nth(1)?.parse().ok()?;
    // Since Linux 3.5.
    let exit = fields.nth(29).and_then(|field| field.parse().ok()).unwrap_or(0);
    Some(Stat { state, parent, threads, start_time, exit })
}

/// Where the environment that a program was started with lies in its memory, by the text of such a file. `None` also for who
/// may not know, and before Linux 3.5.
#[must_use]
pub fn environment(text: &[u8]) -> Option<Range<u64>> {
    let mut places = fields(text)?.skip(47).map(|field| field.parse().ok());
    let range = places.next()??..places.next()??;
    (!range.is_empty()).then_some(range)
}

/// The fields from the third on. The name in the second one may hold anything, so they count from the last closing
/// parenthesis.
fn fields(text: &[u8]) -> Option<SplitAsciiWhitespace<'_>> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    Some(std::str::from_utf8(text.get(end + 1..)?).ok()?.split_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_forges_nothing_and_need_not_be_text() {
        let stat = b"7 (a) S 1 2) Z 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n";
        let parsed = |state: u8| Some(Stat { state, parent: 3, threads: 1, start_time: 4711, exit: 0 });
        assert_eq!(parse(stat), parsed(b'Z'));
        let cut = b"7 (caf\xc3) S 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n";
        assert_eq!(parse(cut), parsed(b'S'));
        assert_eq!(parse(b"7 (a"), None);
        assert_eq!(parse(b"7 (a) S 1"), None);
    }

    #[test]
    fn our_environment_is_where_the_kernel_put_it() {
        let text = std::fs::read("/proc/self/stat").unwrap();
        let environment = environment(&text).unwrap();
        let length = std::fs::read("/proc/self/environ").unwrap().len();
        assert_eq!(environment.end - environment.start, length as u64);
        assert_eq!(super::environment(b"7 (a) S 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n"), None);
    }

    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        let dead = |state: &str, threads: u32| {
            let text = format!("7 (a) {state} 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 4711 0 0\n");
            parse(text.as_bytes()).unwrap().is_dead()
        };
        assert!(!dead("Z", 2) && dead("Z", 1) && dead("X", 0) && !dead("S", 1));
    }

    #[test]
    fn we_run_and_what_cannot_be_does_not() {
        let us = stat(std::process::id().cast_signed()).unwrap().unwrap();
        assert!(!us.is_dead() && us.start_time > 0);
        let first = stat(1).unwrap().unwrap();
        assert!(first.age() >= us.age() && us.age() < Duration::from_secs(24 * 3600));
        assert_eq!(stat(i32::MAX).unwrap(), None);
    }
}
