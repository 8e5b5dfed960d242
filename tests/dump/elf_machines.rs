//! Call frame information, functions and lines of a small library, for each machine that dumps come from.

use oci_minidump::dump::records::Cpu;
use oci_minidump::stack::elf::file::Elf;
use oci_minidump::stack::elf::functions::{Functions, TABLES};
use oci_minidump::stack::elf::lines::Lines;
use oci_minidump::stack::elf::unwind::Unwind;

use crate::elf::Frame;

const X86_64: &[u8] = include_bytes!("../data/elf/x86_64.so");
const X86: &[u8] = include_bytes!("../data/elf/x86.so");
const ARM64: &[u8] = include_bytes!("../data/elf/arm64.so");
const ARM: &[u8] = include_bytes!("../data/elf/arm.so");

/// The stack pointer, and what the link register holds.
const POINTER: u64 = 0x7000;
const LINK: u64 = 0x1234;

/// What `readelf --debug-dump=frames-interp` says of an instruction.
struct Case {
    file: &'static [u8],
    cpu: Cpu,
    at: u64,
    /// How far above the stack pointer the frame's own address is.
    frame: u64,
    /// Where registers are saved, below the frame's own address.
    saved: &'static [(&'static str, u64)],
    /// Where the return address is saved; `None` when it is in the link register.
    return_address: Option<u64>,
    /// The function and the line.
    place: Option<(&'static str, u32)>,
}

/// In `outer`, at its call; in `leaf`; on x86, in the stub that calls it, before and behind its push.
const CASES: [Case; 10] = [
    case(X86_64, Cpu::X86_64, 0x33a, 272, &[("rbx", 16)], Some(8), Some(("outer", 7))),
    case(X86_64, Cpu::X86_64, 0x2b0, 8, &[], Some(8), Some(("leaf", 6))),
    case(X86_64, Cpu::X86_64, 0x2a0, 8, &[], Some(8), None),
    case(X86_64, Cpu::X86_64, 0x2ab, 16, &[], Some(8), None),
    case(X86, Cpu::X86, 0x207, 288, &[("ebx", 12), ("edi", 8)], Some(4), Some(("outer", 7))),
    case(X86, Cpu::X86, 0x1bb, 8, &[], Some(4), None),
    case(ARM64, Cpu::Arm64, 0x307, 272, &[("x19", 272), ("lr", 264)], Some(264), Some(("outer", 7))),
    case(ARM64, Cpu::Arm64, 0x2c0, 0, &[], None, Some(("leaf", 6))),
    case(ARM, Cpu::Arm, 0x1e9, 272, &[("r4", 12), ("r5", 8), ("lr", 4)], Some(4), Some(("outer", 7))),
    case(ARM, Cpu::Arm, 0x1cc, 0, &[], None, Some(("leaf", 6))),
];

const fn case(
    file: &'static [u8],
    cpu: Cpu,
    at: u64,
    frame: u64,
    saved: &'static [(&'static str, u64)],
    return_address: Option<u64>,
    place: Option<(&'static str, u32)>,
) -> Case {
    Case { file, cpu, at, frame, saved, return_address, place }
}

#[test]
fn every_machine_has_its_rules_its_functions_and_its_lines() {
    for Case { file, cpu, at, frame: above, saved, return_address, place } in CASES {
        let elf = Elf::read(&file).unwrap();
        assert_eq!((elf.machine.cpu, elf.build_id.len()), (cpu, 20));
        let mut frame = Frame::default();
        for (name, value) in [("sp", POINTER), ("rsp", POINTER), ("esp", POINTER), ("lr", LINK)] {
            frame.registers.insert(name.to_owned(), value);
        }
        for name in ["rip", "eip"] {
            frame.registers.insert(name.to_owned(), at);
        }
        let shown = format!("{cpu:?} {at:#x}");
        Unwind::read(&elf, &file).unwrap().step(at, 0, &mut frame).expect(&shown);
        let own = POINTER + above;
        assert_eq!(frame.frame, Some(own), "{shown}");
        // In this memory, each word is its own address.
        assert_eq!(frame.returns_to, Some(return_address.map_or(LINK, |below| own - below)), "{shown}");
        frame.caller.retain(|name, _| !["rip", "eip"].contains(&name.as_str()));
        let wanted = saved.iter().map(|(name, below)| ((*name).to_owned(), own - below)).collect();
        assert_eq!(frame.caller, wanted, "{shown}");

        let function = Functions::read(&elf, &file, TABLES[0]).unwrap().at(at);
        let line = Lines::read(&elf, &file).unwrap().at(at, &mut 1000);
        // Before DWARF 5, the directory stands elsewhere.
        assert!(line.as_ref().is_none_or(|(path, _)| ["/src/chain.c", "chain.c"].contains(&path.as_str())));
        let found = function.map(|function| function.name).zip(line.map(|(_, line)| line));
        assert_eq!(found, place.map(|(name, line)| (name.to_owned(), line)), "{shown}");
    }
}
