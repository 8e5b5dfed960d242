//! The names of files on their way, beside an image, where the file system has no files without a name.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The ending of an image that is being made.
pub const NEW: &str = ".new";
/// The ending of a copy that is being repaired.
pub const REPAIR: &str = ".repair";

/// The name that a file on its way to `image` has meanwhile. The next one to make it removes what stays.
#[must_use]
pub fn path(image: &Path, ending: &str) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    image.with_file_name(format!(".{name}{ending}"))
}

/// Whether a name is one that [`path`] gives.
#[must_use]
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.starts_with(b".") && [NEW, REPAIR].iter().any(|ending| name.ends_with(ending.as_bytes()))
}
