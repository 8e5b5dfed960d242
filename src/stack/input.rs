//! A dump in memory, for a reader that believes more than ours does.
//!
//! `minidump` reads lists and names as long as the file lets them be, and several records may share the bytes of one
//! name: a small file could cost any amount of memory. So our own reader looks at them first.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::memory::FullMemory;
use crate::dump::Source;
use crate::dump::minidump::Minidump;
use crate::dump::records::Location;
use crate::dump::show::info::open;
use crate::dump::streams::List;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The most bytes of a dump that are read; memory at the end of one that has all of the process does not count. Breakpad's dumps
/// have 10 KB for a thread, and those of the kernel's handler 1 MB.
pub const MAX_SIZE: u64 = 64 << 20;
/// The most threads, modules or pieces of memory that a dump may list.
const MAX_RECORDS: u32 = 8192;
/// The most bytes of a name; two for a character.
const MAX_NAME: u64 = 8192;
/// The most bytes of what identifies a module's build.
const MAX_CODEVIEW: u64 = 2048;
/// Stream types: threads, modules, memory, names of threads.
const THREADS: u32 = 3;
const MODULES: u32 = 4;
const MEMORY: u32 = 5;
const NAMES: u32 = 24;

/// A dump of which all is in memory but, perhaps, the memory of the process.
#[derive(Debug)]
pub struct Input {
    /// What is in memory: the file, or what precedes the memory of the process in it.
    pub bytes: Vec<u8>,
    /// The file.
    pub file: File,
}

/// Reads the dump at `path` without hanging on a FIFO that lies there in its place.
///
/// # Errors
/// `Input` when it is not a regular file, or too large; the operating system's error when it cannot be read.
pub fn read(path: &Path) -> Result<Input> {
    let file = open(path)?;
    let what = || format!("cannot read {}", path.display());
    let mut wanted = file.size().tried(what)?;
    if wanted > MAX_SIZE {
        let memory = Minidump::open(&file).and_then(|dump| FullMemory::read(&dump));
        wanted = memory.ok().flatten().map_or(wanted, |memory| memory.offset.min(wanted));
    }
    if wanted > MAX_SIZE {
        let what = format!("{} has more than {} MiB", path.display(), MAX_SIZE >> 20);
        return Err(Error::new(ErrorKind::Input, what).advise("walk its stacks on a larger machine"));
    }
    let mut bytes = Vec::new();
    (&file).take(wanted).read_to_end(&mut bytes).tried(what)?;
    Ok(Input { bytes, file })
}

/// The dump in `bytes`, once its lists and names are known to be of a believable size.
///
/// # Errors
/// `Input` when they are not, or when it is not a minidump with threads.
pub fn parse(bytes: &[u8]) -> Result<minidump::Minidump<'_, &[u8]>> {
    let ours = Minidump::open(bytes)?;
    let streams = &ours.streams;
    if streams.threads.is_none() || streams.system.is_none() {
        let reason = ours.fault.clone().unwrap_or_else(|| "it lists no threads, or no system".to_owned());
        return Err(refused(&format!("the dump has no stacks: {reason}")));
    }
    let small = |offset: u64| -> Result<bool> {
        Ok(ours.text_location(offset)?.is_none_or(|location| location.size <= MAX_NAME))
    };
    let mut believable = small_list(ours.threads(|_| Ok(()))?) && small_list(ours.memory(|_| Ok(()))?);
    let modules = ours.modules(|module| {
        believable &= small(module.name)? && module.codeview.size <= MAX_CODEVIEW;
        Ok(())
    })?;
    let names = ours.thread_names(|thread| {
        believable &= small(thread.name)?;
        Ok(())
    })?;
    if !believable || !small_list(modules) || !small_list(names) {
        return Err(refused("the dump's lists or names are larger than those of any real dump"));
    }
    let dump = minidump::Minidump::read(bytes)
        .map_err(|error| refused("the dump cannot be read").caused_by(error))?;
    let looked_at = [
        (THREADS, streams.threads),
        (MODULES, streams.modules),
        (MEMORY, streams.memory),
        (NAMES, streams.names),
    ];
    for (kind, location) in looked_at {
        if !is_same(&dump, bytes, kind, location) {
            return Err(refused(&format!("the dump has several streams of type {kind}")));
        }
    }
    Ok(dump)
}

fn small_list(list: List) -> bool {
    list.promised <= MAX_RECORDS
}

/// Whether the other reader takes the stream that ours has looked at.
fn is_same(dump: &minidump::Minidump<'_, &[u8]>, bytes: &[u8], kind: u32, ours: Option<Location>) -> bool {
    let Ok(stream) = dump.get_raw_stream(kind) else { return true };
    let place = (stream.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize);
    ours.is_some_and(|ours| {
        place.is_some_and(|place| place as u64 == ours.offset) && stream.len() as u64 == ours.size
    })
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Input, what)
}
