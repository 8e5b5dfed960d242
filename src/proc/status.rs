//! What else is known of a process: `/proc/PID/status` (proc_pid_status(5)).

/// The number of the process `pid` in the innermost pid namespace that it is in; `None` when it is gone.
#[must_use]
pub fn innermost_pid(pid: i32) -> Option<i32> {
    parse(&std::fs::read(format!("/proc/{pid}/status")).ok()?)
}

/// Reads the line `NStgid`. The name in the first line may hold any bytes but a newline.
fn parse(text: &[u8]) -> Option<i32> {
    let numbers = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"NStgid:"))?;
    // The first is that of our own namespace; in another one there is one more.
    std::str::from_utf8(numbers).ok()?.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_inside_is_the_innermost_one() {
        let cases = [
            (&b"Name:\ta\nNStgid:\t100\t1\n"[..], Some(1)),
            (b"NStgid:\t100\t7\t1\n", Some(1)),
            (b"Name:\tcaf\xc3\nUmask:\t0022\nNStgid:\t100\n", Some(100)),
            (b"Name:\tNStgid:\t5\nNStgid:\t100\t2\n", Some(2)),
            (b"Name:\tb\n", None),
            (b"NStgid:\t\xff\n", None),
            (b"", None),
        ];
        for (status, expected) in cases {
            assert_eq!(parse(status), expected, "{}", String::from_utf8_lossy(status));
        }
    }

    #[test]
    fn our_own_number_is_found_and_a_missing_process_has_none() {
        assert!(innermost_pid(std::process::id().cast_signed()).is_some_and(|pid| pid > 0));
        assert_eq!(innermost_pid(i32::MAX), None);
    }
}
