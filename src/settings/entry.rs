//! Reading and checking the values of one plan; every message names the field, the value and the rule.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::log::{escape, shown};
use crate::settings::backing::Backing;
use crate::settings::size;

/// The size of an image when none is given, in bytes (the seed's 8 MB).
pub const DEFAULT_IMGSIZE: u64 = 8_388_608;
/// The smallest image that holds an ext4 file system with room for a dump, in bytes.
pub const MIN_IMGSIZE: u64 = 131_072;

/// Directories of a container that the kernel or the runtime owns; nothing is mounted there.
const SYSTEM_DIRS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// An error about the value of a field.
pub(super) fn wrong(what: impl std::fmt::Display, at: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{what} ({at})"))
}

/// The member `key` of `object` as an absolute path on the host.
pub(super) fn host_path(object: &Value, key: &str, at: &str) -> Result<PathBuf> {
    let at = format!("{at}.{key}");
    let value = object.get(key).ok_or_else(|| wrong(format!("{key} is missing"), &at))?;
    let text = value.as_str().ok_or_else(|| wrong(format!("{key} {} is not a string", shown(value)), &at))?;
    check_host_path(text, key, &at)
}

/// Checks that `text` is an absolute path without `..` and control characters.
pub(super) fn check_host_path(text: &str, key: &str, at: &str) -> Result<PathBuf> {
    absolute(text).map_err(|rule| wrong(format!("{key} \"{}\" {rule}", escape(text)), at))
}

/// `text` as an absolute path without `.`, `..` and control characters that is not the root directory, or the rule that it
/// breaks. The lists of [`crate::image::known`] have a path in each line.
pub(super) fn absolute(text: &str) -> std::result::Result<PathBuf, &'static str> {
    let path = Path::new(text);
    if !path.is_absolute() {
        Err("is not an absolute path")
    } else if text.chars().any(char::is_control) {
        Err("contains a control character")
    } else if path.components().any(|c| c == Component::ParentDir) {
        Err("contains '..'")
    } else if path.file_name().is_none() {
        Err("is the root directory")
    } else {
        Ok(path.components().collect())
    }
}

/// Checks that `text` can be the mount point in a container.
pub(super) fn check_container_path(text: &str, key: &str, at: &str) -> Result<PathBuf> {
    let path = check_host_path(text, key, at)?;
    match SYSTEM_DIRS.iter().find(|dir| path.starts_with(dir)) {
        Some(dir) => Err(wrong(format!("{key} \"{}\" lies in {dir}", escape(text)), at)),
        None => Ok(path),
    }
}

/// The member `imgsize` of `object` in bytes, the default when there is none.
pub(super) fn imgsize(object: &Value, at: &str) -> Result<u64> {
    let at = format!("{at}.imgsize");
    let Some(value) = object.get("imgsize").filter(|value| !value.is_null()) else {
        return Ok(DEFAULT_IMGSIZE);
    };
    let size = value.as_u64().or_else(|| size::parse(value.as_str()?));
    let size =
        size.ok_or_else(|| wrong(format!("imgsize {} is not a size: {}", shown(value), size::ADVICE), &at))?;
    check_imgsize(size, &at)
}

/// The member `imageBacking` of `object`, if there is one.
pub(super) fn backing(object: &Value, at: &str) -> Result<Option<Backing>> {
    let Some(value) = object.get("imageBacking").filter(|value| !value.is_null()) else { return Ok(None) };
    let rule = |rule| wrong(format!("imageBacking {} {rule}", shown(value)), &format!("{at}.imageBacking"));
    value.as_str().unwrap_or_default().parse().map(Some).map_err(rule)
}

/// Checks that an image of `size` bytes can be made.
pub(super) fn check_imgsize(size: u64, at: &str) -> Result<u64> {
    if size < MIN_IMGSIZE {
        return Err(wrong(format!("imgsize {size} is below the minimum of {MIN_IMGSIZE} bytes"), at));
    }
    if i64::try_from(size).is_err() {
        return Err(wrong(format!("imgsize {size} is above the maximum of {} bytes", i64::MAX), at));
    }
    Ok(size)
}
