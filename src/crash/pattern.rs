//! The settings of the kernel that call this program at every crash: `kernel.core_pattern` and `kernel.core_pipe_limit`
//! (core(5)). They are the administrator's to set, for they are those of the whole host. What is there now is called for
//! every crash that is not ours.

use std::fmt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result, Tried};

/// Where the kernel has them.
pub const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";
/// How many crashes are handled at once, each of which holds its process. 0 holds none, and any number is handled.
pub const CORE_PIPE_LIMIT: &str = "/proc/sys/kernel/core_pipe_limit";
/// The limits of process 1, which others inherit.
const INIT_LIMITS: &str = "/proc/1/limits";
/// The longest pattern that the kernel takes, in bytes; it cuts others without a word.
pub const MAX_PATTERN: usize = 127;
/// How many crashes are handled at once where the kernel has 0; the number is systemd's.
const PIPE_LIMIT: u64 = 16;
/// What a kernel has that was not set up.
const DEFAULT_PATTERN: &str = "core";
/// What this program is called with.
const ARGUMENTS: &str = "core %P %I %s %F";

/// What the kernel does at a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// `kernel.core_pattern`.
    pub pattern: String,
    /// `kernel.core_pipe_limit`.
    pub pipe_limit: u64,
    /// Whether programs may write core files unless they ask for less (`RLIMIT_CORE` of process 1).
    pub writes_files: bool,
}

/// What the kernel is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `kernel.core_pattern`.
    pub pattern: String,
    /// `kernel.core_pipe_limit`.
    pub pipe_limit: u64,
}

impl Current {
    /// Reads what the kernel has now.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a kernel without core files; else the kernel's.
    pub fn read() -> Result<Self> {
        let text = |path: &str| match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let what = format!("{path} is missing");
                Err(Error::new(ErrorKind::Unsupported, what).advise("use a kernel with CONFIG_COREDUMP"))
            }
            other => other.tried(|| format!("cannot read {path}")),
        };
        let limit = text(CORE_PIPE_LIMIT)?;
        let pipe_limit = limit.trim().parse().map_err(|error: std::num::ParseIntError| {
            Error::new(ErrorKind::System, format!("{CORE_PIPE_LIMIT} is not a number")).caused_by(error)
        })?;
        let limits = text(INIT_LIMITS)?;
        Ok(Self {
            pattern: text(CORE_PATTERN)?.trim_end_matches('\n').to_owned(),
            pipe_limit,
            writes_files: may_write_files(&limits),
        })
    }

    /// Whether the kernel calls this program, wherever it lies.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.pattern.strip_prefix('|').is_some_and(is_ours)
    }

    /// The handler that is called now, with its arguments; `None` when there is none, or it is this program with none
    /// behind it.
    fn previous(&self) -> Result<Option<&str>> {
        match self.pattern.strip_prefix('|') {
            Some(handler) if is_ours(handler) => Ok(handler.split_once(" -- ").map(|(_, previous)| previous)),
            Some(handler) => Ok(Some(handler.trim())),
            None if self.pattern.is_empty() || self.pattern == DEFAULT_PATTERN && !self.writes_files => {
                Ok(None)
            }
            None => {
                let what = format!(
                    "kernel.core_pattern is {}, which only the kernel can write to",
                    crate::log::shown(&serde_json::Value::from(self.pattern.as_str()))
                );
                Err(Error::new(ErrorKind::Config, what).advise(
                    "if nothing needs these files, set kernel.core_pattern to 'core' and the limit of core files to 0",
                ))
            }
        }
    }
}

/// The settings with which the kernel calls `program`, and for every crash that is not ours what it calls now.
///
/// # Errors
/// [`ErrorKind::Config`] when core files are in use, or the pattern would be too long for the kernel.
pub fn wanted(program: &Path, current: &Current) -> Result<Wanted> {
    let previous = current.previous()?;
    let path = program.to_str().filter(|path| path.starts_with('/') && !path.contains(is_special));
    let path = path.ok_or_else(|| {
        let what = format!("kernel.core_pattern cannot name {}", program.display());
        Error::new(ErrorKind::Config, what).advise("install the program where the path has no blanks")
    })?;
    let mut pattern = format!("|{path} {ARGUMENTS}");
    if let Some(previous) = previous.filter(|previous| !previous.is_empty()) {
        pattern.push_str(" -- ");
        pattern.push_str(previous);
    }
    let wanted =
        Wanted { pattern, pipe_limit: if current.pipe_limit == 0 { PIPE_LIMIT } else { current.pipe_limit } };
    wanted.check()?;
    Ok(wanted)
}

impl Wanted {
    /// Checks that the kernel takes it, and holds a process that has crashed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] saying which rule it breaks.
    pub fn check(&self) -> Result<()> {
        let length = self.pattern.len();
        if length > MAX_PATTERN {
            let what = format!(
                "kernel.core_pattern would have {length} bytes, and the kernel takes {MAX_PATTERN}: {}",
                self.pattern
            );
            return Err(Error::new(ErrorKind::Config, what)
                .advise("give the program a shorter path, or the previous handler fewer arguments"));
        }
        if self.pipe_limit == 0 {
            let what =
                "kernel.core_pipe_limit is 0, so that the kernel does not hold a process that has crashed";
            return Err(Error::new(ErrorKind::Config, what).advise(format!("set it to {PIPE_LIMIT}")));
        }
        Ok(())
    }
}

/// In the form of sysctl.d(5).
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel.core_pipe_limit = {}", self.pipe_limit)?;
        writeln!(f, "kernel.core_pattern = {}", self.pattern)
    }
}

/// Whether the kernel holds a process that has crashed until its handler is done.
#[must_use]
pub fn holds_processes() -> bool {
    std::fs::read_to_string(CORE_PIPE_LIMIT).is_ok_and(|limit| limit.trim() != "0")
}

/// Whether a handler is this program, whatever directory it is in.
fn is_ours(handler: &str) -> bool {
    let mut words = handler.split_ascii_whitespace();
    let program = words.next().and_then(|path| path.rsplit('/').next());
    program == Some("oci-minidump-hook") && words.next() == Some("core")
}

fn is_special(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '%'
}

/// Whether the soft limit of core files is not 0.
fn may_write_files(limits: &str) -> bool {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    line.and_then(|line| line.split_ascii_whitespace().next()) != Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "/usr/libexec/oci-minidump-hook";
    const OURS: &str = "|/usr/libexec/oci-minidump-hook core %P %I %s %F";

    fn from(pattern: &str, pipe_limit: u64, writes_files: bool) -> Result<Wanted> {
        let current = Current { pattern: pattern.to_owned(), pipe_limit, writes_files };
        wanted(Path::new(PROGRAM), &current)
    }

    #[test]
    fn what_is_there_now_is_called_for_other_crashes() {
        let systemd = "/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h %d %F";
        let cases = [
            ("core", OURS.to_owned()),
            ("", OURS.to_owned()),
            (&*format!("|{systemd}"), format!("{OURS} -- {systemd}")),
            (OURS, OURS.to_owned()),
            (&*format!("{OURS} -- /bin/a %P"), format!("{OURS} -- /bin/a %P")),
            ("|/old/oci-minidump-hook core %P -- /bin/a", format!("{OURS} -- /bin/a")),
            (
                "|/usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P -u%u -g%g -- %E",
                format!("{OURS} -- /usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P -u%u -g%g -- %E"),
            ),
        ];
        for (pattern, expected) in cases {
            assert_eq!(from(pattern, 4, false).unwrap().pattern, expected);
        }
    }

    #[test]
    fn files_in_use_long_lines_and_special_paths_are_refused() {
        let long = format!("|/bin/{}", "a".repeat(80));
        for (pattern, writes, expected) in [
            ("core", true, "only the kernel can write"),
            ("/var/cores/%e", false, "only the kernel can write"),
            ("@/run/socket", false, "only the kernel can write"),
            (&*long, false, "and the kernel takes 127"),
        ] {
            let error = from(pattern, 4, writes).unwrap_err();
            assert!(error.to_string().contains(expected), "{pattern}: {error}");
        }
        let current = Current { pattern: "core".into(), pipe_limit: 1, writes_files: false };
        for program in ["/a b/hook", "hook", "/a%P/hook"] {
            assert!(wanted(Path::new(program), &current).is_err(), "{program}");
        }
    }

    #[test]
    fn a_limit_of_0_is_never_kept() {
        let wanted = from("core", 0, false).unwrap();
        assert_eq!(
            wanted.to_string(),
            format!("kernel.core_pipe_limit = 16\nkernel.core_pattern = {OURS}\n")
        );
        assert_eq!(from("core", 3, false).unwrap().pipe_limit, 3);
        assert!(Wanted { pipe_limit: 0, ..wanted }.check().unwrap_err().to_string().contains("is 0"));
    }

    #[test]
    fn the_limit_of_core_files_is_found() {
        let of = |soft: &str| {
            format!("Limit  Soft\nMax core file size        {soft}                    unlimited\n")
        };
        assert!(!may_write_files(&of("0")) && may_write_files(&of("unlimited")) && may_write_files(""));
    }
}
