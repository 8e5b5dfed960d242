//! What a minidump holds, by type.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use super::build::Build;
use super::minidump::Minidump;
use super::records::{self, Exception, Location, Module, SystemInfo, Thread, ThreadName};
use super::source::Source;
use super::streams::List;
use crate::error::Result;

/// Bytes of a text that are read: a path of `PATH_MAX` characters.
const MAX_TEXT: usize = 8192;
/// Bytes of a build id that are read; GNU ones have 20.
const MAX_BUILD_ID: usize = 64;

impl<S: Source + ?Sized> Minidump<'_, S> {
    /// Calls `each` with every thread.
    ///
    /// # Errors
    /// Those of `each`, or the operating system's.
    pub fn threads(&self, mut each: impl FnMut(Thread) -> Result<()>) -> Result<List> {
        self.each_in_list(self.streams.threads, |bytes| each(Thread::parse(bytes, self.order)))
    }

    /// Calls `each` with every module; the program itself comes first.
    ///
    /// # Errors
    /// Those of `each`, or the operating system's.
    pub fn modules(&self, mut each: impl FnMut(Module) -> Result<()>) -> Result<List> {
        self.each_in_list(self.streams.modules, |bytes| each(Module::parse(bytes, self.order)))
    }

    /// Calls `each` with the name of every thread that has one.
    ///
    /// # Errors
    /// Those of `each`, or the operating system's.
    pub fn thread_names(&self, mut each: impl FnMut(ThreadName) -> Result<()>) -> Result<List> {
        self.each_in_list(self.streams.names, |bytes| each(ThreadName::parse(bytes, self.order)))
    }

    /// Calls `each` with every saved piece of memory.
    ///
    /// # Errors
    /// Those of `each`, or the operating system's.
    pub fn memory(&self, mut each: impl FnMut(Location) -> Result<()>) -> Result<List> {
        self.each_in_list(self.streams.memory, |bytes| each(records::memory(bytes, self.order)))
    }

    /// The crash, if there was one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn exception(&self) -> Result<Option<Exception>> {
        Ok(self.record(self.streams.exception)?.map(|bytes| Exception::parse(&bytes, self.order)))
    }

    /// The machine.
    ///
    /// # Errors
    /// The operating system's.
    pub fn system(&self) -> Result<Option<SystemInfo>> {
        Ok(self.record(self.streams.system)?.map(|bytes| SystemInfo::parse(&bytes, self.order)))
    }

    /// The instruction pointer in the registers at `context`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn instruction_pointer(&self, system: &SystemInfo, context: Location) -> Result<Option<u64>> {
        let Some(place) = system.cpu.instruction_pointer() else { return Ok(None) };
        if !place.is_within(context.size) {
            return Ok(None);
        }
        let place = Location { offset: context.offset.saturating_add(place.offset), size: place.size };
        match place.size {
            4 => Ok(self.record(Some(place))?.map(|bytes| u64::from(self.order.u32(bytes)))),
            _ => Ok(self.record(Some(place))?.map(|bytes| self.order.u64(bytes))),
        }
    }

    /// Where the text (`MINIDUMP_STRING`) at `offset` lies; `None` if it begins outside the file.
    ///
    /// # Errors
    /// The operating system's.
    pub fn text_location(&self, offset: u64) -> Result<Option<Location>> {
        let length: Option<[u8; 4]> = self.record(Some(Location { offset, size: 4 }))?;
        Ok(length
            .map(|length| self.order.u32(length))
            .map(|length| Location { offset: offset.saturating_add(4), size: u64::from(length) }))
    }

    /// The text at `offset`, cut where it is too long to be real.
    ///
    /// # Errors
    /// The operating system's.
    pub fn text(&self, offset: u64) -> Result<Option<String>> {
        let Some(location) = self.text_location(offset)?.filter(|location| self.holds(*location)) else {
            return Ok(None);
        };
        let bytes = self.bytes::<MAX_TEXT>(location)?;
        let units = bytes.as_chunks().0.iter().map(|unit| self.order.u16(*unit));
        let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(Some(text.take_while(|c| *c != '\0').collect()))
    }

    /// The first bytes of `location`, at most `MAX`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bytes<const MAX: usize>(&self, location: Location) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(location.size).unwrap_or(MAX).min(MAX)];
        let got = self.read(location.offset, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// What identifies the build of a module.
    ///
    /// # Errors
    /// The operating system's.
    pub fn build(&self, module: &Module) -> Result<Option<Build>> {
        let record = self.bytes::<{ MAX_BUILD_ID + 4 }>(module.codeview)?;
        Ok(Build::parse(&record, self.order))
    }
}
