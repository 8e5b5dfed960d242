//! Which dumps of an image were published, on the image itself: one that stays is harvested again, and an uploader may have
//! taken their files meanwhile. Nothing is written for an image that goes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::XattrFlags;

use crate::harvest::name::{FNV1A, fnv1a_on};
use crate::image::read::files::{Candidate, Kind};

/// The attribute of an image: a number of eight bytes for each dump.
const ATTRIBUTE: &str = "user.oci-minidump.published";
/// The most dumps of an image that are remembered: ext4 has 4 KiB for all attributes of a file.
const MAX_DUMPS: usize = 128;

/// The dumps of an image that were published.
#[derive(Debug, Default)]
pub struct Published {
    before: BTreeSet<u64>,
    now: RefCell<BTreeSet<u64>>,
    /// Those whose names a power cut may still take.
    unsynced: RefCell<BTreeSet<u64>>,
}

impl Published {
    /// What an image says.
    pub(in crate::harvest) fn of(image: &File) -> Self {
        let mut value = vec![0; MAX_DUMPS * 8];
        let length = rustix::fs::fgetxattr(image, ATTRIBUTE, &mut value).unwrap_or(0);
        let keys = value.get(..length).unwrap_or_default().chunks_exact(8);
        let before = keys.filter_map(|key| key.try_into().ok().map(u64::from_le_bytes)).collect();
        Self { before, ..Self::default() }
    }

    /// Whether a dump was published before.
    pub(super) fn has(&self, dump: &Candidate, destination: &Path) -> bool {
        !self.before.is_empty() && self.before.contains(&key(dump, destination))
    }

    /// Notes that a dump has its name in the destination, or was counted only.
    pub(super) fn add(&self, dump: &Candidate, destination: &Path) {
        self.unsynced.borrow_mut().insert(key(dump, destination));
    }

    /// Notes that all names given so far are safe from power cuts: only now the dumps are published.
    pub(super) fn synced(&self) {
        self.now.borrow_mut().append(&mut self.unsynced.borrow_mut());
    }

    /// Writes what was published to an image that stays. What finds no room may be published again.
    pub(in crate::harvest) fn save(self, image: &File) {
        let all: BTreeSet<u64> = self.before.union(&self.now.borrow()).copied().collect();
        if all == self.before {
            return;
        }
        // What is in the image by now comes first.
        let now = self.now.borrow();
        let keys = now.iter().chain(self.before.difference(&now)).take(MAX_DUMPS);
        let value: Vec<u8> = keys.flat_map(|key| key.to_le_bytes()).collect();
        if let Err(error) = rustix::fs::fsetxattr(image, ATTRIBUTE, &value, XattrFlags::empty()) {
            log::debug!("cannot note what was published of an image: {error}");
        }
    }
}

/// What tells a dump from others in its image. A container that makes two the same withholds one of its own.
fn key(dump: &Candidate, destination: &Path) -> u64 {
    let mut key = fnv1a_on(FNV1A, destination.as_os_str().as_bytes());
    key = fnv1a_on(key, &dump.place.path());
    key = fnv1a_on(key, &dump.inode.to_le_bytes());
    if let Kind::Regular { size, modified } = dump.kind {
        key = fnv1a_on(key, &size.to_le_bytes());
        key = fnv1a_on(key, &modified.seconds.to_le_bytes());
        key = fnv1a_on(key, &modified.nanoseconds.to_le_bytes());
    }
    key
}
