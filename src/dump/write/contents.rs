//! What goes into a minidump.

use crate::dump::records::Cpu;

/// A minidump before it is written.
#[derive(Debug)]
pub struct Contents {
    /// The kind of CPU.
    pub cpu: Cpu,
    /// When the program crashed, in seconds since 1970.
    pub time: u32,
    /// How many processors the machine has.
    pub processors: u8,
    /// The kernel, such as `Linux 6.1.0`.
    pub system: String,
    /// The id of the process, as the container knows it.
    pub process: u32,
    /// What happened.
    pub crash: Crash,
    /// The threads, the crashed one first.
    pub threads: Vec<Thread>,
    /// The program first, then its libraries.
    pub modules: Vec<Module>,
    /// What was saved of the memory.
    pub memory: Vec<Piece>,
    /// Breakpad's streams of text (`MD_LINUX_*`): number and content.
    pub texts: Vec<(u32, Vec<u8>)>,
}

/// `MINIDUMP_EXCEPTION`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crash {
    /// The signal.
    pub signal: u32,
    /// Its code (`si_code`).
    pub code: u32,
    /// Its address (`si_addr`).
    pub address: u64,
}

/// A thread.
#[derive(Debug, Default)]
pub struct Thread {
    /// Its id, as the container knows it.
    pub id: u32,
    /// Its name; empty when it is not known.
    pub name: Vec<u8>,
    /// Its registers (`CONTEXT`).
    pub context: Vec<u8>,
    /// Which piece of the memory is its stack.
    pub stack: Option<usize>,
}

/// The program, or a library.
#[derive(Debug)]
pub struct Module {
    /// Its first address.
    pub base: u64,
    /// How many bytes of address space it takes.
    pub size: u64,
    /// Its path.
    pub name: Vec<u8>,
    /// Its GNU build id; empty when it has none.
    pub build_id: Vec<u8>,
}

/// A piece of memory.
#[derive(Debug)]
pub struct Piece {
    /// The address of its first byte.
    pub start: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}
