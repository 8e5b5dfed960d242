//! The numbers that DWARF has for registers, and the names that the walker has for them.

use gimli::Register;

use crate::dump::records::Cpu;

const X86: [&str; 9] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip"];
const X86_64: [&str; 17] = [
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip",
];
const ARM: [&str; 15] =
    ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "fp", "r12", "sp", "lr"];
const ARM64: [&str; 32] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
    "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp", "lr",
    "sp",
];

/// The name of a register that rules may be about. Stubs that call into other libraries have rules about the instruction pointer.
pub(super) fn name(cpu: Cpu, register: Register) -> Option<&'static str> {
    let names: &[&str] = match cpu {
        Cpu::X86 => &X86,
        Cpu::X86_64 => &X86_64,
        Cpu::Arm => &ARM,
        Cpu::Arm64 => &ARM64,
        Cpu::Other(_) => &[],
    };
    names.get(usize::from(register.0)).copied()
}
