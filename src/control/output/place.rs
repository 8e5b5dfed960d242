//! The place of the first byte that a log still has: how many bytes of a container's output went before it.
//!
//! It lies in the container's directory, as the writer of the log may be another process than its reader. A lock keeps the
//! two apart while a log is cut; it is given up by a process that is killed.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

/// The file's name.
const PLACE: &str = "output.place";
/// Digits of the largest number, so that each write replaces all of the one before.
const DIGITS: usize = 20;
/// What stands behind the digits when the log's first line has lost its beginning.
const CUT: u8 = b'-';
const WHOLE: u8 = b'.';
/// How often and after which pause a lock is tried: the other side holds it for the time of a copy.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// The file of one container.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

/// The file, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct LockedPlace(File);

impl Place {
    /// In the container's directory.
    pub(crate) fn of(dir: &Path) -> Self {
        Self(dir.join(PLACE))
    }

    /// Makes the file, for a log that begins at `start`.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn create(&self, start: u64) -> Result<()> {
        let place = self.open(OFlags::CREATE)?;
        place.write(start)?;
        place.note_line(true)
    }

    /// Locks it, to cut the log or to read from it. After a while it goes on without the lock: neither a container nor the
    /// daemon must hang because the other side does.
    ///
    /// # Errors
    /// The kernel's; there is none.
    pub(crate) fn lock(&self) -> Result<LockedPlace> {
        self.open(OFlags::empty())
    }

    fn open(&self, more: OFlags) -> Result<LockedPlace> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
        let file = File::from(rustix::fs::open(&self.0, flags, Mode::from_raw_mode(0o600))?);
        for _ in 0..LOCK_ATTEMPTS {
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                break;
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Ok(LockedPlace(file))
    }
}

impl LockedPlace {
    /// The place of the first byte; 0 in a damaged file.
    pub(crate) fn read(&self) -> u64 {
        let mut digits = [0; DIGITS];
        let read = self.0.read_exact_at(&mut digits, 0).ok();
        read.and_then(|()| std::str::from_utf8(&digits).ok()?.parse().ok()).unwrap_or(0)
    }

    /// Whether the first line has lost its beginning.
    pub(crate) fn is_cut(&self) -> bool {
        let mut mark = [0];
        self.0.read_exact_at(&mut mark, DIGITS as u64).is_ok() && mark == [CUT]
    }

    /// Notes whether the first byte begins a line.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn note_line(&self, begins_line: bool) -> Result<()> {
        self.0.write_all_at(&[if begins_line { WHOLE } else { CUT }], DIGITS as u64)
    }

    /// Bytes at the beginning are gone.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn add(&self, gone: u64) -> Result<()> {
        self.write(self.read().saturating_add(gone))
    }

    /// The log begins at this place now.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn set(&self, start: u64) -> Result<()> {
        self.write(start)
    }

    fn write(&self, start: u64) -> Result<()> {
        self.0.write_all_at(format!("{start:0DIGITS$}").as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_moves_on() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(dir.path());
        assert!(place.lock().is_err());
        place.create(7).unwrap();
        place.lock().unwrap().add(1000).unwrap();
        let locked = place.lock().unwrap();
        assert_eq!(locked.read(), 1007);
        assert_eq!(place.lock().unwrap().read(), 1007, "not for ever");
        locked.add(u64::MAX).unwrap();
        assert_eq!(locked.read(), u64::MAX);
        assert!(!locked.is_cut());
        locked.note_line(false).unwrap();
        locked.add(1).unwrap();
        assert!(locked.is_cut());
        place.create(7).unwrap();
        assert!(!locked.is_cut());
        std::fs::write(dir.path().join(PLACE), "x").unwrap();
        assert_eq!(locked.read(), 0);
    }
}
