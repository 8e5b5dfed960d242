//! What else is known of a process: `/proc/PID/status` (proc_pid_status(5)).

/// The number of the process `pid` in the innermost pid namespace that it is in; `None` when it is gone.
#[must_use]
pub fn innermost_pid(pid: i32) -> Option<i32> {
    parse(&crate::proc::read(format!("/proc/{pid}/status")).ok()?)
}

/// Reads the line `NStgid`. The name in the first line may hold any bytes but a newline.
fn parse(text: &[u8]) -> Option<i32> {
    let numbers = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"NStgid:"))?;
    // The first is that of our own namespace; in another one there is one more.
    std::str::from_utf8(numbers).ok()?.split_ascii_whitespace().next_back()?.parse().ok()
}

/// The fields of such a file that a crash handler uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The name, with special characters escaped by the kernel.
    pub name: Vec<u8>,
    /// The effective user, in our user namespace.
    pub user: Option<u32>,
    /// The number of the process in its innermost pid namespace.
    pub inner: Option<u32>,
    /// The number of the thread in its innermost pid namespace.
    pub inner_thread: Option<u32>,
    /// Whether it is being dumped; since Linux 4.15.
    pub is_dumping: Option<bool>,
}

impl Status {
    /// Reads the text of such a file. What is missing in it is missing here.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let lines = || text.split(|byte| *byte == b'\n');
        let field = |key: &[u8]| lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(b":\t"));
        let words = |key: &[u8]| {
            let text = field(key).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
            text.split_ascii_whitespace().map(|word| word.parse::<u32>().ok())
        };
        Self {
            name: field(b"Name").unwrap_or_default().to_owned(),
            user: words(b"Uid").nth(1).flatten(),
            inner: words(b"NStgid").next_back().flatten(),
            inner_thread: words(b"NSpid").next_back().flatten(),
            is_dumping: words(b"CoreDumping").next().flatten().map(|flag| flag != 0),
        }
    }
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
    fn what_a_crash_handler_needs_is_found() {
        let text = b"Name:\ta b\nUid:\t7\t8\t9\t10\nNStgid:\t100\t1\nNSpid:\t101\t2\nCoreDumping:\t1\n";
        let status = Status::parse(text);
        assert_eq!((status.name.as_slice(), status.user), (&b"a b"[..], Some(8)));
        assert_eq!((status.inner, status.inner_thread, status.is_dumping), (Some(1), Some(2), Some(true)));
        assert_eq!(Status::parse(b"Name:\xff\nUid:\tx\n\n"), Status::default());
    }

    #[test]
    fn our_own_number_is_found_and_a_missing_process_has_none() {
        assert!(innermost_pid(std::process::id().cast_signed()).is_some_and(|pid| pid > 0));
        assert_eq!(innermost_pid(i32::MAX), None);
    }
}
