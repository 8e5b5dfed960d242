//! The same id for the same crash: of the program's name, the signal, and the innermost calls of the thread that crashed.
//!
//! A call is its module and its function, or without symbols its offset in the module. Addresses, pids, threads and times
//! do not count. Nor do frames that were found by scanning: what a stack holds besides its calls differs from run to run.

use crc::{CRC_64_XZ, Crc};

use super::walk::{Frame, Thread};

/// How many calls count.
const CALLS: usize = 5;

/// The fingerprint: 16 hexadecimal digits. `None` when no thread crashed, or its registers are not in the dump.
///
/// It is for counting, not for proving: a container can make its crash look like another one.
#[must_use]
pub fn fingerprint(program: &str, signal: &str, threads: &[Thread]) -> Option<String> {
    let crashed = threads.iter().find(|thread| thread.crashed && !thread.frames.is_empty())?;
    let calls = crashed.frames.iter().take_while(|frame| frame.is_certain()).take(CALLS).map(call);
    let crc = Crc::<u64>::new(&CRC_64_XZ);
    let mut digest = crc.digest();
    for part in [program.to_owned(), signal.to_owned()].into_iter().chain(calls) {
        digest.update(part.as_bytes());
        digest.update(&[0]);
    }
    Some(format!("{:016x}", digest.finalize()))
}

/// A call as the same call of another process has it.
fn call(frame: &Frame) -> String {
    match (&frame.module, &frame.function, frame.offset) {
        (Some(module), Some(function), _) => format!("{module}!{function}"),
        (Some(module), None, Some(offset)) => format!("{module}+{offset}"),
        _ => "outside".to_owned(),
    }
}
