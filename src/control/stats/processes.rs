//! The processes of a container, as `info` lists them.

use std::fs::File;
use std::io::Read;

use serde_json::{Value, json};

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
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    json!({
        "cmdline": String::from_utf8_lossy(&arguments).replace('\0', " "),
        "executable": link.to_string_lossy(),
        "nsPid": own_number(&status).unwrap_or(-1),
        "pid": pid,
    })
}

/// The id that the process has in the innermost pid namespace: proc(5), `NStgid`.
fn own_number(status: &str) -> Option<i32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NStgid:"))?;
    let mut numbers = line.split_ascii_whitespace();
    // The first is the host's; in a namespace there is another.
    let host = numbers.next()?;
    numbers.next_back().unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_inside_is_the_innermost_one() {
        let cases = [
            ("Name:\ta\nNStgid:\t100\t1\n", Some(1)),
            ("NStgid:\t100\t7\t1\n", Some(1)),
            ("NStgid:\t100\n", Some(100)),
            ("Name:\tb\n", None),
        ];
        for (status, expected) in cases {
            assert_eq!(own_number(status), expected, "{status:?}");
        }
    }

    #[test]
    fn a_process_that_is_gone_has_empty_fields() {
        let gone = json!({"cmdline": "", "executable": "", "nsPid": -1, "pid": i32::MAX});
        assert_eq!(process(i32::MAX), gone);
    }
}
