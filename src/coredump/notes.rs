//! The notes of a core file: a thread's registers each, the signal, the process.
//!
//! Linux writes those of the crashed thread first, and each thread's other registers after its general ones
//! (`fs/binfmt_elf.c`, `write_note_info`).

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::io::Read;

use crate::coredump::elf::Machine;
use crate::coredump::registers::{self, Thread};
use crate::coredump::stream::Stream;
use crate::dump::Order;
use crate::dump::fields::Fields;
use crate::error::{Result, Tried};

/// The most threads that are kept; what is known of one takes at most 1.5 KB.
pub const MAX_THREADS: usize = 1024;
/// The most bytes of the note about mapped files that are kept: the kernel's own limit, unless it is raised.
const MAX_FILE_NOTE: usize = 4 << 20;
/// The most bytes of another note that are kept. Those about registers of vectors are larger, and not used.
const MAX_NOTE: usize = 4096;

/// `NT_PRSTATUS` and the others that are used: `linux/elf.h`.
mod kind {
    pub(super) const STATUS: u32 = 1;
    pub(super) const FLOAT: u32 = 2;
    pub(super) const PROCESS: u32 = 3;
    pub(super) const AUXV: u32 = 6;
    pub(super) const ARM_VFP: u32 = 0x400;
    pub(super) const FILES: u32 = 0x4649_4c45;
    pub(super) const SIGNAL: u32 = 0x5349_4749;
    pub(super) const X86_EXTENDED: u32 = 0x46e6_2b7f;
}

/// `siginfo_t`: why the process ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signal {
    /// The signal's number.
    pub number: u32,
    /// Its code (`si_code`).
    pub code: u32,
    /// `si_addr`, where the signal has one.
    pub address: u64,
}

/// `elf_prpsinfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Its id, as the container knows it.
    pub id: u32,
    /// The first 15 bytes of its name.
    pub name: Vec<u8>,
}

/// All notes that are used.
#[derive(Debug, Default)]
pub struct Notes {
    /// The threads, the crashed one first.
    pub threads: Vec<Thread>,
    /// The signal.
    pub signal: Option<Signal>,
    /// The process.
    pub process: Option<Process>,
    /// The auxiliary vector, as it is.
    pub auxv: Vec<u8>,
    /// The note about mapped files, as it is.
    pub files: Vec<u8>,
    /// Whether there were more threads than are kept, or the notes are cut.
    pub cut: bool,
}

/// Reads notes of `size` bytes. It stops where enough threads are known.
///
/// # Errors
/// The kernel's. Where the notes are cut, it gives what came before.
pub fn read<R: Read>(stream: &mut Stream<R>, machine: Machine, size: u64) -> Result<Notes> {
    let mut notes = Notes::default();
    let end = stream.position().saturating_add(size);
    while stream.position().saturating_add(12) <= end {
        let Some((kind, note)) = next(stream).tried(|| "cannot read the core file")? else {
            notes.cut = true;
            break;
        };
        if kind == kind::STATUS && notes.threads.len() >= MAX_THREADS {
            notes.cut = true;
            break;
        }
        notes.add(kind, note, machine);
    }
    Ok(notes)
}

/// The next note's type and content, which is empty when it is not of use here; `None` at the end.
fn next<R: Read>(stream: &mut Stream<R>) -> std::io::Result<Option<(u32, Vec<u8>)>> {
    let Some(header) = stream.record::<12>()? else { return Ok(None) };
    let mut fields = Fields::new(&header, Order::Little);
    let (name, size, kind) = (fields.u32(), fields.u32(), fields.u32());
    let padded = |size: u32| u64::from(size).next_multiple_of(4);
    let max = if kind == kind::FILES { MAX_FILE_NOTE } else { MAX_NOTE };
    let keep = usize::try_from(size).ok().filter(|size| *size <= max && is_used(kind)).unwrap_or(0);
    let mut note = vec![0; keep];
    if !stream.skip(padded(name))? || !stream.fill(&mut note)? {
        return Ok(None);
    }
    let rest = padded(size).saturating_sub(u64::try_from(keep).unwrap_or(0));
    Ok(stream.skip(rest)?.then_some((kind, note)))
}

fn is_used(kind: u32) -> bool {
    use kind::{ARM_VFP, AUXV, FILES, FLOAT, PROCESS, SIGNAL, STATUS, X86_EXTENDED};
    matches!(kind, STATUS | FLOAT | PROCESS | AUXV | ARM_VFP | FILES | SIGNAL | X86_EXTENDED)
}

impl Notes {
    fn add(&mut self, kind: u32, note: Vec<u8>, machine: Machine) {
        if note.is_empty() {
            return;
        }
        match (kind, self.threads.last_mut()) {
            (kind::STATUS, _) => self.threads.extend(thread(&note, machine)),
            (kind::FLOAT, Some(thread)) => thread.float = note,
            (kind::ARM_VFP | kind::X86_EXTENDED, Some(thread)) => thread.extended = note,
            (kind::PROCESS, _) => self.process = process(&note),
            (kind::SIGNAL, _) => self.signal = Some(signal(&note, machine)),
            (kind::AUXV, _) => self.auxv = note,
            (kind::FILES, _) => self.files = note,
            _ => {}
        }
    }
}

/// `elf_prstatus`: the id and the general registers.
fn thread(note: &[u8], machine: Machine) -> Option<Thread> {
    let (id, at) = if machine.wide { (32, 112) } else { (24, 72) };
    let general = note.get(at..)?.get(..registers::general_size(machine.cpu)?)?.to_owned();
    let id = Fields::new(note, Order::Little).skip(id).u32();
    Some(Thread { id, general, ..Thread::default() })
}

/// Name and id stand at the same distance from the end, whatever the sizes before are.
fn process(note: &[u8]) -> Option<Process> {
    let at = note.len().checked_sub(96)?;
    let id = Fields::new(note, Order::Little).skip(at.checked_sub(16)?).u32();
    let name = note.get(at..)?.get(..15)?;
    Some(Process { id, name: name.split(|byte| *byte == 0).next().unwrap_or_default().to_owned() })
}

fn signal(note: &[u8], machine: Machine) -> Signal {
    let mut fields = Fields::new(note, Order::Little);
    let (number, _errno, code) = (fields.u32(), fields.u32(), fields.u32());
    let mut fields = if machine.wide { fields.skip(4) } else { fields };
    Signal { number, code, address: machine.word(&mut fields) }
}
