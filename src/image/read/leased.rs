//! Reading the image of a container that runs, and removing from it what is safe on the host.
//!
//! The image is mounted once more, through its device: the container's paths are never used, and its mount table shows
//! nothing of it. A dump is held by a lease (fcntl(2), `F_SETLEASE`) from before its first byte is read until it is
//! removed. The lease cannot be had while any process has the file open for writing, or mapped so, and as long as it lasts,
//! an open for writing waits: what was copied is what the file holds, and no writer loses anything.
//!
//! If one waits, the dump is not removed, since what that program is about to write would go with it.
//!
//! Names are not held by it. A container may put another file in the place of a dump at any moment, and no system call
//! removes a name only if it leads to a certain file. Therefore the dump gets a random name first. If that turns out to be
//! the name of another file, that file gets its own name back.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Tried, Unreadable};
use crate::image::loopback::LoopDevice;
use crate::image::mount::options::Writable;
use crate::image::read::files::{Candidate, ImageFiles, Listing, Place, pump};
use crate::image::read::kernel::Mounted;
use crate::image::token::Token;
use crate::sys;

/// What the name of a dump begins with that is about to be removed; 32 hexadecimal digits, a hyphen and its former name
/// follow.
const PREFIX: &[u8] = b".oci-minidump-";
const DIGITS: usize = 32;
/// The longest name of a file, in bytes.
const MAX_NAME: usize = 255;
/// How many dumps are remembered that could not be removed. An image of ours has no more inodes.
const MAX_STUCK: usize = 512;

/// Dumps that are safe on the host and could not be removed from the image: what each is known by as long as it does not
/// change. They are not published again.
pub type Stuck = HashSet<(u64, i64, i64)>;

/// The image of a container that runs.
#[derive(Debug)]
pub struct Leased {
    mounted: Mounted,
    held: Option<Held>,
    /// The metadata that was copied with it.
    copied: Option<Place>,
    stuck: Stuck,
}

/// A dump that no process can write to.
#[derive(Debug)]
struct Held {
    place: Place,
    file: File,
    size: u64,
}

impl Leased {
    /// Mounts the image that is attached to `device` and that a container has mounted with `writable`. Of `stuck`, nothing
    /// is read.
    ///
    /// # Errors
    /// Those of mounting.
    pub fn open(device: LoopDevice, writable: &Writable, stuck: Stuck) -> Result<Self> {
        Ok(Self { mounted: Mounted::open_writable(device, writable)?, held: None, copied: None, stuck })
    }

    /// The image as it is mounted.
    #[must_use]
    pub fn mounted(&self) -> &Mounted {
        &self.mounted
    }

    /// What could not be removed.
    #[must_use]
    pub fn into_stuck(self) -> Stuck {
        self.stuck
    }

    /// Holds a dump, and no other one.
    fn hold(&mut self, place: &Place) -> Result<&Held> {
        let what = || "cannot inspect a dump in the image";
        (self.held, self.copied) = (None, None);
        let file = self.mounted.open_file(place)?;
        if let Err(error) = sys::lease_from_writers(&file) {
            return Err(match Errno::from_io_error(&error) {
                Some(Errno::AGAIN) => busy(place, "is open for writing"),
                // Without leases it cannot be known.
                _ => busy(place, "may be open for writing").caused_by(error),
            });
        }
        let metadata = file.metadata().unreadable(what)?;
        if metadata.nlink() != 1 {
            return Err(busy(place, &format!("has {} names", metadata.nlink())));
        }
        if self.stuck.contains(&key(&metadata)) {
            return Err(busy(place, "is safe on the host, but could not be removed"));
        }
        Ok(self.held.insert(Held { place: place.clone(), file, size: metadata.len() }))
    }

    fn try_remove(&self, held: &Held) -> Result<()> {
        let Held { place, file, .. } = held;
        // The container has moved it, or removed it.
        let Some(dir) = self.mounted.open_dir(&place.dir)? else { return Ok(()) };
        let what = || format!("cannot remove {} from the image", place.text());
        let aside = aside(&place.name)?;
        let (name, aside) = (place.name.as_slice(), aside.as_slice());
        match rustix::fs::renameat_with(&dir, name, &dir, aside, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(()),
            // No room for a longer name, or a kernel before 3.15.
            Err(Errno::NOSPC | Errno::NOSYS | Errno::INVAL)
                if is(&dir, name, file).tried(what)? && sys::is_lease_undisturbed(file) =>
            {
                return unlink(&dir, name).tried(what);
            }
            other => return other.tried(what),
        }
        // Under its new name, no program opens it: one that does so for writing has begun before, and waits.
        if is(&dir, aside, file).tried(what)? && sys::is_lease_undisturbed(file) {
            return unlink(&dir, aside).tried(what);
        }
        // Another file had the name by then, or a writer waits. Should yet another one have it now, this one is harvested
        // as it is called.
        match rustix::fs::renameat_with(&dir, aside, &dir, name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST | Errno::NOENT) => Ok(()),
            other => other.tried(what),
        }
    }

    /// Removes what Crashpad has noted about a dump, which it may still be writing to: it is about a dump that is gone.
    fn remove_meta(&self, dump: &Candidate) -> Result<()> {
        let is_copied = |place: &&Place| self.copied.as_ref() == Some(*place);
        let Some(place) = dump.meta.as_ref().map(|(place, _)| place).filter(is_copied) else { return Ok(()) };
        let Some(dir) = self.mounted.open_dir(&place.dir)? else { return Ok(()) };
        unlink(&dir, &place.name).tried(|| format!("cannot remove {} from the image", place.text()))
    }
}

impl ImageFiles for Leased {
    fn list(&mut self, deadline: Deadline) -> Result<Listing> {
        self.mounted.list(deadline)
    }

    fn head(&mut self, place: &Place) -> Result<Vec<u8>> {
        let held = self.hold(place)?;
        let mut head = vec![0; 4];
        let count = held.file.read_at(&mut head, 0).unreadable(|| "cannot read a dump in the image")?;
        head.truncate(count);
        Ok(head)
    }

    fn copy(&mut self, place: &Place, limit: u64, target: &File, deadline: Deadline) -> Result<u64> {
        let Some(held) = self.held.as_ref().filter(|held| held.place == *place) else {
            let size = self.mounted.copy(place, limit, target, deadline)?;
            self.copied = Some(place.clone());
            return Ok(size);
        };
        if held.size != limit || !sys::is_lease_undisturbed(&held.file) {
            return Err(busy(place, "was written to since it was listed, or is about to be"));
        }
        let mut at = 0_u64;
        pump(target, limit, deadline, |chunk| {
            let count = held.file.read_at(chunk, at).unreadable(|| "cannot read a dump in the image")?;
            at += u64::try_from(count).unwrap_or(u64::MAX);
            Ok(count)
        })
    }

    fn removes(&self) -> bool {
        true
    }

    fn remove(&mut self, dump: &Candidate) -> Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let removed = self.try_remove(&held).and_then(|()| self.remove_meta(dump));
        // It may also have another name by now. It is for poststop then.
        if let Ok(metadata) = held.file.metadata()
            && metadata.nlink() > 0
            && self.stuck.len() < MAX_STUCK
        {
            self.stuck.insert(key(&metadata));
        }
        removed
    }
}

fn busy(place: &Place, what: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("{} in the image {what}", place.text()))
        .advise("it is harvested later, or when the container has ended")
}

fn key(metadata: &std::fs::Metadata) -> (u64, i64, i64) {
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

/// Whether `name` in `dir` is that of `file`.
fn is(dir: &File, name: &[u8], file: &File) -> std::io::Result<bool> {
    let ours = file.metadata()?;
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.dev(), ours.ino())),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn unlink(dir: &File, name: &[u8]) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// A name for a dump that is about to be removed, which the container cannot guess. If that is as far as it comes, the
/// next harvest sees by it what the dump was called, so that the same dump is not taken for another one.
fn aside(name: &[u8]) -> Result<Vec<u8>> {
    let name = former_name(name);
    let token = Token::random()?.to_string();
    let room = MAX_NAME - PREFIX.len() - DIGITS - 1;
    let end = name.get(name.len().saturating_sub(room)..).unwrap_or_default();
    Ok([PREFIX, token.as_bytes(), b"-", end].concat())
}

/// What a dump was called before a harvest was about to remove it.
#[must_use]
pub fn former_name(name: &[u8]) -> &[u8] {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(DIGITS));
    match rest {
        Some((digits, [b'-', former @ ..])) if digits.iter().all(u8::is_ascii_hexdigit) => former,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_that_is_about_to_be_removed_keeps_its_name_in_the_new_one() {
        for name in [b"a.dmp".as_slice(), b"\xff.dmp", &[b'x'; 200], &[b'x'; 208]] {
            let aside = aside(name).unwrap();
            assert!(aside.len() <= MAX_NAME && former_name(&aside) == name);
            assert_eq!(former_name(&super::aside(&aside).unwrap()), name);
        }
        let long = [[b'x'; 251].as_slice(), b".dmp"].concat();
        assert!(aside(&long).unwrap().len() == MAX_NAME && aside(&long).unwrap().ends_with(b"x.dmp"));
        for name in [b".oci-minidump-a.dmp".as_slice(), b".oci-minidump-", b"a.dmp", b""] {
            assert_eq!(former_name(name), name);
        }
    }
}
