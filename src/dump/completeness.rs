//! Whether a minidump is whole. One that was cut (its file system ran full, the writer was killed) still begins with
//! `MDMP`, so that it takes a look at everything it points at.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use super::minidump::Minidump;
use super::records::{Location, SystemInfo};
use super::source::Source;
use super::streams::List;
use crate::error::Result;

/// Whether everything a minidump promises is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// All of it.
    Complete,
    /// Something is missing; the text says what comes first.
    Truncated(String),
}

impl Completeness {
    /// What is missing, if anything.
    #[must_use]
    pub fn reason(self) -> Option<String> {
        match self {
            Self::Complete => None,
            Self::Truncated(reason) => Some(reason),
        }
    }
}

/// Whether the minidump in `source` is whole.
///
/// # Errors
/// `Input` if it is no minidump; the operating system's error if it cannot be read.
pub fn completeness<S: Source + ?Sized>(source: &S) -> Result<Completeness> {
    of(&Minidump::open(source)?)
}

/// Whether the open `dump` is whole.
///
/// # Errors
/// The operating system's error if the file cannot be read.
pub fn of<S: Source + ?Sized>(dump: &Minidump<'_, S>) -> Result<Completeness> {
    let mut check = Check { dump, missing: dump.fault.clone() };
    check.streams()?;
    check.threads()?;
    check.modules()?;
    check.memory()?;
    Ok(check.missing.map_or(Completeness::Complete, Completeness::Truncated))
}

/// The look through a dump; keeps the first thing that is missing.
struct Check<'d, 's, S: ?Sized> {
    dump: &'d Minidump<'s, S>,
    missing: Option<String>,
}

impl<S: Source + ?Sized> Check<'_, '_, S> {
    fn miss(&mut self, reason: impl FnOnce() -> String) {
        self.missing.get_or_insert_with(reason);
    }

    fn location(&mut self, what: &str, location: Location) {
        if !self.dump.holds(location) {
            self.miss(|| self.dump.beyond(what, location));
        }
    }

    /// A text that a record at hand points to. Offset 0 means that there is none.
    fn text(&mut self, what: &str, offset: u64) -> Result<()> {
        if offset == 0 {
            return Ok(());
        }
        match self.dump.text_location(offset)? {
            Some(location) => self.location(what, location),
            None => self.location(what, Location { offset, size: 4 }),
        }
        Ok(())
    }

    fn list(&mut self, what: &str, list: List) {
        if !list.whole {
            self.miss(|| format!("not all of the {} {what} are there", list.promised));
        }
    }

    /// Writers fill in a directory entry after its stream: what is still empty was never written. A single one may be:
    /// Breakpad leaves out what the container does not have, such as /etc/lsb-release.
    fn streams(&mut self) -> Result<()> {
        let streams = self.dump.streams;
        let system = self.dump.system()?;
        let unused = streams.unused;
        if streams.system.is_some() && system.is_none() {
            self.miss(|| "the system information is cut".to_owned());
        }
        if streams.exception.is_some() && self.dump.exception()?.is_none() {
            self.miss(|| "the exception is cut".to_owned());
        }
        if system.is_none() {
            self.miss(|| {
                format!("no system information ({unused} of the promised streams were never written)")
            });
        }
        if streams.exception.is_none() && unused > 0 {
            self.miss(|| format!("no exception ({unused} of the promised streams were never written)"));
        }
        if streams.unused_at_end > 1 && system.as_ref().is_some_and(SystemInfo::is_linux) {
            self.miss(|| format!("the last {} streams were never written", streams.unused_at_end));
        }
        if let Some(exception) = self.dump.exception()? {
            self.location("the crashed thread's registers", exception.context);
        }
        self.text("the name of the system", system.map_or(0, |system| system.version))
    }

    fn threads(&mut self) -> Result<()> {
        let dump = self.dump;
        let threads = dump.threads(|thread| {
            self.location("a thread's stack", thread.stack);
            self.location("a thread's registers", thread.context);
            Ok(())
        })?;
        self.list("threads", threads);
        let names = dump.thread_names(|thread| self.text("a thread's name", thread.name))?;
        self.list("thread names", names);
        Ok(())
    }

    fn modules(&mut self) -> Result<()> {
        let modules = self.dump.modules(|module| {
            self.location("a module's build id", module.codeview);
            self.location("a module's debug data", module.misc);
            self.text("a module's name", module.name)
        })?;
        self.list("modules", modules);
        Ok(())
    }

    fn memory(&mut self) -> Result<()> {
        let memory = self.dump.memory(|piece| {
            self.location("a piece of memory", piece);
            Ok(())
        })?;
        self.list("pieces of memory", memory);
        Ok(())
    }
}
