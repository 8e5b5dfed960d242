//! The readers of all containers' output, in one process.

use std::path::Path;

use crate::control::output::bounded_log::LogTarget;
use crate::control::output::reader::{OutputReader, Progress, Until};
use crate::control::output::terminal::Terminal;

/// How many turns the output of a container that has ended gets at once. A process that outlived it may go on writing.
pub(crate) const LAST_TURNS: u32 = 8;

/// With this many readers, one of a container that has ended makes room for a new one.
const MAX_READERS: usize = 1100;

/// All readers.
#[derive(Debug, Default)]
pub(crate) struct Readers(Vec<OutputReader>);

impl Readers {
    /// Reads the output of the container that has this directory from now on, unless another reader does or there is
    /// nothing to come; whether this one does.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn add(&mut self, dir: &Path, target: LogTarget, until: Until) -> std::io::Result<bool> {
        let Some(mut reader) = OutputReader::open(dir, target, until)? else { return Ok(false) };
        // The kernel reports the end of a pipe only to those who were there before it.
        if reader.read() == Progress::Ended {
            return Ok(false);
        }
        self.push(reader);
        Ok(true)
    }

    /// Reads the terminal of the container that has this directory from now on.
    pub(crate) fn add_terminal(&mut self, dir: &Path, terminal: Terminal, target: Option<LogTarget>) {
        self.push(OutputReader::of_terminal(dir, terminal, target));
    }

    fn push(&mut self, reader: OutputReader) {
        // Processes that outlived their containers may hold many for ever.
        if self.0.len() >= MAX_READERS
            && let Some(at) = self.0.iter().position(OutputReader::is_released)
        {
            self.0.remove(at);
        }
        self.0.push(reader);
    }

    /// The terminal of the container that has this directory: the last one, since an earlier run may have left another.
    pub(crate) fn terminal(&self, dir: &Path) -> Option<&Terminal> {
        self.0.iter().rev().filter(|reader| reader.dir() == dir).find_map(OutputReader::terminal)
    }

    /// Whether there is a terminal that no program has open at the moment: it is looked at now and then.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.0.iter().any(OutputReader::is_hung_up)
    }

    /// In the order of their addition.
    pub(crate) fn all(&self) -> &[OutputReader] {
        &self.0
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives a turn to those that have something to read, by their places, and forgets those that have ended.
    pub(crate) fn read(&mut self, is_ready: impl Fn(usize) -> bool) {
        let mut at = 0;
        self.0.retain_mut(|reader| {
            at += 1;
            !(is_ready(at - 1) || reader.is_hung_up()) || reader.read() != Progress::Ended
        });
    }

    /// Gives a turn to a container's; how far it got.
    pub(crate) fn read_of(&mut self, dir: &Path) -> Progress {
        self.of(dir).map(OutputReader::read).last().unwrap_or(Progress::Ended)
    }

    /// A container has ended: what it wrote is in its log then. What a process writes that outlived it is read until that
    /// has ended as well.
    pub(crate) fn finish(&mut self, dir: &Path) {
        for _ in 0..LAST_TURNS {
            if self.read_of(dir) != Progress::More {
                break;
            }
        }
        let is_over = |reader: &mut OutputReader| {
            reader.dir() == dir && (reader.release().is_err() || reader.read() == Progress::Ended)
        };
        self.0.retain_mut(|reader| !is_over(reader));
    }

    fn of(&mut self, dir: &Path) -> impl Iterator<Item = &mut OutputReader> {
        self.0.iter_mut().filter(move |reader| reader.dir() == dir)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::control::output::bounded_log::Bound;
    use crate::control::output::reader;

    #[test]
    fn a_pipe_has_one_reader_and_ends_with_the_last_writer_once_the_container_has() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        let target = LogTarget { path: log.clone(), bound: Bound::Unlimited };
        let mut container = std::fs::File::from(reader::create(dir.path()).unwrap());
        let (mut readers, mut others) = (Readers::default(), Readers::default());
        assert!(readers.add(dir.path(), target.clone(), Until::Released).unwrap());
        assert!(!readers.add(dir.path(), target.clone(), Until::Released).unwrap());
        assert!(!others.add(dir.path(), target.clone(), Until::LastWriter).unwrap());
        container.write_all(b"one").unwrap();
        readers.read(|_| true);
        let mut child = container.try_clone().unwrap();
        drop(container);
        readers.read(|_| true);
        assert_eq!(readers.all().len(), 1, "it does not end while the container runs");
        child.write_all(b" two").unwrap();
        readers.finish(dir.path());
        assert_eq!(std::fs::read(&log).unwrap(), b"one two");
        child.write_all(b" three").unwrap();
        readers.read(|_| true);
        drop(child);
        assert!(!readers.is_empty());
        readers.read(|_| true);
        assert!(readers.is_empty());
        assert_eq!(std::fs::read(&log).unwrap(), b"one two three");
        // A process that was killed has left the pipe to the next.
        let container = reader::writer(dir.path()).unwrap();
        assert!(others.add(dir.path(), target.clone(), Until::LastWriter).unwrap());
        others.read(|_| true);
        assert!(!others.is_empty());
        drop(container);
        others.read(|_| true);
        assert!(others.is_empty());
        // It had ended before.
        assert!(!others.add(dir.path(), target, Until::LastWriter).unwrap());
        assert!(others.is_empty());
    }
}
