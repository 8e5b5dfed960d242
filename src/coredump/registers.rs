//! A thread's registers: from the kernel's form (`user_regs_struct`, `pt_regs`) to that of a minidump (`CONTEXT`).
//!
//! Sources: `sys/user.h`, `asm/ptrace.h`; `minidump_cpu_*.h` of Breakpad.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::dump::records::Cpu;

/// A thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its id, as the container knows it.
    pub id: u32,
    /// Its general registers, as the kernel has them for this machine (`user_regs_struct`).
    pub general: Vec<u8>,
    /// Its registers for floating-point numbers; empty when the kernel wrote none.
    pub float: Vec<u8>,
    /// Of 32-bit machines, those of `fxsave` or VFP.
    pub extended: Vec<u8>,
}

/// A run of bytes in the kernel's registers that has a place in the context: from, to, length.
type Move = (usize, usize, usize);

/// How the registers of a machine are laid out.
struct Map {
    /// Bytes of the general registers in the kernel's form, and of a context.
    general: usize,
    context: usize,
    /// `ContextFlags`: general registers; what is added when those for floating-point numbers are there.
    flags: u32,
    float_flag: u32,
    flags_at: usize,
    /// Bytes of a register, and where the stack pointer is in the kernel's form.
    word: usize,
    stack_pointer: usize,
    moves: &'static [Move],
    float_moves: &'static [Move],
    extended_moves: &'static [Move],
}

const X86_64: Map = Map {
    general: 216,
    context: 1232,
    flags: 0x0010_0007,
    float_flag: 8,
    flags_at: 48,
    word: 8,
    stack_pointer: 152,
    #[rustfmt::skip]
    moves: &[
        // cs, ds, es, fs, gs, ss, flags.
        (136, 56, 2), (184, 58, 2), (192, 60, 2), (200, 62, 2), (208, 64, 2), (160, 66, 2), (144, 68, 4),
        // rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi.
        (80, 120, 8), (88, 128, 8), (96, 136, 8), (40, 144, 8), (152, 152, 8), (32, 160, 8), (104, 168, 8), (112, 176, 8),
        // r8 to r15, rip.
        (72, 184, 8), (64, 192, 8), (56, 200, 8), (48, 208, 8), (24, 216, 8), (16, 224, 8), (8, 232, 8), (0, 240, 8),
        (128, 248, 8),
    ],
    // All that fxsave writes, and of it mxcsr once more.
    float_moves: &[(0, 256, 512), (24, 52, 4)],
    extended_moves: &[],
};

const X86: Map = Map {
    general: 68,
    context: 716,
    flags: 0x0001_0007,
    float_flag: 8,
    flags_at: 0,
    word: 4,
    stack_pointer: 60,
    #[rustfmt::skip]
    moves: &[
        // gs, fs, es, ds, edi, esi, ebx, edx, ecx, eax, ebp, eip, cs, eflags, esp, ss.
        (40, 140, 4), (36, 144, 4), (32, 148, 4), (28, 152, 4), (16, 156, 4), (12, 160, 4), (0, 164, 4), (8, 168, 4),
        (4, 172, 4), (24, 176, 4), (20, 180, 4), (48, 184, 4), (52, 188, 4), (56, 192, 4), (60, 196, 4), (64, 200, 4),
    ],
    float_moves: &[(0, 28, 108)],
    extended_moves: &[(0, 204, 512)],
};

const ARM64: Map = Map {
    general: 272,
    context: 912,
    flags: 0x0040_0003,
    float_flag: 4,
    flags_at: 0,
    word: 8,
    stack_pointer: 248,
    // x0 to x30, sp, pc; pstate.
    moves: &[(0, 8, 264), (264, 4, 4)],
    // q0 to q31, fpcr, fpsr, which the kernel has the other way round.
    float_moves: &[(0, 272, 512), (516, 784, 4), (512, 788, 4)],
    extended_moves: &[],
};

const ARM: Map = Map {
    general: 72,
    context: 368,
    flags: 0x4000_0002,
    float_flag: 4,
    flags_at: 0,
    word: 4,
    stack_pointer: 52,
    // r0 to r15, cpsr.
    moves: &[(0, 4, 64), (64, 68, 4)],
    float_moves: &[],
    // fpscr, d0 to d31.
    extended_moves: &[(256, 72, 4), (0, 80, 256)],
};

fn map(cpu: Cpu) -> Option<&'static Map> {
    match cpu {
        Cpu::X86_64 => Some(&X86_64),
        Cpu::X86 => Some(&X86),
        Cpu::Arm64 => Some(&ARM64),
        Cpu::Arm => Some(&ARM),
        Cpu::Other(_) => None,
    }
}

/// How many bytes the general registers have in the kernel's form; `None` for a machine that is not known.
#[must_use]
pub fn general_size(cpu: Cpu) -> Option<usize> {
    map(cpu).map(|map| map.general)
}

/// The registers of a thread as a minidump has them; empty for a machine that is not known.
#[must_use]
pub fn context(cpu: Cpu, thread: &Thread) -> Vec<u8> {
    let Some(map) = map(cpu) else { return Vec::new() };
    let mut context = vec![0; map.context];
    apply(&mut context, &thread.general, map.moves);
    // Both, or one of them is incomplete and says so.
    let float = apply(&mut context, &thread.float, map.float_moves);
    let extended = apply(&mut context, &thread.extended, map.extended_moves);
    let mut flags = map.flags;
    if float || (extended && map.float_moves.is_empty()) {
        flags |= map.float_flag;
    }
    if extended && cpu == Cpu::X86 {
        // CONTEXT_EXTENDED_REGISTERS.
        flags |= 0x20;
    }
    put(&mut context, map.flags_at, &flags.to_le_bytes());
    context
}

/// Moves all that there is; false when there is nothing to move, or it is too short.
fn apply(context: &mut [u8], from: &[u8], moves: &[Move]) -> bool {
    let is_whole =
        moves.iter().all(|(at, _, length)| at.checked_add(*length).is_some_and(|end| end <= from.len()));
    if moves.is_empty() || !is_whole {
        return false;
    }
    for (at, to, length) in moves {
        let part = from.get(*at..).and_then(|rest| rest.get(..*length)).unwrap_or_default();
        put(context, *to, part);
    }
    true
}

fn put(context: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in context.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// The stack pointer of a thread.
#[must_use]
pub fn stack_pointer(cpu: Cpu, thread: &Thread) -> Option<u64> {
    let map = map(cpu)?;
    thread.general.get(map.stack_pointer..)?.get(..map.word).map(number)
}

/// Every general register of a thread: what it points at may say what went wrong.
pub fn values(cpu: Cpu, thread: &Thread) -> impl Iterator<Item = u64> {
    let word = map(cpu).map_or(8, |map| map.word);
    thread.general.chunks_exact(word).map(number)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
