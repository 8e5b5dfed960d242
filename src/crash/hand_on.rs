//! The handler that was there before: it takes the place of this process, with the same stdin, of which nothing was read,
//! and the same descriptors. The kernel holds the crashed process for it as it would without us.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::crash::bounds;
use crate::error::{Error, Result, Tried};

/// Becomes the previous handler. Returns at once when there was none.
///
/// # Errors
/// The kernel's.
pub fn hand_on(previous: &[OsString]) -> Result<()> {
    let Some((program, arguments)) = previous.split_first() else { return Ok(()) };
    bounds::stop_alarm();
    let error = Command::new(program).args(arguments).exec();
    Err::<(), _>(error)
        .tried(|| format!("cannot run the previous handler {}", program.to_string_lossy()))
        .map_err(|error: Error| error.advise("its path in kernel.core_pattern, after --, must be absolute"))
}
