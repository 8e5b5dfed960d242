//! The place behind a log, also when another program removes, moves or empties it: who follows it misses nothing, and gets
//! nothing twice.

use crate::control::output::place::Place;

/// The files of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Files {
    /// The number of the file that is written to.
    pub(crate) inode: u64,
    /// How many bytes it has.
    pub(crate) length: u64,
    /// How many bytes the older one has.
    pub(crate) older: u64,
}

/// How the last write left a log, if that is known.
#[derive(Debug, Default)]
pub(crate) struct LogEnd(Option<Left>);

#[derive(Debug)]
struct Left {
    files: Files,
    /// The place behind it.
    end: u64,
    /// Whether it ended with a line.
    ends_line: bool,
}

impl LogEnd {
    /// The place of what is written next to these files. Where another program has taken something away, the place of the first
    /// byte moves on by as much.
    pub(crate) fn find(&self, now: Files, place: &Place) -> u64 {
        let is_there = |left: Files| left.inode == now.inode && left.length <= now.length;
        match &self.0 {
            Some(Left { files, end, .. }) if is_there(*files) && files.older == now.older => {
                end + (now.length - files.length)
            }
            Some(Left { end, ends_line, .. }) => {
                let begin = end.saturating_sub(now.older.saturating_add(now.length));
                // What cannot be written down is found out again by the next write, or not at all.
                let _unknown = place.lock().and_then(|place| {
                    if now.older + now.length == 0 {
                        place.note_line(*ends_line)?;
                    }
                    place.set(begin.max(place.read()))
                });
                *end
            }
            None => {
                let begin = place.lock().map_or(0, |place| place.read());
                begin.saturating_add(now.older).saturating_add(now.length)
            }
        }
    }

    /// So many bytes that came are not written.
    pub(crate) fn skip(&mut self, bytes: u64) {
        if let Some(left) = &mut self.0 {
            left.end += bytes;
        }
    }

    /// This is how a write has left the files, the place behind it, and whether it ended with a line.
    pub(crate) fn leave(&mut self, files: Files, end: u64, ends_line: bool) {
        self.0 = Some(Left { files, end, ends_line });
    }

    /// The files were changed here, and the place of the first byte with them.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}
