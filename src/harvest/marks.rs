//! What a harvested file says about itself, in extended attributes (xattr(7)): whose it is, and when it was written in
//! the container. Retention and the daemon read it.

use std::fs::File;
use std::path::Path;

use rustix::fs::XattrFlags;

use crate::image::read::files::Time;

/// The attribute that marks a file as harvested by us and names its container.
pub const CONTAINER_ATTRIBUTE: &str = "user.oci-minidump.container";
/// The attribute with the time of the crash: `seconds.nanoseconds` since 1970.
const TIME_ATTRIBUTE: &str = "user.oci-minidump.time";
/// The attribute of a dump that we wrote ourselves, of a crash that the kernel handed over.
const WRITTEN_ATTRIBUTE: &str = "user.oci-minidump.core";
/// The attribute with the place of a dump among those of its container, counted from 1, whatever the clocks say.
const NUMBER_ATTRIBUTE: &str = "user.oci-minidump.number";
/// The attribute with how many crashes of the container before this one, and after the dump before, were not kept.
const NOT_KEPT_ATTRIBUTE: &str = "user.oci-minidump.not-kept";
/// The attribute of the newest dump of a crash loop.
const LOOP_ATTRIBUTE: &str = "user.oci-minidump.loop";
/// The longest value that is read, in bytes: an id.
const MAX_VALUE: usize = 1024;

/// The marks of a file.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    /// The container's id; an image that was harvested by hand may not say it.
    pub container: Option<&'a str>,
    /// When the file was written last, as the container says.
    pub time: Time,
    /// Its place among the dumps of its container, counted from 1; 0 without limits for each container.
    pub number: u64,
    /// How many crashes before it were not kept.
    pub not_kept: u64,
}

impl Marks<'_> {
    /// Writes the marks.
    ///
    /// # Errors
    /// The kernel's. Not every file system has extended attributes.
    pub fn write(&self, file: &File) -> rustix::io::Result<()> {
        let Time { seconds, nanoseconds } = self.time;
        let time = format!("{seconds}.{nanoseconds:09}");
        rustix::fs::fsetxattr(file, TIME_ATTRIBUTE, time.as_bytes(), XattrFlags::empty())?;
        for (name, count) in [(NUMBER_ATTRIBUTE, self.number), (NOT_KEPT_ATTRIBUTE, self.not_kept)] {
            if count != 0 {
                rustix::fs::fsetxattr(file, name, count.to_string().as_bytes(), XattrFlags::empty())?;
            }
        }
        let container = self.container.unwrap_or_default();
        rustix::fs::fsetxattr(file, CONTAINER_ATTRIBUTE, container.as_bytes(), XattrFlags::empty())
    }
}

/// The id of the container of a harvested file; `None` when the file was not harvested by us.
#[must_use]
pub fn container(path: &Path) -> Option<Vec<u8>> {
    value(path, CONTAINER_ATTRIBUTE)
}

/// The same of an open file.
#[must_use]
pub fn container_of(file: &File) -> Option<Vec<u8>> {
    bounded(|value| rustix::fs::fgetxattr(file, CONTAINER_ATTRIBUTE, value))
}

/// Marks a dump as one that we wrote ourselves. A file system without extended attributes keeps no mark.
pub fn mark_written(file: &File) {
    if let Err(error) = rustix::fs::fsetxattr(file, WRITTEN_ATTRIBUTE, b"1", XattrFlags::empty()) {
        log::debug!("cannot mark a dump: {error}");
    }
}

/// Whether a dump is one that we wrote ourselves.
#[must_use]
pub fn is_written(file: &File) -> bool {
    bounded(|value| rustix::fs::fgetxattr(file, WRITTEN_ATTRIBUTE, value)).is_some()
}

/// The time of the crash; versions before 0.2 did not note it.
#[must_use]
pub fn time(path: &Path) -> Option<Time> {
    let value = String::from_utf8(value(path, TIME_ATTRIBUTE)?).ok()?;
    let (seconds, nanoseconds) = value.split_once('.')?;
    Some(Time { seconds: seconds.parse().ok()?, nanoseconds: nanoseconds.parse().ok()? })
}

/// The place of a dump among those of its container; 0 when it has none.
#[must_use]
pub fn number(path: &Path) -> u64 {
    count(value(path, NUMBER_ATTRIBUTE))
}

/// How many crashes before this one were not kept.
#[must_use]
pub fn not_kept(path: &Path) -> u64 {
    count(value(path, NOT_KEPT_ATTRIBUTE))
}

/// The same of an open file.
#[must_use]
pub fn not_kept_of(file: &File) -> u64 {
    count(bounded(|value| rustix::fs::fgetxattr(file, NOT_KEPT_ATTRIBUTE, value)))
}

/// Notes how many crashes before this one were not kept.
///
/// # Errors
/// The kernel's.
pub fn set_not_kept(path: &Path, count: u64) -> rustix::io::Result<()> {
    rustix::fs::lsetxattr(path, NOT_KEPT_ATTRIBUTE, count.to_string().as_bytes(), XattrFlags::empty())
}

/// What a dump says of the crash loop that it is of.
#[must_use]
pub fn crash_loop(path: &Path) -> Option<Vec<u8>> {
    value(path, LOOP_ATTRIBUTE)
}

/// Notes that a dump is of a crash loop.
///
/// # Errors
/// The kernel's.
pub fn set_crash_loop(path: &Path, text: &str) -> rustix::io::Result<()> {
    rustix::fs::lsetxattr(path, LOOP_ATTRIBUTE, text.as_bytes(), XattrFlags::empty())
}

fn count(value: Option<Vec<u8>>) -> u64 {
    value.and_then(|value| String::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
}

fn value(path: &Path, attribute: &str) -> Option<Vec<u8>> {
    bounded(|value| rustix::fs::lgetxattr(path, attribute, value))
}

fn bounded(read: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>) -> Option<Vec<u8>> {
    let mut value = vec![0; MAX_VALUE];
    let length = read(&mut value).ok()?;
    value.truncate(length);
    Some(value)
}
