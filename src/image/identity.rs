//! What an image says about itself: whose it is and where its dumps go. `sweep` reads it after a power cut, when the
//! records are gone with the memory they lay in.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::XattrFlags;

const CONTAINER: &str = "user.oci-minidump.container";
const DESTINATION: &str = "user.oci-minidump.destination";
/// The longest value that is read, in bytes: a path.
const MAX_VALUE: usize = 4096;

/// The identity of an image, kept in its extended attributes (xattr(7)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The id of the container that used it.
    pub container: Option<String>,
    /// The directory on the host for its dumps.
    pub destination: Option<PathBuf>,
}

impl Identity {
    /// Writes the identity to an image. A file system without extended attributes keeps none: its images are harvested
    /// by the next start, which knows the destination.
    pub fn write(&self, image: &File) {
        let container = self.container.as_deref().map(str::as_bytes);
        let destination = self.destination.as_deref().map(|path| path.as_os_str().as_bytes());
        for (name, value) in [(CONTAINER, container), (DESTINATION, destination)] {
            if let Some(value) = value
                && let Err(error) = rustix::fs::fsetxattr(image, name, value, XattrFlags::empty())
            {
                log::debug!("cannot write {name} to the image: {error}");
            }
        }
    }

    /// Reads the identity of an image.
    #[must_use]
    pub fn read(image: &File) -> Self {
        let container = value(image, CONTAINER).and_then(|bytes| String::from_utf8(bytes).ok());
        let destination = value(image, DESTINATION).map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes)));
        Self { container, destination: destination.filter(|path| path.is_absolute()) }
    }
}

fn value(image: &File, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; MAX_VALUE];
    let length = rustix::fs::fgetxattr(image, name, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}
