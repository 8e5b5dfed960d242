//! Which dumps of an image were published, on the image itself: one that stays is harvested again, and an uploader may have
//! taken their files meanwhile. Nothing is written for an image that goes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::harvest::name::{FNV1A, fnv1a_on};
use crate::image::create::MAX_INODES;
use crate::image::read::files::{Candidate, Kind};

/// The attribute of an image: [`KEY`] bytes for each dump.
const ATTRIBUTE: &str = "user.oci-minidump.harvested";
/// The same of earlier versions, with eight bytes for each.
const FORMER_ATTRIBUTE: &str = "user.oci-minidump.published";
/// The longest value that is read, in bytes.
const MAX_VALUE: usize = 4096;
/// The bytes of a hash that are kept: ext4 has 4 KiB for all attributes of a file, and as many dumps as an image of ours can
/// hold must find room there. That two of so many are the same is less likely than one in a billion.
const KEY: usize = 6;
/// The most dumps of an image that are remembered: all that fit into one of ours.
const MAX_DUMPS: usize = MAX_INODES as usize;
/// How many fewer are tried, where other attributes take the room.
const STEP: usize = 32;

/// The dumps of an image that were published.
#[derive(Debug, Default)]
pub struct Published {
    before: BTreeSet<u64>,
    /// Those of them that are still in the image.
    seen: RefCell<BTreeSet<u64>>,
    now: RefCell<BTreeSet<u64>>,
    /// Those whose names a power cut may still take.
    unsynced: RefCell<BTreeSet<u64>>,
}

impl Published {
    /// What an image says.
    pub(in crate::harvest) fn of(image: &File) -> Self {
        let keys = |name, width| {
            let mut value = vec![0; MAX_VALUE];
            let length = rustix::fs::fgetxattr(image, name, &mut value).unwrap_or(0);
            value.truncate(length);
            let key = |bytes: &[u8]| bytes.iter().rev().fold(0, |key, byte| key << 8 | u64::from(*byte));
            // The low bytes come first, and an earlier version kept two more of them.
            let skipped = width - KEY;
            value.chunks_exact(width).map(|bytes| key(bytes.get(skipped..).unwrap_or_default())).collect()
        };
        let mut before: BTreeSet<u64> = keys(ATTRIBUTE, KEY);
        before.append(&mut keys(FORMER_ATTRIBUTE, 8));
        Self { before, ..Self::default() }
    }

    /// Whether a dump was published before.
    pub(super) fn has(&self, dump: &Candidate, destination: &Path) -> bool {
        if self.before.is_empty() {
            return false;
        }
        let key = key(dump, destination);
        let is_known = self.before.contains(&key);
        if is_known {
            self.seen.borrow_mut().insert(key);
        }
        is_known
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
        let mut current = self.seen.borrow().clone();
        current.append(&mut self.now.borrow_mut());
        let keys = current.iter().chain(self.before.difference(&current)).take(MAX_DUMPS);
        let value: Vec<u8> = keys.flat_map(|key| key.to_le_bytes().into_iter().take(KEY)).collect();
        // It takes room, and what it says is in the new one.
        let _absent = rustix::fs::fremovexattr(image, FORMER_ATTRIBUTE);
        if let Err(error) = write(image, &value) {
            log::debug!("cannot note what was published of an image: {error}");
        }
    }
}

/// Writes as many keys as there is room for.
fn write(image: &File, value: &[u8]) -> rustix::io::Result<()> {
    let mut length = value.len();
    loop {
        let part = value.get(..length).unwrap_or_default();
        match rustix::fs::fsetxattr(image, ATTRIBUTE, part, XattrFlags::empty()) {
            Err(Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) if length > STEP * KEY => {
                length -= STEP * KEY;
            }
            other => return other,
        }
    }
}

/// What tells a dump from others in its image: the high bytes of a hash, which all of it went into. A container that makes
/// two the same withholds one of its own.
fn key(dump: &Candidate, destination: &Path) -> u64 {
    let mut key = fnv1a_on(FNV1A, destination.as_os_str().as_bytes());
    key = fnv1a_on(key, &dump.place.path());
    key = fnv1a_on(key, &dump.inode.to_le_bytes());
    if let Kind::Regular { size, modified } = dump.kind {
        key = fnv1a_on(key, &size.to_le_bytes());
        key = fnv1a_on(key, &modified.seconds.to_le_bytes());
        key = fnv1a_on(key, &modified.nanoseconds.to_le_bytes());
    }
    key >> (64 - 8 * KEY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::read::files::{Place, Time};

    fn candidate(number: u64) -> Candidate {
        let kind = Kind::Regular { size: number, modified: Time { seconds: 1, nanoseconds: 2 } };
        Candidate {
            place: Place { dir: Vec::new(), name: b"a.dmp".to_vec() },
            inode: number,
            kind,
            meta: None,
        }
    }

    fn saved(image: &File, numbers: std::ops::Range<u64>) {
        let published = Published::of(image);
        for number in numbers {
            if !published.has(&candidate(number), Path::new("/d")) {
                published.add(&candidate(number), Path::new("/d"));
            }
        }
        published.synced();
        published.save(image);
    }

    fn known(image: &File, numbers: std::ops::Range<u64>) -> usize {
        let published = Published::of(image);
        numbers.filter(|number| published.has(&candidate(*number), Path::new("/d"))).count()
    }

    #[test]
    fn what_is_in_the_image_is_remembered_before_what_has_gone() {
        // Beside the build: a file system in memory may have no attributes.
        let image = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let most = u64::try_from(MAX_DUMPS).unwrap();
        saved(&image, 0..most);
        assert_eq!(known(&image, 0..most + 9), MAX_DUMPS);
        // Of those that have gone, as many as there is room for.
        saved(&image, 100..most + 50);
        assert_eq!((known(&image, 100..most + 50), known(&image, 0..100)), (MAX_DUMPS - 50, 50));
    }

    #[test]
    fn what_an_earlier_version_noted_counts_and_too_little_room_leaves_some_out() {
        let image = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let whole = |number| {
            let mut key = fnv1a_on(FNV1A, b"/d");
            key = fnv1a_on(key, b"a.dmp");
            for field in [number, number, 1_u64] {
                key = fnv1a_on(key, &field.to_le_bytes());
            }
            fnv1a_on(key, &2_u32.to_le_bytes())
        };
        let former: Vec<u8> = (0..9).flat_map(|number| whole(number).to_le_bytes()).collect();
        rustix::fs::fsetxattr(&image, FORMER_ATTRIBUTE, &former, XattrFlags::empty()).unwrap();
        assert_eq!(known(&image, 0..10), 9);
        rustix::fs::fsetxattr(&image, "user.other", &[0; 2500], XattrFlags::empty()).unwrap();
        saved(&image, 0..400);
        // Where attributes may be larger, all of them fit.
        assert!(known(&image, 0..400) > 150, "{}", known(&image, 0..400));
    }
}
