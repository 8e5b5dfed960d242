//! Container ids: chosen by the caller of the runtime, used by us in file names and log lines.

use crate::error::{Error, ErrorKind, Result};
use crate::log::escape;

/// The longest id accepted, in bytes: what still fits into a file name.
pub const MAX_LEN: usize = 200;

/// Checks that `id` can be part of a path and of a log line.
///
/// # Errors
/// [`ErrorKind::Input`] with the rule that was broken.
pub fn check(id: &str) -> Result<()> {
    let rule = if id.is_empty() {
        "is empty".to_owned()
    } else if id.len() > MAX_LEN {
        format!("has {} bytes, at most {MAX_LEN} are allowed", id.len())
    } else if id == "." || id == ".." {
        "is a directory, not a name".to_owned()
    } else if let Some(bad) = id.chars().find(|c| *c == '/' || c.is_control() || c.is_whitespace()) {
        format!("contains {bad:?}")
    } else {
        return Ok(());
    };
    let shown: String = escape(id).chars().take(60).collect();
    Err(Error::new(ErrorKind::Input, format!("the container id \"{shown}\" {rule}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_a_directory_or_a_line_are_refused() {
        let long = "x".repeat(300);
        for bad in ["", ".", "..", "../../etc", "a/b", "a\nb", "a b", "\u{1b}", &long] {
            assert_eq!(check(bad).map_err(|e| e.kind()), Err(ErrorKind::Input), "{bad:?}");
        }
        for good in ["a", "com.bskyb.epgui", "0f3c_9-x+y", &"f".repeat(64)] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
