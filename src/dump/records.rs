//! The fixed-size records of a minidump. Their layout is that of `minidumpapiset.h` (Windows SDK), with Breakpad's
//! additions for Linux.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use super::fields::{Fields, Order};

/// A run of bytes in the dump file. Size 0 means that there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Location {
    /// Offset of the first byte from the start of the file.
    pub offset: u64,
    /// Number of bytes.
    pub size: u64,
}

impl Location {
    /// `MINIDUMP_LOCATION_DESCRIPTOR`: size, then offset.
    pub(super) fn take(fields: &mut Fields<'_>) -> Self {
        let size = u64::from(fields.u32());
        Self { size, offset: u64::from(fields.u32()) }
    }

    /// Whether all of it lies within the first `size` bytes.
    #[must_use]
    pub fn is_within(self, size: u64) -> bool {
        self.size == 0 || self.offset.checked_add(self.size).is_some_and(|end| end <= size)
    }
}

/// A kind of CPU, as far as its registers are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    /// 32-bit x86.
    X86,
    /// 64-bit x86.
    X86_64,
    /// 32-bit ARM.
    Arm,
    /// 64-bit ARM, in either of the two forms Breakpad had for its registers.
    Arm64,
    /// Any other, by its `PROCESSOR_ARCHITECTURE_*` number.
    Other(u16),
}

impl Cpu {
    fn from_number(number: u16) -> Self {
        match number {
            0 => Self::X86,
            9 => Self::X86_64,
            5 => Self::Arm,
            12 | 0x8003 => Self::Arm64,
            other => Self::Other(other),
        }
    }

    /// The place of the instruction pointer within a thread's registers: offset and number of bytes.
    #[must_use]
    pub fn instruction_pointer(self) -> Option<Location> {
        match self {
            Self::X86 => Some(Location { offset: 184, size: 4 }),
            Self::X86_64 => Some(Location { offset: 248, size: 8 }),
            Self::Arm => Some(Location { offset: 64, size: 4 }),
            Self::Arm64 => Some(Location { offset: 264, size: 8 }),
            Self::Other(_) => None,
        }
    }
}

/// `MINIDUMP_SYSTEM_INFO`: the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemInfo {
    /// The kind of CPU.
    pub cpu: Cpu,
    /// The operating system: one of the platform ids below.
    pub platform: u32,
    /// Offset of the text that names the operating system's version; 0 if there is none.
    pub version: u64,
}

impl SystemInfo {
    /// Its size in the file.
    pub const SIZE: usize = 56;
    /// `VER_PLATFORM_WIN32_NT`.
    pub const WINDOWS: u32 = 2;
    /// Breakpad's `MD_OS_MAC_OS_X`.
    pub const MACOS: u32 = 0x8101;
    /// Breakpad's `MD_OS_LINUX`.
    pub const LINUX: u32 = 0x8201;
    /// Breakpad's `MD_OS_ANDROID`.
    pub const ANDROID: u32 = 0x8203;

    pub(super) fn parse(bytes: &[u8; Self::SIZE], order: Order) -> Self {
        let mut fields = Fields::new(bytes, order);
        let cpu = Cpu::from_number(fields.u16());
        let mut fields = fields.skip(18);
        let platform = fields.u32();
        Self { cpu, platform, version: u64::from(fields.u32()) }
    }

    /// Whether exceptions are Linux signals.
    #[must_use]
    pub fn is_linux(&self) -> bool {
        matches!(self.platform, Self::LINUX | Self::ANDROID)
    }
}

/// `MINIDUMP_EXCEPTION_STREAM`: the crash.
#[derive(Debug, Clone, Copy)]
pub struct Exception {
    /// The thread that crashed.
    pub thread: u32,
    /// The signal number on Linux.
    pub code: u32,
    /// The signal's code (`si_code`) on Linux.
    pub flags: u32,
    /// `si_addr` on Linux: what it means depends on signal and code.
    pub address: u64,
    /// The registers at the crash.
    pub context: Location,
}

impl Exception {
    /// Its size in the file.
    pub const SIZE: usize = 168;

    pub(super) fn parse(bytes: &[u8; Self::SIZE], order: Order) -> Self {
        let mut fields = Fields::new(bytes, order);
        let thread = fields.u32();
        let mut fields = fields.skip(4);
        let (code, flags) = (fields.u32(), fields.u32());
        let mut fields = fields.skip(8);
        let address = fields.u64();
        let mut fields = fields.skip(8 + 15 * 8);
        Self { thread, code, flags, address, context: Location::take(&mut fields) }
    }
}

/// `MINIDUMP_THREAD`.
#[derive(Debug, Clone, Copy)]
pub struct Thread {
    /// The thread's id.
    pub id: u32,
    /// Its stack, as far as it was saved.
    pub stack: Location,
    /// Its registers.
    pub context: Location,
}

impl Thread {
    /// Its size in the file.
    pub const SIZE: usize = 48;

    pub(super) fn parse(bytes: &[u8; Self::SIZE], order: Order) -> Self {
        let mut fields = Fields::new(bytes, order);
        let id = fields.u32();
        let mut fields = fields.skip(28);
        Self { id, stack: Location::take(&mut fields), context: Location::take(&mut fields) }
    }
}

/// `MINIDUMP_MODULE`: the program or a library.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// The address it was loaded at.
    pub base: u64,
    /// How many bytes of address space it takes.
    pub size: u64,
    /// Offset of its path.
    pub name: u64,
    /// What identifies its build: see [`super::minidump::Minidump::build`].
    pub codeview: Location,
    /// A leftover of old debuggers.
    pub misc: Location,
}

impl Module {
    /// Its size in the file.
    pub const SIZE: usize = 108;

    pub(super) fn parse(bytes: &[u8; Self::SIZE], order: Order) -> Self {
        let mut fields = Fields::new(bytes, order);
        let base = fields.u64();
        let size = u64::from(fields.u32());
        let mut fields = fields.skip(8);
        let name = u64::from(fields.u32());
        let mut fields = fields.skip(52);
        let codeview = Location::take(&mut fields);
        Self { base, size, name, codeview, misc: Location::take(&mut fields) }
    }

    /// How far into the module `address` lies, if it does.
    #[must_use]
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        address.checked_sub(self.base).filter(|offset| *offset < self.size)
    }
}

/// `MINIDUMP_THREAD_NAME`.
#[derive(Debug, Clone, Copy)]
pub struct ThreadName {
    /// The thread's id.
    pub id: u32,
    /// Offset of its name.
    pub name: u64,
}

impl ThreadName {
    /// Its size in the file.
    pub const SIZE: usize = 12;

    pub(super) fn parse(bytes: &[u8; Self::SIZE], order: Order) -> Self {
        let mut fields = Fields::new(bytes, order);
        let id = fields.u32();
        Self { id, name: fields.u64() }
    }
}

/// `MINIDUMP_MEMORY_DESCRIPTOR`: a saved piece of memory. (Its start address is not needed here.)
pub(super) fn memory(bytes: &[u8; 16], order: Order) -> Location {
    Location::take(&mut Fields::new(bytes, order).skip(8))
}
