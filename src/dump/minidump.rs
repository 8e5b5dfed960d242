//! The minidump format: a header, a directory of streams, and what the streams point at.
//!
//! Sources: `minidumpapiset.h` of the Windows SDK, `minidump_format.h` of Breakpad. Nothing found in the file is
//! believed before a check: a place outside the file is an absent thing, never a failure, and every list and text has
//! a bound of ours.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::io::ErrorKind::Interrupted;

use super::fields::{Fields, Order};
use super::records::Location;
use super::source::Source;
use super::streams::{List, Streams};
use crate::error::{Error, ErrorKind, Result, Tried};

/// The first four bytes of a minidump: a number, in the order of the machine that wrote it.
const SIGNATURES: [([u8; 4], Order); 2] = [(*b"MDMP", Order::Little), (*b"PMDM", Order::Big)];
/// The lower half of the header's version; the upper one is the writer's own.
const VERSION: u32 = 0xa793;
const HEADER: usize = 32;
const DIRECTORY_ENTRY: usize = 12;
/// Breakpad writes 13 streams, others up to 30.
const MAX_STREAMS: u32 = 512;
/// More threads, modules or pieces of memory than any real dump has.
const MAX_RECORDS: u32 = 16_384;

/// Whether a file that begins with `first_bytes` claims to be a minidump.
#[must_use]
pub fn is_minidump(first_bytes: &[u8]) -> bool {
    order(first_bytes).is_some()
}

/// The order of the bytes in a minidump that begins with `first_bytes`; `None` if it is none.
fn order(first_bytes: &[u8]) -> Option<Order> {
    let found = SIGNATURES.iter().find(|(signature, _)| first_bytes.starts_with(signature));
    found.map(|(_, order)| *order)
}

/// An open minidump. Opening reads the header and the directory, nothing else.
#[derive(Debug)]
pub struct Minidump<'s, S: ?Sized> {
    source: &'s S,
    size: u64,
    /// The order of its bytes.
    pub order: Order,
    /// When the dump was written, in seconds since 1970; 0 if the header does not say.
    pub time: u32,
    /// What it holds.
    pub streams: Streams,
    /// The first thing that is wrong with the header or the directory.
    pub fault: Option<String>,
}

impl<'s, S: Source + ?Sized> Minidump<'s, S> {
    /// Opens the dump in `source`. A damaged or cut one opens too, with a [`fault`](Self::fault).
    ///
    /// # Errors
    /// `Input` if it does not begin as a minidump; the operating system's error if it cannot be read.
    pub fn open(source: &'s S) -> Result<Self> {
        let size = source.size().tried(|| "cannot find out the size of the dump")?;
        let streams = Streams::default();
        let mut dump = Self { source, size, order: Order::Little, time: 0, streams, fault: None };
        let mut header = [0; HEADER];
        let got = dump.read(0, &mut header)?;
        dump.order = order(header.get(..got).unwrap_or_default()).ok_or_else(|| {
            Error::new(ErrorKind::Input, "not a minidump: it does not begin with MDMP or PMDM")
        })?;
        if got == HEADER {
            dump.read_directory(&header)?;
        } else {
            dump.fault = Some(format!("it ends inside the header, after {size} bytes"));
        }
        Ok(dump)
    }

    fn read_directory(&mut self, header: &[u8; HEADER]) -> Result<()> {
        let mut fields = Fields::new(header, self.order).skip(4);
        let version = fields.u32() & 0xffff;
        if version != VERSION {
            self.fault = Some(format!("the header has format version {version:#x} instead of {VERSION:#x}"));
            return Ok(());
        }
        let (count, offset) = (fields.u32(), u64::from(fields.u32()));
        self.time = fields.skip(4).u32();
        if count == 0 || count > MAX_STREAMS {
            self.fault = Some(format!("the header promises {count} streams"));
            return Ok(());
        }
        let mut streams = Streams::default();
        let mut outside = None;
        let seen = self.each_record(offset, count, |entry: &[u8; DIRECTORY_ENTRY]| {
            let mut fields = Fields::new(entry, self.order);
            let kind = fields.u32();
            let location = Location::take(&mut fields);
            if kind != 0 && !location.is_within(self.size) {
                outside.get_or_insert((kind, location));
            }
            streams.add(kind, location);
            Ok(())
        })?;
        self.streams = streams;
        if seen < count {
            self.fault = Some(format!("it ends inside the directory, after {seen} of {count} entries"));
        } else if let Some((kind, location)) = outside {
            self.fault = Some(self.beyond(&format!("stream {kind:#x}"), location));
        }
        Ok(())
    }

    /// The words for something that is not all there.
    pub(super) fn beyond(&self, what: &str, location: Location) -> String {
        let Location { offset, size } = location;
        format!("{what}: {size} bytes at offset {offset}, but the file ends at {}", self.size)
    }

    /// Whether all of `location` is in the file.
    #[must_use]
    pub fn holds(&self, location: Location) -> bool {
        location.is_within(self.size)
    }

    /// Reads at `offset` as much of `buffer` as there is.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = u64::try_from(done).ok().and_then(|done| offset.checked_add(done));
            // A file offset is signed; beyond that there is nothing to read.
            let Some(at) = at.filter(|at| i64::try_from(*at).is_ok()) else { break };
            match self.source.read_at(at, rest) {
                Ok(0) => break,
                Ok(more) => done = done.saturating_add(more),
                Err(error) if error.kind() == Interrupted => {}
                Err(error) => return Err(error).tried(|| format!("cannot read the dump at offset {at}")),
            }
        }
        Ok(done)
    }

    /// Fills `buffer` from `offset`; false if the file ends before.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<bool> {
        Ok(self.read(offset, buffer)? == buffer.len())
    }

    /// A record of `N` bytes, if it is all there.
    pub(super) fn record<const N: usize>(&self, location: Option<Location>) -> Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        let Some(location) = location.filter(|location| usize::try_from(location.size).is_ok_and(|s| s >= N))
        else {
            return Ok(None);
        };
        Ok(self.fill(location.offset, &mut bytes)?.then_some(bytes))
    }

    /// Calls `each` with up to `count` records from `offset` on; returns how many there were.
    fn each_record<const N: usize>(
        &self,
        offset: u64,
        count: u32,
        mut each: impl FnMut(&[u8; N]) -> Result<()>,
    ) -> Result<u32> {
        let mut block = [[0; N]; 32];
        let (mut seen, mut at) = (0_u32, offset);
        while seen < count {
            let wanted = usize::try_from(count.saturating_sub(seen)).unwrap_or(block.len()).min(block.len());
            let got = self.read(at, block.get_mut(..wanted).unwrap_or_default().as_flattened_mut())?;
            at = at.saturating_add(u64::try_from(got).unwrap_or_default());
            let whole = got.checked_div(N).unwrap_or_default();
            for record in block.iter().take(whole) {
                each(record)?;
                seen = seen.saturating_add(1);
            }
            if whole < wanted {
                break;
            }
        }
        Ok(seen)
    }

    /// Calls `each` with every record of a list stream. Returns how many the list promises, and whether all were there.
    pub(super) fn each_in_list<const N: usize>(
        &self,
        list: Option<Location>,
        each: impl FnMut(&[u8; N]) -> Result<()>,
    ) -> Result<List> {
        let (Some(list), Some(count)) = (list, self.record(list)?) else {
            return Ok(List { promised: 0, whole: list.is_none() });
        };
        let promised = self.order.u32(count);
        let needed = u64::try_from(N).unwrap_or_default().saturating_mul(u64::from(promised));
        // Some writers align the records to 8 bytes.
        let padding = if needed.checked_add(8) == Some(list.size) { 8 } else { 4 };
        let fits = needed.saturating_add(padding) <= list.size && promised <= MAX_RECORDS;
        if !fits {
            return Ok(List { promised, whole: false });
        }
        let seen = self.each_record(list.offset.saturating_add(padding), promised, each)?;
        Ok(List { promised, whole: seen == promised })
    }
}
