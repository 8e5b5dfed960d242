//! Rules that hold for everything the hook says or makes, whatever it was given.

use oci_minidump::error::Error;
use oci_minidump::log::escape;

/// The longest name that every host takes: eCryptfs on set-top boxes.
const MAX_NAME: usize = 143;

/// Checks the name of a harvested dump: an ordinary one that neither shell nor terminal nor RDK's uploader trips over.
pub fn check_name(name: &str) {
    assert!(name.ends_with(".dmp") && name.len() <= MAX_NAME, "{name:?}");
    assert!(!name.starts_with(['.', '-', ' ']), "{name:?}");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " ._-+=@,:<#>".contains(c);
    assert!(name.chars().all(is_plain), "{name:?}");
}

/// Checks text that goes to a terminal or into a log: it has no characters but line feeds that steer anything.
pub fn check_shown(text: &str) {
    assert!(text.split('\n').all(|line| escape(line) == line), "{text:?}");
}

/// Checks that an error can be told in one line of bearable length.
pub fn check_error(error: &Error) {
    let report = escape(&error.report());
    assert!(!report.is_empty() && !report.contains('\n'), "{report:?}");
}
