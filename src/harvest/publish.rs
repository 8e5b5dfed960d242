//! Publishing dumps on the host: a file appears under its final name when it is whole and on the disk, never before,
//! and never in place of another.
//!
//! The name is given by linkat(2), not rename(2): RDK's uploader waits for `IN_CREATE`, and linkat refuses to
//! overwrite. Where a file system has neither hard links nor a rename that refuses to overwrite, an empty file has the
//! name for a moment before.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::crash_record;
use crate::harvest::destination::{Destination, Draft};
use crate::harvest::marks::Marks;
use crate::harvest::name::{FNV1A, fitted, fnv1a_on, hashed, meta, numbered};
use crate::harvest::parcel::Parcel;
use crate::host;

/// How many numbers are tried for files of one name, before a hash of the content.
const MAX_NUMBER: u32 = 16;
/// How much of a file is read at once.
const CHUNK: usize = 64 << 10;

/// Where a dump ended up.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    /// The name it has.
    pub name: String,
    /// Whether the same bytes were there under that name already.
    pub already: bool,
}

impl Destination<'_> {
    /// Publishes a dump as `name`, or under another name like it when another file has that one or the file system
    /// refuses it. When the same bytes are there already, nothing is added. The metadata gets the name of the dump with
    /// another ending. [`Destination::sync`] makes it last. `None` when
    /// other files have all names that were tried, or the dump was published before and has gone.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] and others of the kernel; nothing half-made is left behind then.
    pub fn publish(&self, mut parcel: Parcel<'_>, name: &str, marks: Marks<'_>) -> Result<Option<Published>> {
        let what = || format!("cannot write {}", self.path().join(name).display());
        match &parcel.attribute {
            Some(record) if self.attach(&parcel.dump.file, record, marks) => parcel.record = None,
            _ => parcel.attribute = None,
        }
        if parcel.hand_over.is_some() {
            self.promise(&parcel.dump.file);
        }
        for draft in [Some(&parcel.dump), parcel.meta.as_ref()].into_iter().flatten() {
            self.finish(&draft.file, marks).tried(what)?;
        }
        // Held until all names are given.
        let lock = if parcel.record.is_some() { self.lock()? } else { None };
        let mut placing = Placing { parcel: &mut parcel, marks, is_locked: lock.is_some() };
        let mut outcome = self.place(&mut placing, name)?;
        if let Outcome::Refused(refusal) = outcome
            && is_about_a_name(refusal)
        {
            log::debug!("{} takes no file called {name}: {refusal}", self.path().display());
            outcome = match self.place(&mut placing, &fitted(name))? {
                Outcome::Refused(_) => Outcome::Refused(refusal),
                other => other,
            };
        }
        let published = match outcome {
            Outcome::Published(published) => published,
            Outcome::Refused(refusal) => return Err(refusal).tried(what),
            Outcome::Taken => return Ok(None),
        };
        if let Some(draft) = &mut parcel.meta {
            self.place_meta(draft, &meta(&published.name))?;
        }
        if let Some(known) = parcel.hand_over.take() {
            let draft = (!published.already).then_some(&parcel.dump.file);
            self.hand_over(known, &published.name, draft, parcel.record.is_some());
        }
        Ok(Some(published))
    }

    /// That other files have all the names that a dump called `name` could get.
    #[must_use]
    pub fn has_no_name_for(&self, name: &str) -> Error {
        let what = format!("all names for {name} are taken in {}", self.path().display());
        Error::new(ErrorKind::NoSpace, what).advise("remove old dumps")
    }

    /// Gives a dump `name`, or one with a number, or with a hash of what is in it.
    fn place(&self, placing: &mut Placing<'_, '_>, name: &str) -> Result<Outcome> {
        match self.place_by_number(placing, name)? {
            Outcome::Taken => {}
            other => return Ok(other),
        }
        // A container that took all these names must not keep the others from theirs.
        let hash = hash(&placing.parcel.dump.file).tried(|| "cannot read the copy")?;
        self.place_by_number(placing, &hashed(name, hash))
    }

    fn place_by_number(&self, placing: &mut Placing<'_, '_>, name: &str) -> Result<Outcome> {
        for number in 1..=MAX_NUMBER {
            let name = numbered(name, number);
            let named = if placing.parcel.is_known || self.is_blocked(placing.parcel, &name)? {
                Err(Errno::EXIST)
            } else {
                self.give_names(placing, &name)?
            };
            match named {
                Ok(()) => return Ok(Outcome::Published(Published { name, already: false })),
                Err(Errno::EXIST) if self.has_same_bytes(&placing.parcel.dump.file, &name)? => {
                    self.add_missing_record(placing, &name)?;
                    return Ok(Outcome::Published(Published { name, already: true }));
                }
                Err(Errno::EXIST) => {}
                Err(refusal) => return Ok(Outcome::Refused(refusal)),
            }
        }
        Ok(Outcome::Taken)
    }

    /// Gives a dump its name, and its record before that.
    fn give_names(&self, placing: &mut Placing<'_, '_>, name: &str) -> Result<rustix::io::Result<()>> {
        let Some(record) = &placing.parcel.record else {
            return Ok(self.give_name(&mut placing.parcel.dump, name));
        };
        let record_name = crash_record::file_name(name);
        if self.exists(name) || !self.clear_orphan(&record_name, placing.is_locked)? {
            return Ok(Err(Errno::EXIST));
        }
        let named = match self.write_record(record, &record_name, placing.marks)? {
            Ok(()) => self.give_name(&mut placing.parcel.dump, name),
            refused => return Ok(refused),
        };
        if named.is_err() {
            // What stays is removed as an orphan.
            let _stays = rustix::fs::unlinkat(&self.dir, record_name.as_str(), AtFlags::empty());
        }
        Ok(named)
    }

    /// Gives a dump that was published before the record that it has not got: a hook was killed, or none was wanted then.
    fn add_missing_record(&self, placing: &Placing<'_, '_>, name: &str) -> Result<()> {
        if let Some(record) = &placing.parcel.attribute {
            return self.attach_missing(record, name);
        }
        let Some(record) = &placing.parcel.record else { return Ok(()) };
        let record_name = crash_record::file_name(name);
        match self.write_record(record, &record_name, placing.marks)? {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            refused => refused.tried(|| format!("cannot write {}", self.path().join(record_name).display())),
        }
    }

    /// Whether other metadata lies where that of a dump called `name` would go.
    fn is_blocked(&self, parcel: &Parcel<'_>, name: &str) -> Result<bool> {
        let Some(draft) = &parcel.meta else { return Ok(false) };
        let name = meta(name);
        Ok(self.exists(&name) && !self.has_same_bytes(&draft.file, &name)?)
    }

    /// Puts metadata beside its dump. Crashpad goes on writing to it, so that what was published first stays.
    fn place_meta(&self, draft: &mut Draft<'_>, name: &str) -> Result<()> {
        match self.give_name(draft, name) {
            Err(Errno::EXIST) => Ok(()),
            other => other.tried(|| format!("cannot write {}", self.path().join(name).display())),
        }
    }

    pub(super) fn give_name(&self, draft: &mut Draft<'_>, name: &str) -> rustix::io::Result<()> {
        let Some(temporary) = draft.temporary.take() else {
            return host::write::link_unnamed(&draft.file, &self.dir, OsStr::new(name));
        };
        let moved = self.give_second_name(&temporary, name);
        if moved != Ok(Moved::Yes) {
            draft.temporary = Some(temporary);
        }
        moved.map(drop)
    }

    /// Gives the file called `temporary` the name `name`. A rename would do it at once, but raises no
    /// `IN_CREATE`: it is for file systems without hard links.
    fn give_second_name(&self, temporary: &str, name: &str) -> rustix::io::Result<Moved> {
        match rustix::fs::linkat(&self.dir, temporary, &self.dir, name, AtFlags::empty()) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            other => return other.map(|()| Moved::No),
        }
        match rustix::fs::renameat_with(&self.dir, temporary, &self.dir, name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            other => return other.map(|()| Moved::Yes),
        }
        // exFAT through FUSE can do neither. What is replaced is an empty file of ours.
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.dir, name, flags, Mode::from_raw_mode(0o600))?;
        rustix::fs::renameat(&self.dir, temporary, &self.dir, name).map(|()| Moved::Yes).inspect_err(|_| {
            let _stays = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
        })
    }

    fn has_same_bytes(&self, ours: &File, name: &str) -> Result<bool> {
        let what = || format!("cannot read {}", self.path().join(name).display());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(fd) = rustix::fs::openat(&self.dir, name, flags, Mode::empty()) else { return Ok(false) };
        let theirs = File::from(fd);
        let (mine, other) = (ours.metadata().tried(what)?, theirs.metadata().tried(what)?);
        if !other.is_file() || other.len() != mine.len() {
            return Ok(false);
        }
        let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut at = 0;
        while at < mine.len() {
            let count = ours.read_at(&mut left, at).tried(what)?;
            let part = right.get_mut(..count).unwrap_or_default();
            if count == 0 || theirs.read_exact_at(part, at).is_err() || left.get(..count) != Some(part) {
                return Ok(false);
            }
            at += u64::try_from(count).unwrap_or(u64::MAX);
        }
        Ok(true)
    }
}

/// A dump that is getting its name.
struct Placing<'p, 'd> {
    parcel: &'p mut Parcel<'d>,
    marks: Marks<'p>,
    /// Whether no other hook gives names in the directory.
    is_locked: bool,
}

/// What came of looking for a name.
#[derive(Debug)]
enum Outcome {
    Published(Published),
    /// Other files have all the names that were tried.
    Taken,
    /// The file system takes no file like that.
    Refused(Errno),
}

/// Whether the file has lost its first name over the second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    No,
}

/// Whether a file system that refuses a file like this may take it under another name.
fn is_about_a_name(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG | Errno::NOENT | Errno::ACCESS | Errno::PERM
    )
}

/// A hash of what is in a file.
fn hash(file: &File) -> std::io::Result<u64> {
    let (mut hash, mut at, mut chunk) = (FNV1A, 0, vec![0; CHUNK]);
    loop {
        let count = file.read_at(&mut chunk, at)?;
        if count == 0 {
            return Ok(hash);
        }
        hash = fnv1a_on(hash, chunk.get(..count).unwrap_or_default());
        at += u64::try_from(count).unwrap_or(u64::MAX);
    }
}
