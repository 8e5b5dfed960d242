//! The kernel's handler of core files (`core_pattern`, core(5)): a program of a container that asked for it crashes, and a
//! minidump of it is written on the host. Every other crash goes to the handler that was there before, untouched.
//!
//! The kernel holds the crashed process until stdin is closed, so this is never closed before the end. Nothing inside the
//! container is opened: memory and what is known of the process come from one directory `/proc/PID`.
//!
//! - [`process`]: the crashed process.
//! - [`owner`]: whose container it is in.
//! - [`hand_on`]: the handler that was there before.
//! - [`bounds`]: how much time and memory all of it may take; [`budget`]: how many dumps a container may write where they
//!   cannot be thinned out.
//! - [`memory`], [`modules`], [`minidump`]: what the dump holds.
//! - [`own_dump`]: whether the app wrote one itself.
//! - [`pattern`]: the settings of the kernel that call this program; [`sysctl_file`]: those after every boot.

pub mod bounds;
pub mod budget;
pub mod hand_on;
pub mod memory;
pub mod minidump;
pub mod modules;
pub mod own_dump;
pub mod owner;
pub mod pattern;
pub mod process;
mod publish;
pub mod sysctl_file;

use std::ffi::OsString;
use std::io::Read;

use crate::coredump::Head;
use crate::crash::process::Crashed;
use crate::error::{Error, ErrorKind, Result};
use crate::harvest::crash_loop;
use crate::hook::record::Record;
use crate::settings::admin::Admin;

/// What the kernel says of a crash, as `core_pattern` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The crashed process, in the host's pid namespace (`%P`).
    pub pid: i32,
    /// Its thread that crashed, likewise (`%I`).
    pub thread: i32,
    /// The signal (`%s`).
    pub signal: u32,
    /// The descriptor that holds the process (`%F`, since Linux 6.16).
    pub pidfd: Option<i32>,
    /// The handler that was there before, with its arguments; empty when there was none.
    pub previous: Vec<OsString>,
}

/// Handles a crash, whose core file comes from `stdin`. Does not return when the previous handler takes over.
///
/// # Errors
/// Why a minidump that the container asked for is missing; why the previous handler does not run.
pub fn run(request: &Request, stdin: impl Read, admin: &Admin) -> Result<()> {
    bounds::start_alarm();
    let (crashed, record) = match decide(request, admin) {
        Ok(Some(ours)) => ours,
        Ok(None) => return hand_on::hand_on(&request.previous),
        Err(error) => {
            log::warn!("the crash of process {}: {}; it is handed on", request.pid, error.report());
            return hand_on::hand_on(&request.previous);
        }
    };
    handle(request, &crashed, &record, (stdin, admin)).map_err(|error| {
        error.within(format!("the crash of process {} in container {}", request.pid, record.id))
    })
}

/// The crashed process and its container, if that asked for minidumps.
fn decide(request: &Request, admin: &Admin) -> Result<Option<(Crashed, Record)>> {
    let crashed = Crashed::open(request.pid, request.pidfd)?;
    let Some(record) = owner::find(&crashed, &admin.state_dir)? else { return Ok(None) };
    if !record.core {
        return Ok(None);
    }
    // A program with more rights than its user: its memory is not for a dump of ours.
    if !crashed.is_dumpable()? {
        log::info!(
            "container {}: a program with more rights than its user crashed; it is handed on",
            record.id
        );
        return Ok(None);
    }
    Ok(Some((crashed, record)))
}

fn handle(
    request: &Request,
    crashed: &Crashed,
    record: &Record,
    (stdin, admin): (impl Read, &Admin),
) -> Result<()> {
    bounds::give_up_later(&record.id, request.pid);
    bounds::limit();
    if !pattern::holds_processes() {
        log::warn!(
            "kernel.core_pipe_limit is 0: a crashed process may be gone before it is read; set it to 16"
        );
    }
    let destination = publish::destination(record, admin)?;
    if !destination.takes_marks()
        && let Some(count) = budget::take(&admin.state_dir, &record.id, publish::burst(admin))?
    {
        crash_loop::say(&record.id, usize::try_from(count).unwrap_or(usize::MAX));
        return Ok(());
    }
    let head = Head::read(stdin)?;
    if !crashed.is_of(head.process.id) {
        let what = "the core file is that of another process";
        return Err(Error::new(ErrorKind::Attack, what));
    }
    let contents = minidump::contents(&head, crashed, request.signal)?;
    let thread = contents.threads.first().map_or(0, |thread| thread.id);
    if own_dump::exists(record, thread, crashed.age()) {
        log::debug!("container {}: the app has written a minidump of this crash itself", record.id);
        return Ok(());
    }
    publish::publish(&contents, &head.process, record, &destination)
}
