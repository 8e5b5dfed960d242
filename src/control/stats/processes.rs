//! The processes of a container, as `info` lists them.

use std::fs::File;
use std::io::Read;

use serde_json::{Value, json};

use crate::proc::status::innermost_pid;

/// The longest command line that is shown, in bytes.
const MAX_COMMAND_LINE: u64 = 4096;

/// One object per process. Blocks for as long as a container wants when it keeps the kernel from reading its
/// arguments (a page of a file system that never answers), so this is for a thread that may be lost.
pub(crate) fn processes(pids: &[i32]) -> Value {
    pids.iter().map(|pid| process(*pid)).collect()
}

/// What cannot be read, since the process is gone or a kernel thread, is empty or -1.
fn process(pid: i32) -> Value {
    let link = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let mut arguments = Vec::new();
    if let Ok(file) = File::open(format!("/proc/{pid}/cmdline")) {
        let _gone = file.take(MAX_COMMAND_LINE).read_to_end(&mut arguments);
    }
    json!({
        "cmdline": String::from_utf8_lossy(&arguments).replace('\0', " "),
        "executable": link.to_string_lossy(),
        "nsPid": innermost_pid(pid).unwrap_or(-1),
        "pid": pid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_has_empty_fields() {
        let gone = json!({"cmdline": "", "executable": "", "nsPid": -1, "pid": i32::MAX});
        assert_eq!(process(i32::MAX), gone);
    }
}
