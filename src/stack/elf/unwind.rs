//! Call frame information: `.eh_frame`, which programs carry with them, and `.debug_frame`, which is debug data.
//!
//! The index in `.eh_frame_hdr` is not believed: one is made, once for each file, in the time that reading the section takes.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeSet;

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, Encoding, Error, FrameDescriptionEntry,
    LittleEndian, Register, RegisterRule, UnwindContext, UnwindOffset, UnwindSection, UnwindTableRow, Vendor,
};
use minidump_unwind::FrameWalker;

use super::evaluate::{Asked, Bytes, evaluate};
use super::file::Elf;
use super::registers;
use crate::dump::Source;
use crate::dump::records::Cpu;
use crate::error::Result;

/// The sections that have it.
pub const SECTIONS: [&str; 2] = [".eh_frame", ".debug_frame"];
/// The largest section.
const MAX_SIZE: u64 = 64 << 20;
/// The most bytes that describe one function; real ones have some hundred.
const MAX_ENTRY: usize = 64 << 10;
/// The most entries that others share; real ones are one for each source file, and take ten times their bytes in memory.
const MAX_SHARED: usize = 1 << 16;

/// Where an entry is, and what it describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    start: u64,
    end: u64,
    offset: usize,
}

/// One of the sections, and its index.
#[derive(Debug)]
struct Section {
    content: Vec<u8>,
    is_debug: bool,
    /// The functions, by their addresses.
    entries: Vec<Entry>,
    /// Where entries are that others share.
    shared: BTreeSet<usize>,
}

/// The call frame information of a file.
#[derive(Debug)]
pub struct Unwind {
    sections: Vec<Section>,
    bases: BaseAddresses,
    cpu: Cpu,
    word: u8,
}

impl Unwind {
    /// Reads the sections of a file that have it.
    ///
    /// # Errors
    /// `Input` when one is larger than any real one; the operating system's error when it cannot be read.
    pub fn read(elf: &Elf, source: &impl Source) -> Result<Self> {
        let address = |name| elf.section_named(name).map_or(0, |section| section.address);
        let bases = BaseAddresses::default()
            .set_eh_frame(address(".eh_frame"))
            .set_text(address(".text"))
            .set_got(address(".got"));
        let word = if elf.machine.wide { 8 } else { 4 };
        let mut unwind = Self { sections: Vec::new(), bases, cpu: elf.machine.cpu, word };
        for name in SECTIONS {
            let content = elf.content(source, name, MAX_SIZE)?;
            let section = Section {
                content,
                is_debug: name == ".debug_frame",
                entries: Vec::new(),
                shared: BTreeSet::new(),
            };
            let (mut entries, shared) = if section.is_debug {
                index(&unwind.debug_frame(&section), &unwind.bases)
            } else {
                index(&unwind.eh_frame(&section), &unwind.bases)
            };
            entries.sort_unstable();
            unwind.sections.push(Section { entries, shared, ..section });
        }
        Ok(unwind)
    }

    fn eh_frame<'s>(&self, section: &'s Section) -> EhFrame<Bytes<'s>> {
        let mut frames = EhFrame::new(&section.content, LittleEndian);
        frames.set_address_size(self.word);
        frames.set_vendor(self.vendor());
        frames
    }

    fn debug_frame<'s>(&self, section: &'s Section) -> DebugFrame<Bytes<'s>> {
        let mut frames = DebugFrame::new(&section.content, LittleEndian);
        frames.set_address_size(self.word);
        frames.set_vendor(self.vendor());
        frames
    }

    /// An instruction has another meaning on 64-bit ARM: that return addresses are signed.
    fn vendor(&self) -> Vendor {
        if self.cpu == Cpu::Arm64 { Vendor::AArch64 } else { Vendor::Default }
    }

    /// Gives `walker` the registers of the caller. The instruction is at `address` in the file, and what must be added to such
    /// an address for one in the process is `bias`. `None` when nothing is known of the function, or the dump has not what its
    /// rules ask for.
    pub fn step(&self, address: u64, bias: u64, walker: &mut dyn FrameWalker) -> Option<()> {
        let found = self.sections.iter().find_map(|section| Some((section, section.entry(address)?)));
        let (section, entry) = found?;
        let mut step = Step { cpu: self.cpu, word: self.word, address, bias, walker };
        if section.is_debug {
            step.take(&self.debug_frame(section), section, &self.bases, entry)
        } else {
            step.take(&self.eh_frame(section), section, &self.bases, entry)
        }
    }
}

impl Section {
    fn entry(&self, address: u64) -> Option<Entry> {
        let behind = self.entries.partition_point(|entry| entry.start <= address);
        self.entries.get(behind.checked_sub(1)?).copied().filter(|entry| address < entry.end)
    }
}

/// Finds the entries of a section, up to the first damaged one. An entry that others share counts only where the section has
/// one: it could otherwise be read again and again.
fn index<'s, S: UnwindSection<Bytes<'s>>>(
    section: &S,
    bases: &BaseAddresses,
) -> (Vec<Entry>, BTreeSet<usize>) {
    let (mut found, mut shared) = (Vec::new(), BTreeSet::new());
    // What was read of the shared ones: thousands of entries belong to one.
    let mut known = std::collections::BTreeMap::new();
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        match entry {
            CieOrFde::Cie(cie) if cie.entry_len() <= MAX_ENTRY && shared.len() < MAX_SHARED => {
                shared.insert(cie.offset());
                known.insert(cie.offset(), cie);
            }
            CieOrFde::Fde(partial) if partial.entry_len() <= MAX_ENTRY => {
                let parsed = partial.parse(|_, _, offset| {
                    known.get(&UnwindOffset::into(offset)).cloned().ok_or(Error::NotCieId(0))
                });
                if let Ok(fde) = parsed {
                    let (start, end) = (fde.initial_address(), fde.end_address());
                    found.push(Entry { start, end, offset: fde.offset() });
                }
            }
            _ => {}
        }
    }
    (found, shared)
}

/// One step from a frame to its caller.
struct Step<'w> {
    cpu: Cpu,
    word: u8,
    address: u64,
    bias: u64,
    walker: &'w mut dyn FrameWalker,
}

impl Step<'_> {
    fn take<'s, S: UnwindSection<Bytes<'s>>>(
        &mut self,
        section: &S,
        index: &Section,
        bases: &BaseAddresses,
        entry: Entry,
    ) -> Option<()> {
        let shared = |section: &S, bases: &BaseAddresses, offset: S::Offset| {
            if index.shared.contains(&UnwindOffset::into(offset)) {
                section.cie_from_offset(bases, offset)
            } else {
                Err(Error::NotCieId(0))
            }
        };
        let fde = section.fde_from_offset(bases, entry.offset.into(), shared).ok()?;
        let mut context = UnwindContext::new();
        let row = fde.unwind_info_for_address(section, bases, &mut context, self.address).ok()?;
        self.apply(section, &fde, row)
    }

    fn apply<'s, S: UnwindSection<Bytes<'s>>>(
        &mut self,
        section: &S,
        fde: &FrameDescriptionEntry<Bytes<'s>>,
        row: &UnwindTableRow<usize>,
    ) -> Option<()> {
        self.walker.set_cfi_rules_start_address(Some(fde.initial_address().wrapping_add(self.bias)));
        let encoding = fde.cie().encoding();
        let rules = Rules { section, encoding, step: self };
        let frame = rules.frame(row.cfa())?;
        let return_register = fde.cie().return_address_register();
        let return_address = rules.return_address(row.register(return_register), return_register, frame)?;
        // All are calculated from the callee's before one is changed.
        let registers: Vec<_> = row
            .registers()
            .filter_map(|(register, rule)| {
                Some((registers::name(self.cpu, *register)?, rules.value(*register, rule, frame)))
            })
            .collect();
        self.walker.set_cfa(frame)?;
        for (name, value) in registers {
            match value {
                Some(value) => self.walker.set_caller_register(name, value)?,
                None => self.walker.clear_caller_register(name),
            }
        }
        self.walker.set_ra(return_address)
    }

    fn fit(&self, value: u64) -> u64 {
        if self.word == 4 { value & u64::from(u32::MAX) } else { value }
    }
}

/// The rules of one row.
struct Rules<'r, 'w, S> {
    section: &'r S,
    encoding: Encoding,
    step: &'r Step<'w>,
}

impl<'s, S: UnwindSection<Bytes<'s>>> Rules<'_, '_, S> {
    /// The frame's own address: the caller's stack pointer.
    fn frame(&self, rule: &CfaRule<usize>) -> Option<u64> {
        let frame = match rule {
            CfaRule::RegisterAndOffset { register, offset } => {
                self.register(*register)?.wrapping_add_signed(*offset)
            }
            CfaRule::Expression(expression) => {
                evaluate(expression.get(self.section).ok()?, self.encoding, &self.asked(None))?
            }
        };
        Some(self.step.fit(frame))
    }

    fn register(&self, register: Register) -> Option<u64> {
        self.step.walker.get_callee_register(registers::name(self.step.cpu, register)?)
    }

    fn asked(&self, frame: Option<u64>) -> Asked<'_> {
        Asked { walker: self.step.walker, cpu: self.step.cpu, bias: self.step.bias, frame }
    }

    /// The caller's value of a register.
    fn value(&self, register: Register, rule: &RegisterRule<usize>, frame: u64) -> Option<u64> {
        let memory = |address| self.step.walker.get_register_at_address(self.step.fit(address));
        let calculated = |expression: &gimli::UnwindExpression<usize>| {
            evaluate(expression.get(self.section).ok()?, self.encoding, &self.asked(Some(frame)))
        };
        match rule {
            RegisterRule::SameValue => self.register(register),
            RegisterRule::Offset(offset) => memory(frame.wrapping_add_signed(*offset)),
            RegisterRule::ValOffset(offset) => Some(self.step.fit(frame.wrapping_add_signed(*offset))),
            RegisterRule::Register(other) => self.register(*other),
            RegisterRule::Expression(expression) => memory(calculated(expression)?),
            RegisterRule::ValExpression(expression) => Some(self.step.fit(calculated(expression)?)),
            _ => None,
        }
    }

    /// Where the caller goes on: 0 when the rules say that there is no caller, which ends the walk. Without a rule, it is still
    /// in its register, where the machine has one for it.
    fn return_address(
        &self,
        rule: Option<RegisterRule<usize>>,
        register: Register,
        frame: u64,
    ) -> Option<u64> {
        match rule {
            Some(RegisterRule::Undefined) => Some(0),
            Some(rule) => self.value(register, &rule, frame),
            None if matches!(self.step.cpu, Cpu::Arm | Cpu::Arm64) => self.register(register),
            None => None,
        }
    }
}
