//! A loop device that is not the hook's.

use std::ffi::OsStr;
use std::path::Path;

use crate::support::host::command;

/// A file that `losetup` has attached, detached in the end.
pub(crate) struct Attached(String);

impl Attached {
    pub(crate) fn new(file: &Path, options: &[&str]) -> Self {
        let mut arguments: Vec<&OsStr> = vec!["--find".as_ref(), "--show".as_ref()];
        arguments.extend(options.iter().map(OsStr::new));
        arguments.push(file.as_os_str());
        Self(command("losetup", &arguments).trim().to_owned())
    }

    /// The path of the device.
    pub(crate) fn device(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        command("losetup", &["--detach".as_ref(), self.0.as_ref()]);
    }
}
