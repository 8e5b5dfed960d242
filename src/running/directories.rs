//! Which directories change: those of images, and that of the records (inotify(7)).
//!
//! A watch on a directory does not keep its file system: it ends with the container's mount. A watch on a directory of an
//! image tells of one event and is gone, until the image is looked at again. However much a container does there, it is one
//! event for each of at most [`MAX_DIRECTORIES`] directories, and the queue cannot run over.

use std::collections::HashMap;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use crate::error::{Result, Tried};
use crate::image::read::kernel::Mounted;
use crate::image::token::Token;

/// How many directories of an image are watched. Crashpad has a handful.
const MAX_DIRECTORIES: usize = 64;
/// What is read of the queue at once, in bytes.
const BUFFER: usize = 16 << 10;

/// The directories that are watched.
#[derive(Debug)]
pub(super) struct Directories {
    queue: OwnedFd,
    records: Option<i32>,
    images: HashMap<i32, Token>,
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Whether containers have come or gone.
    pub(super) records: bool,
    /// The images in which something was written.
    pub(super) images: Vec<Token>,
}

impl Directories {
    pub(super) fn new() -> Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        Ok(Self { queue: queue.tried(|| "cannot start inotify")?, records: None, images: HashMap::new() })
    }

    /// Watches the directory of the records.
    pub(super) fn watch_records(&mut self, dir: &Path) -> Result<()> {
        let events = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        let flags = events | WatchFlags::DELETE_SELF | WatchFlags::ONLYDIR;
        let watch = inotify::add_watch(&self.queue, dir, flags);
        self.records = Some(watch.tried(|| format!("cannot watch {}", dir.display()))?);
        Ok(())
    }

    /// Whether the directory of the records is watched: it may have been removed.
    pub(super) fn has_records(&self) -> bool {
        self.records.is_some()
    }

    /// Watches every directory of an image until something happens in it: a file that was open for writing is closed, a
    /// file or directory is made or gets another name there, or a name goes: a dump may have had two.
    pub(super) fn watch_image(&mut self, image: Token, mounted: &Mounted) -> Result<()> {
        let events = WatchFlags::CLOSE_WRITE | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
        let flags = events | WatchFlags::ONLYDIR | WatchFlags::ONESHOT;
        let (queue, images) = (&self.queue, &mut self.images);
        mounted.directories(MAX_DIRECTORIES, &mut |dir: &File| {
            let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
            let watch = inotify::add_watch(queue, path, flags);
            let advice = "are there too many watches? (fs.inotify.max_user_watches)";
            images.insert(watch.tried(|| "cannot watch a directory").map_err(|e| e.advise(advice))?, image);
            Ok(())
        })
    }

    /// Watches an image no longer.
    pub(super) fn forget(&mut self, image: Token) {
        let queue = &self.queue;
        self.images.retain(|watch, token| {
            if *token == image {
                // It is gone with the file system, or with its one event.
                let _gone = inotify::remove_watch(queue, *watch);
            }
            *token != image
        });
    }

    /// Waits for changes, but not past `until`.
    pub(super) fn wait(&mut self, until: Option<Instant>) -> Result<Changes> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&self.queue, PollFlags::IN)], left.as_ref()) {
            Err(Errno::INTR) => {}
            other => drop(other.tried(|| "cannot wait for changes")?),
        }
        self.read()
    }

    fn read(&mut self) -> Result<Changes> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(&self.queue, &mut buffer);
        let mut changes = Changes::default();
        loop {
            let event = match reader.next() {
                Err(Errno::AGAIN) => return Ok(changes),
                Err(Errno::INTR) => continue,
                other => other.tried(|| "cannot read from inotify")?,
            };
            let (watch, flags) = (event.wd(), event.events());
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.records = true;
                changes.images.extend(self.images.values());
            } else if Some(watch) == self.records {
                changes.records = true;
                if flags.contains(ReadFlags::IGNORED) {
                    self.records = None;
                }
            } else if let Some(image) = self.images.get(&watch) {
                changes.images.push(*image);
                if flags.contains(ReadFlags::IGNORED) {
                    self.images.remove(&watch);
                }
            }
        }
    }
}
