//! The frames of each thread.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use minidump::format::MINIDUMP_MEMORY_DESCRIPTOR64;
use minidump::{
    Minidump, MinidumpException, MinidumpMemoryBase, MinidumpMemoryList, MinidumpModuleList,
    MinidumpSystemInfo, MinidumpThread, MinidumpThreadList, MinidumpThreadNames, Module, UnifiedMemory,
    UnifiedMemoryList,
};
use minidump_unwind::{CallStack, FrameTrust, StackFrame, SystemInfo, walk_stack};
use serde::Serialize;

use super::input;
use super::memory::FullMemory;
use super::symbols::{Provider, Symbols};
use crate::dump::Source;
use crate::dump::minidump as ours;
use crate::dump::show::report::Hex;
use crate::error::{Error, ErrorKind, Result};
use crate::process::caught;

/// The most threads whose stacks are walked; the one that crashed is among them.
pub const MAX_THREADS: usize = 256;
/// The most frames that are kept of a thread.
pub const MAX_FRAMES: usize = 256;
/// The part of a stack that is walked, in bytes from its pointer on: what bounds the memory that a walk takes.
const WINDOW: u64 = 256 << 10;
/// What may lie below the stack pointer and still be in use.
const RED_ZONE: u64 = 4096;
/// The most frames of all threads together; more is a dump that was made to take long.
const MAX_ALL_FRAMES: usize = 65_536;

/// One call on a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// The instruction: for a caller, one inside of its call.
    pub address: Hex,
    /// The file name of the module, if it lies in one.
    pub module: Option<String>,
    /// How far into the module.
    pub offset: Option<Hex>,
    /// The function, as the symbols name it.
    pub function: Option<String>,
    /// How far into the function.
    pub function_offset: Option<Hex>,
    /// The source file, as the symbols name it.
    pub source: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// How the frame was found: `context` (the registers), `cfi` (of a symbol file), `cfi_elf` (of an ELF file),
    /// `frame_pointer`, `cfi_scan` or `scan` (a value on the stack that looks like a return address: may be wrong).
    pub found_by: &'static str,
}

impl Frame {
    /// Whether it follows from the frame before, and was not found by looking for likely values.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !self.found_by.ends_with("scan")
    }

    /// A frame of the walker, with its line if the walker has none; `elf` says whether an ELF file has led to it.
    fn new(frame: &StackFrame, elf: bool, symbols: &Provider) -> Self {
        let offset_from = |base: u64| frame.instruction.checked_sub(base).map(Hex);
        let module = frame.module.as_ref();
        let line = module
            .filter(|_| frame.source_file_name.is_none())
            .and_then(|module| symbols.line(module, frame.instruction));
        let (source, number) = line.unzip();
        Self {
            address: Hex(frame.instruction),
            module: module.map(|module| file_name(&module.code_file())),
            offset: module.and_then(|module| offset_from(module.base_address())),
            function: frame.function_name.clone(),
            function_offset: frame.function_base.and_then(offset_from),
            source: frame.source_file_name.clone().or(source),
            line: frame.source_line.or(number),
            found_by: if elf { "cfi_elf" } else { frame.trust.as_str() },
        }
    }
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The stack of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Its id, as the container sees it.
    pub id: u32,
    /// Its name.
    pub name: Option<String>,
    /// Whether it is the one that crashed.
    pub crashed: bool,
    /// Its calls, the innermost first; none when the dump has not its registers.
    pub frames: Vec<Frame>,
    /// Whether there are more calls than are kept.
    pub cut: bool,
}

/// Which stacks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those of all threads.
    All,
    /// That of the thread that crashed.
    Crashed,
}

/// The stacks of all threads, that of the one that crashed first; at most [`MAX_THREADS`].
///
/// # Errors
/// `Input` when `bytes` are not a dump with stacks, or one that was made to harm its reader.
pub fn walk(bytes: &[u8], symbols: &Symbols) -> Result<Vec<Thread>> {
    walk_in(bytes, &bytes, Which::All, symbols)
}

/// Those that are wanted of a dump in `source`, of which `bytes` are what precedes the memory of the process.
///
/// # Errors
/// As [`walk`].
pub fn walk_in(bytes: &[u8], source: &dyn Source, which: Which, symbols: &Symbols) -> Result<Vec<Thread>> {
    let dump = input::parse(bytes)?;
    let walked = caught(|| Walk::new((&dump, bytes), source, symbols).map(|walk| walk.threads(which)));
    walked.unwrap_or_else(|| {
        Err(Error::new(ErrorKind::Input, "the dump is damaged: its stacks cannot be walked"))
    })
}

/// A dump that is being walked.
struct Walk<'d> {
    dump: &'d Minidump<'d, &'d [u8]>,
    threads: MinidumpThreadList<'d>,
    names: MinidumpThreadNames,
    memory: UnifiedMemoryList<'d>,
    full_memory: FullMemory,
    source: &'d dyn Source,
    modules: MinidumpModuleList,
    exception: Option<MinidumpException<'d>>,
    raw_system: MinidumpSystemInfo,
    system: SystemInfo,
    symbols: Provider,
}

impl<'d> Walk<'d> {
    fn new(
        (dump, bytes): (&'d Minidump<'d, &'d [u8]>, &'d [u8]),
        source: &'d dyn Source,
        symbols: &Symbols,
    ) -> Result<Self> {
        let missing = |error| Error::new(ErrorKind::Input, "the dump has no stacks").caused_by(error);
        let raw_system = dump.get_stream::<MinidumpSystemInfo>().map_err(missing)?;
        let system = SystemInfo {
            os: raw_system.os,
            os_version: None,
            os_build: None,
            cpu: raw_system.cpu,
            cpu_info: None,
            cpu_microcode_version: None,
            cpu_count: 1,
        };
        Ok(Self {
            threads: dump.get_stream().map_err(missing)?,
            names: dump.get_stream().unwrap_or_default(),
            memory: UnifiedMemoryList::Memory(
                dump.get_stream::<MinidumpMemoryList<'_>>().unwrap_or_default(),
            ),
            full_memory: FullMemory::read(&ours::Minidump::open(bytes)?)?.unwrap_or_default(),
            source,
            dump,
            modules: dump.get_stream().unwrap_or_default(),
            exception: dump.get_stream().ok(),
            raw_system,
            system,
            symbols: Provider::new(symbols),
        })
    }

    fn threads(&self, which: Which) -> Vec<Thread> {
        let crashed = self.exception.as_ref().map(MinidumpException::get_crashing_thread_id);
        let (mut first, others): (Vec<_>, Vec<_>) =
            self.threads.threads.iter().partition(|thread| Some(thread.raw.thread_id) == crashed);
        // Several threads with the id of the crash are one too many.
        first.truncate(1);
        let mut left = MAX_ALL_FRAMES;
        let mut stacks = Vec::new();
        let others = others.into_iter().filter(|_| which == Which::All);
        for thread in first.into_iter().chain(others).take(MAX_THREADS) {
            let id = thread.raw.thread_id;
            let frames = if left == 0 { Vec::new() } else { self.frames(thread, crashed == Some(id)) };
            left = left.saturating_sub(frames.len());
            stacks.push(Thread {
                id,
                name: self.names.get_name(id).map(std::borrow::Cow::into_owned),
                crashed: crashed == Some(id),
                cut: frames.len() > MAX_FRAMES,
                frames: self.kept(&frames),
            });
        }
        stacks
    }

    /// What is kept of the calls of a thread that was just walked.
    fn kept(&self, frames: &[StackFrame]) -> Vec<Frame> {
        let steps = self.symbols.take_steps();
        let callees = std::iter::once(None).chain(frames.iter().map(Some));
        let is_elf = |frame: &StackFrame, callee: Option<&StackFrame>| {
            let led = callee.is_some_and(|callee| steps.contains(&callee.instruction));
            led && frame.trust == FrameTrust::CallFrameInfo
        };
        let kept = frames.iter().zip(callees).take(MAX_FRAMES);
        kept.map(|(frame, callee)| Frame::new(frame, is_elf(frame, callee), &self.symbols)).collect()
    }

    /// The calls of a thread. Of the one that crashed, the registers at the crash count, not those in its signal handler.
    fn frames(&self, thread: &MinidumpThread<'d>, crashed: bool) -> Vec<StackFrame> {
        let at_crash = self.exception.as_ref().filter(|_| crashed);
        let at_crash = at_crash.and_then(|exception| exception.context(&self.raw_system, None));
        let Some(context) = at_crash.or_else(|| thread.context(&self.raw_system, None)) else {
            return Vec::new();
        };
        let pointer = context.get_stack_pointer();
        let mut stack = CallStack::with_context(context.into_owned());
        match self.stack_memory(thread, pointer) {
            Some(UnifiedMemory::Memory(memory)) => {
                let window = window(memory, pointer);
                self.walk(&mut stack, Some(UnifiedMemory::Memory(&window)));
            }
            _ => self.walk_full(&mut stack, pointer),
        }
        stack.frames
    }

    /// Walks a stack that only the memory of the whole process has, or none.
    fn walk_full(&self, stack: &mut CallStack, pointer: u64) {
        let Some((start, bytes)) = self.full_memory.around(self.source, pointer, (RED_ZONE, WINDOW)) else {
            return self.walk(stack, None);
        };
        let size = bytes.len() as u64;
        let window = MinidumpMemoryBase {
            desc: MINIDUMP_MEMORY_DESCRIPTOR64 { start_of_memory_range: start, data_size: size },
            base_address: start,
            size,
            bytes: &bytes,
            endian: self.dump.endian,
        };
        self.walk(stack, Some(UnifiedMemory::Memory64(&window)));
    }

    fn walk(&self, stack: &mut CallStack, memory: Option<UnifiedMemory<'_, '_>>) {
        let walked = walk_stack(0, (), stack, memory, &self.modules, &self.system, &self.symbols);
        // Nothing in it waits: symbols are read from files. If it did, the frames found until then are kept.
        let _: Poll<()> = pin!(walked).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// The saved memory around the stack pointer; a handler on a stack of its own has the thread's elsewhere.
    fn stack_memory<'w>(
        &'w self,
        thread: &'w MinidumpThread<'d>,
        pointer: u64,
    ) -> Option<UnifiedMemory<'w, 'd>> {
        let own = thread.stack_memory(&self.memory);
        let holds = own.as_ref().is_some_and(|memory| memory.get_memory_at_address::<u64>(pointer).is_some());
        if holds {
            return own;
        }
        let full = self.full_memory.holds(pointer);
        self.memory.memory_at_address(pointer).or(own.filter(|_| !full))
    }
}

/// The part of a stack from just below its pointer on.
fn window<'d, D: Copy>(memory: &MinidumpMemoryBase<'d, D>, pointer: u64) -> MinidumpMemoryBase<'d, D> {
    let inside = pointer.saturating_sub(RED_ZONE).saturating_sub(memory.base_address);
    let from = usize::try_from(inside).ok().filter(|from| *from < memory.bytes.len()).unwrap_or_default();
    let rest = memory.bytes.get(from..).unwrap_or_default();
    let length = rest.len().min(WINDOW as usize);
    MinidumpMemoryBase {
        desc: memory.desc,
        base_address: memory.base_address.saturating_add(from as u64),
        size: length as u64,
        bytes: rest.get(..length).unwrap_or_default(),
        endian: memory.endian,
    }
}
