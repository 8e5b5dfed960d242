//! The SELinux label of a mounted image (`context=`, mount(8)).
//!
//! What a container may write on is decided by labels, and an ext4 image of ours has none: without one, SELinux keeps
//! the container from its own minidump directory. The runtime says in `linux.mountLabel` which one its mounts have.

use std::fs::File;

use rustix::fs::XattrFlags;

use crate::error::{Error, ErrorKind, Result};
use crate::log::{cut, escape};

/// Where an image keeps the label it was mounted with.
const ATTRIBUTE: &str = "user.oci-minidump.mount-label";
/// What a label has beside letters and digits: `user_u:role_r:type_t:s0-s0:c0.c5,c7`.
const MARKS: &str = "_-.:,";
/// The longest label, in bytes: what fsconfig(2) takes as a value.
const MAX_LEN: usize = 255;

/// The SELinux context that a whole file system gets by being mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountLabel(String);

impl MountLabel {
    /// The label for the mounts of a container whose configuration says `text`: none without a text or without SELinux,
    /// which is asked only when it matters.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the text is no label, and those of `selinux`.
    pub fn decide(text: Option<&str>, selinux: impl FnOnce() -> Result<bool>) -> Result<Option<Self>> {
        match text.filter(|text| !text.is_empty()) {
            Some(text) if selinux()? => Self::new(text).map(Some),
            _ => Ok(None),
        }
    }

    /// Checks that `text` can be the value of a mount option and of nothing more. Commas belong to labels
    /// (`s0:c1,c2`), so mount(2) gets it in quotes, and a quote in it could end them.
    fn new(text: &str) -> Result<Self> {
        let rule = if text.len() > MAX_LEN {
            format!("has {} bytes, at most {MAX_LEN} are allowed", text.len())
        } else if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !MARKS.contains(*c)) {
            format!("contains {bad:?}")
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Error::new(ErrorKind::Config, format!("linux.mountLabel \"{}\" {rule}", cut(&escape(text)))))
    }

    /// The label as fsconfig(2) takes it: as the value of `context`.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.0
    }

    /// The label as an option of mount(2).
    #[must_use]
    pub fn option(&self) -> String {
        format!("context=\"{}\"", self.0)
    }

    /// Notes on an image with which label it is about to be mounted, for [`MountLabel::of`].
    pub fn note(label: Option<&Self>, image: &File) {
        let result = match label {
            Some(label) => rustix::fs::fsetxattr(image, ATTRIBUTE, label.0.as_bytes(), XattrFlags::empty()),
            None => rustix::fs::fremovexattr(image, ATTRIBUTE),
        };
        if let (Some(_), Err(error)) = (label, result) {
            log::debug!("cannot write {ATTRIBUTE} to the image: {error}");
        }
    }

    /// The label with which an image was mounted last. A file system that is still mounted can be mounted a second time
    /// only with the same one.
    #[must_use]
    pub fn of(image: &File) -> Option<Self> {
        let mut value = [0; MAX_LEN];
        let length = rustix::fs::fgetxattr(image, ATTRIBUTE, &mut value).ok()?;
        Self::new(std::str::from_utf8(value.get(..length)?).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "system_u:object_r:container_file_t:s0:c1,c2";

    #[test]
    fn a_label_is_used_only_where_there_is_selinux() {
        let asked = || -> Result<bool> { panic!("there is nothing to ask") };
        for none in [None, Some("")] {
            assert_eq!(MountLabel::decide(none, asked).unwrap(), None);
        }
        for text in [LABEL, "not \"a label"] {
            assert_eq!(MountLabel::decide(Some(text), || Ok(false)).unwrap(), None);
        }
        let label = MountLabel::decide(Some(LABEL), || Ok(true)).unwrap().unwrap();
        assert_eq!(label.value(), LABEL);
        assert_eq!(label.option(), "context=\"system_u:object_r:container_file_t:s0:c1,c2\"");
        let unknown = || Err(Error::new(ErrorKind::System, "cannot read it"));
        assert_eq!(MountLabel::decide(Some(LABEL), unknown).unwrap_err().kind(), ErrorKind::System);
    }

    #[test]
    fn a_label_cannot_become_another_option() {
        let long = "x".repeat(256);
        let bad = [
            "a\",exec,context=\"b",
            "a'b",
            "a\\\"b",
            "a b",
            "a\tb",
            "a\nb",
            "a\0b",
            "a\u{7f}",
            "\u{e4}:r:t",
            "a=b",
        ];
        for text in bad.into_iter().chain([long.as_str()]) {
            let error = MountLabel::decide(Some(text), || Ok(true)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text:?}");
            assert!(error.to_string().starts_with("linux.mountLabel \""), "{error}");
        }
    }

    #[test]
    fn an_image_knows_its_label() {
        let path = std::path::PathBuf::from(format!("/var/tmp/label-test-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let label = MountLabel::new(LABEL).unwrap();
        assert_eq!(MountLabel::of(&file), None);
        MountLabel::note(Some(&label), &file);
        assert_eq!(MountLabel::of(&file), Some(label));
        MountLabel::note(None, &file);
        assert_eq!(MountLabel::of(&file), None);
        rustix::fs::fsetxattr(&file, ATTRIBUTE, b"a\",exec", XattrFlags::empty()).unwrap();
        assert_eq!(MountLabel::of(&file), None);
        std::fs::remove_file(path).unwrap();
    }
}
