//! The directory of a minidump: which streams there are, and what a list stream turned out to hold.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use super::records::Location;

/// Where the streams are. When a type occurs twice, the first one counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streams {
    /// `ThreadListStream`: [`super::records::Thread`]s.
    pub threads: Option<Location>,
    /// `ModuleListStream`: [`super::records::Module`]s.
    pub modules: Option<Location>,
    /// `MemoryListStream`: saved pieces of memory.
    pub memory: Option<Location>,
    /// `Memory64ListStream`: all memory of the process, at the end of the file.
    pub full_memory: Option<Location>,
    /// `ExceptionStream`: one [`super::records::Exception`].
    pub exception: Option<Location>,
    /// `SystemInfoStream`: one [`super::records::SystemInfo`].
    pub system: Option<Location>,
    /// `ThreadNamesStream`: [`super::records::ThreadName`]s.
    pub names: Option<Location>,
    /// Breakpad's `MD_LINUX_PROC_STATUS`: /proc/PID/status of the thread that crashed.
    pub status: Option<Location>,
    /// Directory entries that were promised and hold nothing (type 0).
    pub unused: u32,
    /// How many of these come after the last entry that holds something.
    pub unused_at_end: u32,
}

impl Streams {
    pub(super) fn add(&mut self, kind: u32, location: Location) {
        let known = match kind {
            0 => {
                self.unused = self.unused.saturating_add(1);
                self.unused_at_end = self.unused_at_end.saturating_add(1);
                return;
            }
            3 => Some(&mut self.threads),
            4 => Some(&mut self.modules),
            5 => Some(&mut self.memory),
            6 => Some(&mut self.exception),
            7 => Some(&mut self.system),
            9 => Some(&mut self.full_memory),
            24 => Some(&mut self.names),
            0x4767_0004 => Some(&mut self.status),
            _ => None,
        };
        self.unused_at_end = 0;
        if let Some(stream) = known {
            stream.get_or_insert(location);
        }
    }
}

/// What was found of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// How many records the list promises; 0 if it is not there.
    pub promised: u32,
    /// Whether all of them were there. A list that the directory does not name is whole.
    pub whole: bool,
}

impl List {
    /// How many records there are, if the list is there and believable.
    #[must_use]
    pub fn count(self) -> Option<u32> {
        Some(self.promised).filter(|count| self.whole && *count > 0)
    }
}
