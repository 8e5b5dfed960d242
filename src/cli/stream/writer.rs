//! The user's output, written by a thread of its own: a reader that stops must not keep us from the daemon.

use std::borrow::Cow;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::cli::term;
use crate::error::{Result, Tried};

/// What the thread says.
#[derive(Debug, Default)]
struct Said {
    written: AtomicUsize,
    broken: AtomicBool,
}

/// One output.
#[derive(Debug)]
pub(crate) struct Writer {
    parts: Option<Sender<(Vec<u8>, bool)>>,
    said: Arc<Said>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Begins to write to `to`; `wake` gets a byte whenever something was written.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn start(to: impl AsFd, wake: &OwnedFd) -> Result<Self> {
        let what = || "cannot set up the output";
        let (to, wake) = (to.as_fd().try_clone_to_owned().tried(what)?, wake.try_clone().tried(what)?);
        let (parts, receiver) = channel();
        let said = Arc::new(Said::default());
        let theirs = Arc::clone(&said);
        let work = move || write_all(&to, &receiver, &theirs, &wake);
        let thread = std::thread::Builder::new().spawn(work).tried(what)?;
        Ok(Self { parts: Some(parts), said, thread: Some(thread) })
    }

    /// Has a part written after the others, with its control characters escaped or as they are.
    pub(crate) fn write(&self, part: Vec<u8>, is_tamed: bool) {
        if let Some(parts) = &self.parts {
            // It has ended because the output is closed, which it says.
            let _closed = parts.send((part, is_tamed));
        }
    }

    /// How much was written since this was asked last.
    pub(crate) fn written(&self) -> usize {
        self.said.written.swap(0, Ordering::AcqRel)
    }

    /// Whether nothing more can be written.
    pub(crate) fn is_broken(&self) -> bool {
        self.said.broken.load(Ordering::Acquire)
    }

    /// Waits until all is written.
    pub(crate) fn finish(mut self) {
        self.parts = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ended = thread.join();
        }
    }
}

fn write_all(to: &OwnedFd, parts: &Receiver<(Vec<u8>, bool)>, said: &Said, wake: &OwnedFd) {
    for (part, is_tamed) in parts {
        let shown = if is_tamed { Cow::Owned(term::tame(&part).into_bytes()) } else { Cow::Borrowed(&*part) };
        if !said.broken.load(Ordering::Acquire) && write_part(to, &shown).is_err() {
            said.broken.store(true, Ordering::Release);
        }
        // What cannot be written any more is dropped: the other output goes on.
        said.written.fetch_add(part.len(), Ordering::AcqRel);
        // A full pipe wakes just as well.
        let _full = rustix::io::write(wake, &[0]);
    }
}

fn write_part(to: &OwnedFd, part: &[u8]) -> rustix::io::Result<()> {
    let mut rest = part;
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Another program has set the output up that way.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(to, PollFlags::OUT)], None)?),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
