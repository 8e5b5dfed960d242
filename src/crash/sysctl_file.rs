//! The file of sysctl.d(5) that has the kernel call this program at a crash after every boot, and what the kernel was set
//! to before, which the file keeps in its comments.

use std::fmt::Write as _;
use std::path::Path;

use crate::crash::pattern::{CORE_PATTERN, CORE_PIPE_LIMIT, Current, Wanted, wanted};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;

/// Where it lies. Behind `50-coredump.conf` of systemd, whose settings are replaced by it.
pub const FILE: &str = "/etc/sysctl.d/60-oci-minidump.conf";
/// The most bytes of it that are read.
const MAX_FILE: u64 = 64 << 10;
const BEFORE: &str = "# before: ";
const HEAD: &str = "\
# Programs of containers that ask for it get a minidump when they crash: oci-minidump-hook(1), 'core'.
# Written by 'oci-minidump-hook enable core'; 'enable core --undo' removes it and sets what was there before.
";

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The new content of [`FILE`], or `None` when it is to go.
    pub file: Option<String>,
    /// What the kernel is to be set to now; `None` leaves it as it is.
    pub kernel: Option<Wanted>,
}

/// What calls `program` now and after every boot. `file` is the content of [`FILE`], if it is there.
///
/// # Errors
/// As [`wanted`].
pub fn enabled(program: &Path, current: &Current, file: Option<&str>) -> Result<Plan> {
    let wanted = wanted(program, current)?;
    // Enabled once more, what is there now is ours.
    let before = file.and_then(before).filter(|_| current.is_ours());
    let before =
        before.unwrap_or_else(|| Wanted { pattern: current.pattern.clone(), pipe_limit: current.pipe_limit });
    let mut text = HEAD.to_owned();
    for line in before.to_string().lines() {
        // Writing to a String cannot fail.
        let _written = writeln!(text, "{BEFORE}{line}");
    }
    text.push_str(&wanted.to_string());
    let is_set = current.pattern == wanted.pattern && current.pipe_limit == wanted.pipe_limit;
    Ok(Plan { file: Some(text), kernel: Some(wanted).filter(|_| !is_set) })
}

/// What undoes that: the kernel gets what it had before, unless it calls another program by now.
///
/// # Errors
/// [`ErrorKind::Config`] when that is not known, because the file was removed or edited.
pub fn undone(current: &Current, file: Option<&str>) -> Result<Plan> {
    if !current.is_ours() {
        return Ok(Plan { file: None, kernel: None });
    }
    let before = file.and_then(before).ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("{FILE} does not say what kernel.core_pattern was before"))
            .advise("set kernel.core_pattern yourself: what stands behind '--' in it, or 'core'")
    })?;
    Ok(Plan { file: None, kernel: Some(before) })
}

/// The settings before, from the comments of the file.
fn before(text: &str) -> Option<Wanted> {
    let value = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(BEFORE));
        lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).next()
    };
    Some(Wanted {
        pattern: value("kernel.core_pattern")?.to_owned(),
        pipe_limit: value("kernel.core_pipe_limit")?.parse().ok()?,
    })
}

/// The content of [`FILE`], if it is there.
///
/// # Errors
/// As [`host::read_text`].
pub fn read() -> Result<Option<String>> {
    match std::fs::symlink_metadata(FILE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => host::read_text(Path::new(FILE), MAX_FILE).map(Some),
    }
}

/// Sets the kernel. The limit is first: a handler that the kernel does not wait for could not read the process.
///
/// # Errors
/// The kernel's; [`ErrorKind::System`] when it took something else than it was given.
pub fn set(wanted: &Wanted) -> Result<()> {
    for (path, value) in
        [(CORE_PIPE_LIMIT, wanted.pipe_limit.to_string()), (CORE_PATTERN, wanted.pattern.clone())]
    {
        std::fs::write(path, format!("{value}\n")).tried(|| format!("cannot set {path} to {value}"))?;
    }
    let now = Current::read()?;
    if now.pattern == wanted.pattern && now.pipe_limit == wanted.pipe_limit {
        return Ok(());
    }
    let what = format!("the kernel has taken {:?} for kernel.core_pattern", now.pattern);
    Err(Error::new(ErrorKind::System, what).advise(format!("set it to {}", wanted.pattern)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "/usr/bin/oci-minidump-hook";

    fn current(pattern: &str, pipe_limit: u64) -> Current {
        Current { pattern: pattern.to_owned(), pipe_limit, writes_files: false }
    }

    fn enable(current: &Current, file: Option<&str>) -> Plan {
        enabled(Path::new(PROGRAM), current, file).unwrap()
    }

    /// Whatever was there, and however often it is enabled, and by whichever version: undone, it is there again.
    #[test]
    fn what_was_before_comes_back() {
        for (pattern, limit) in
            [("core", 0), ("", 7), ("|/lib/systemd/systemd-coredump %P %u", 16), ("|/bin/a  b", 0)]
        {
            let mut now = current(pattern, limit);
            let mut file: Option<String> = None;
            for program in [PROGRAM, PROGRAM, "/opt/bin/oci-minidump-hook"] {
                let plan = enabled(Path::new(program), &now, file.as_deref()).unwrap();
                assert!(plan.kernel.is_some() || program == PROGRAM, "{plan:?}");
                if let Some(wanted) = plan.kernel {
                    now = current(&wanted.pattern, wanted.pipe_limit);
                }
                assert!(now.pattern.starts_with(&format!("|{program} core ")), "{now:?}");
                file = plan.file;
            }
            let undo = undone(&now, file.as_deref()).unwrap();
            let before = Wanted { pattern: pattern.to_owned(), pipe_limit: limit };
            assert_eq!(undo, Plan { file: None, kernel: Some(before) });
        }
    }

    #[test]
    fn what_another_program_set_stays() {
        let first = enable(&current("core", 1), None);
        let other = current("|/bin/other %P", 4);
        assert_eq!(undone(&other, first.file.as_deref()).unwrap(), Plan { file: None, kernel: None });
        // It is what comes back when this program is enabled after it.
        let file = enable(&other, first.file.as_deref()).file.unwrap();
        assert_eq!(before(&file).unwrap().pattern, "|/bin/other %P");
    }

    #[test]
    fn nothing_is_set_to_a_guess() {
        let ours = current(&enable(&current("core", 1), None).kernel.unwrap().pattern, 1);
        for file in [None, Some("kernel.core_pattern = x\n"), Some("# before: kernel.core_pattern = x\n")] {
            let error = undone(&ours, file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        }
    }
}
