//! What an image says of whose it is and where its dumps go. `sweep` reads it after a power cut, when the records are gone
//! with the memory they lay in.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::XattrFlags;

use crate::oci::subject::Subject;

const CONTAINER: &str = "user.oci-minidump.container";
const APP_STATE: &str = "user.oci-minidump.app-state";
const SUBJECT: &str = "user.oci-minidump.subject";
const DESTINATION: &str = "user.oci-minidump.destination";
const MOUNT: &str = "user.oci-minidump.mount";
/// The longest value that is read, in bytes: a path.
const MAX_VALUE: usize = 4096;

/// The owner of an image, kept in the extended attributes of the file (xattr(7)), which only the host's root can write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// The id of the container that used the image.
    pub container: Option<String>,
    /// The state of the app in Dobby's terms, for the names of its dumps.
    pub app_state: Option<String>,
    /// The directory on the host for its dumps.
    pub destination: Option<PathBuf>,
    /// Where the file system of that directory was mounted when the container started, unless that is `/` or not known.
    pub mount: Option<PathBuf>,
    /// What the engine says of the container, when crash records are kept.
    pub subject: Option<Subject>,
}

impl Mark {
    /// Marks an image. A file system without extended attributes keeps no mark: its images are harvested by the records,
    /// and after a reboot by the next start, which knows the destination.
    pub fn write(&self, image: &File) {
        let subject = self.subject.as_ref().map(Subject::to_json);
        let attributes = [
            (CONTAINER, self.container.as_deref().map(str::as_bytes)),
            (DESTINATION, self.destination.as_deref().map(|path| path.as_os_str().as_bytes())),
            (MOUNT, self.mount.as_deref().map(|path| path.as_os_str().as_bytes())),
            // An annotation may have any length.
            (APP_STATE, self.app_state.as_deref().map(str::as_bytes)),
            // The last: it is the one to be without where room is short.
            (SUBJECT, subject.as_deref().map(str::as_bytes)),
        ];
        for (name, value) in attributes {
            if let Some(value) = value
                && let Err(error) = rustix::fs::fsetxattr(image, name, value, XattrFlags::empty())
            {
                log::debug!("cannot write {name} to the image: {error}");
            }
        }
    }

    /// Reads the mark of an image.
    #[must_use]
    pub fn read(image: &File) -> Self {
        let text = |name| value(image, name).and_then(|bytes| String::from_utf8(bytes).ok());
        let path = |name| {
            let path = value(image, name).map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes)));
            path.filter(|path| path.is_absolute())
        };
        Self {
            container: text(CONTAINER),
            app_state: text(APP_STATE),
            destination: path(DESTINATION),
            mount: path(MOUNT),
            subject: value(image, SUBJECT).and_then(|text| Subject::from_json(&text)),
        }
    }
}

fn value(image: &File, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; MAX_VALUE];
    let length = rustix::fs::fgetxattr(image, name, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}
