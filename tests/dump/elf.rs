//! ELF files that are damaged, or made to harm their reader.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use minidump_unwind::FrameWalker;
use oci_minidump::stack::elf::file::Elf;
use oci_minidump::stack::elf::functions::{Functions, TABLES};
use oci_minidump::stack::elf::lines::Lines;
use oci_minidump::stack::elf::unwind::Unwind;

use crate::c_program::compile;
use crate::support::random::Random;

/// A frame, and what the rules make of its caller: each word of memory holds its own address.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) registers: BTreeMap<String, u64>,
    pub(crate) caller: BTreeMap<String, u64>,
    pub(crate) frame: Option<u64>,
    pub(crate) returns_to: Option<u64>,
}

impl FrameWalker for Frame {
    fn get_instruction(&self) -> u64 {
        0
    }
    fn has_grand_callee(&self) -> bool {
        false
    }
    fn get_grand_callee_parameter_size(&self) -> u32 {
        0
    }
    fn get_register_at_address(&self, address: u64) -> Option<u64> {
        Some(address)
    }
    fn get_callee_register(&self, name: &str) -> Option<u64> {
        self.registers.get(name).copied()
    }
    fn set_caller_register(&mut self, name: &str, value: u64) -> Option<()> {
        self.caller.insert(name.to_owned(), value);
        Some(())
    }
    fn clear_caller_register(&mut self, name: &str) {
        self.caller.remove(name);
    }
    fn set_cfa(&mut self, value: u64) -> Option<()> {
        self.frame = Some(value);
        Some(())
    }
    fn set_ra(&mut self, value: u64) -> Option<()> {
        self.returns_to = Some(value);
        Some(())
    }
}

/// Asks a file for all that may be asked; returns how often there was an answer.
fn ask(bytes: &[u8]) -> usize {
    let Ok(elf) = Elf::read(&bytes) else { return 0 };
    let (unwind, lines) = (Unwind::read(&elf, &bytes), Lines::read(&elf, &bytes));
    let functions = TABLES.map(|table| Functions::read(&elf, &bytes, table));
    let mut answers = 0;
    for address in (elf.base..elf.base + 0x1400).step_by(7) {
        let mut frame = Frame::default();
        for register in ["rsp", "rbp", "rbx", "rax"] {
            frame.registers.insert(register.to_owned(), 0x7fff_0000);
        }
        let step = unwind.as_ref().ok().and_then(|unwind| unwind.step(address, 0, &mut frame));
        answers += usize::from(step.is_some());
        for function in functions.iter().flatten().filter_map(|functions| functions.at(address)) {
            assert!(function.name.len() <= 4096 && function.start <= address);
            answers += 1;
        }
        answers += usize::from(lines.as_ref().is_ok_and(|lines| lines.at(address, &mut 100_000).is_some()));
    }
    answers
}

#[test]
fn a_damaged_elf_file_gives_less_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(2026);
    for options in [["-g", "-gdwarf-5"], ["-g", "-gz=zlib"]] {
        let path = dir.path().join("program");
        compile(&path, &options);
        let whole = fs::read(&path).unwrap();
        let answers = ask(&whole);
        assert!(answers > 100, "{answers}");
        for length in (0..whole.len()).step_by(151) {
            ask(&whole[..length]);
        }
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..random.between(1, 9) {
                // The headers are at the beginning and the end, the tables between them.
                let (from, to) = random.one_of(&[
                    (0, 1000),
                    (0, whole.len()),
                    (whole.len() - 2500, whole.len()),
                    (0x2000, 0x2400),
                ]);
                let at = random.between(from as u64, to as u64) as usize;
                match random.between(0, 3) {
                    0 => bytes[at] ^= 1 << random.between(0, 8),
                    1 => bytes[at] = 0xff,
                    _ => bytes[at] = random.next() as u8,
                }
            }
            ask(&bytes);
        }
    }
}

/// The type of a section, and its size, in a section header.
const TYPE: usize = 4;
const SIZE: usize = 32;

#[test]
fn sections_that_claim_to_be_huge_are_not_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    compile(&path, &["-g"]);
    let whole = fs::read(&path).unwrap();
    let table = u64::from_le_bytes(whole[40..48].try_into().unwrap()) as usize;
    // All that is in the file, so that its end is no bound.
    let file = File::options().write(true).read(true).open(&path).unwrap();
    file.set_len(1 << 42).unwrap();
    for header in (table..whole.len()).step_by(64) {
        // Code, data and symbols, but not the names of sections.
        if [1, 2, 11].contains(&whole[header + TYPE]) {
            file.write_all_at(&(1_u64 << 40).to_le_bytes(), (header + SIZE) as u64).unwrap();
        }
    }
    let elf = Elf::read(&file).unwrap();
    let refused = [
        Unwind::read(&elf, &file).map(drop),
        Lines::read(&elf, &file).map(drop),
        Functions::read(&elf, &file, TABLES[0]).map(drop),
    ];
    for refused in refused {
        assert!(refused.unwrap_err().report().contains("bytes"));
    }
}

#[test]
fn a_section_that_would_fill_memory_when_it_is_decompressed_counts_with_what_it_becomes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    compile(&path, &["-g", "-gz=zlib"]);
    let mut bytes = fs::read(&path).unwrap();
    let elf = Elf::read(&bytes.as_slice()).unwrap();
    let (plain, section) = (elf.size_of(&[".debug_line"]), elf.section_named(".debug_line").unwrap());
    assert!(plain > section.size, "{section:?}");
    // Its header: the kind of compression, then the size.
    let kind = [&1_u32.to_le_bytes()[..], &[0; 4], &plain.to_le_bytes()].concat();
    let at = bytes.windows(16).position(|window| window == kind).unwrap();
    bytes[at + 8..at + 16].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let elf = Elf::read(&bytes.as_slice()).unwrap();
    assert_eq!(elf.size_of(&[".debug_line"]), 1 << 40);
    assert!(Lines::read(&elf, &bytes.as_slice()).unwrap_err().report().contains("bytes"));
    // Compressed in a way that is not known.
    bytes[at] = 2;
    let elf = Elf::read(&bytes.as_slice()).unwrap();
    assert!(Lines::read(&elf, &bytes.as_slice()).unwrap_err().report().contains("zlib"));
}
