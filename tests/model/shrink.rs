//! Makes a failure smaller: the fewest operations that still fail.

use crate::counts::Counts;
use crate::failure::Failure;
use crate::live;

/// How often a shorter sequence is tried.
const TRIES: u32 = 60;

/// Leaves out of a failed sequence what is not needed for a failure; gives a description of what is left. Where it depends
/// on a moment, a failure may not come again, and more is left than is needed.
pub(crate) fn shrink(failure: &Failure, runtime: &'static str) -> String {
    let mut needed = failure.done.clone();
    let mut last = None;
    let mut tries = 0;
    let mut part = needed.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < needed.len() {
            if tries == TRIES {
                part = 0;
                break;
            }
            tries += 1;
            let to = needed.len().min(from + part);
            let fewer = [&needed[..from], &needed[to..]].concat();
            match live(runtime, fewer.iter().cloned(), u64::MAX, &Counts::default()) {
                Err(failure) => {
                    needed = failure.done.clone();
                    last = Some(failure);
                }
                Ok(()) => from = to,
            }
        }
        part = if part == 1 { 0 } else { part.div_ceil(2) };
    }
    match last {
        Some(smaller) => format!("The same with fewer operations ({tries} tries):\n{smaller}"),
        None => format!("With fewer operations there is no failure ({tries} tries)."),
    }
}
