//! ELF files as symbols: they are refused with a reason, or whatever is asked of them has an answer or none.

#![no_main]

use fuzz::rules::check_error;
use libfuzzer_sys::fuzz_target;
use minidump_unwind::FrameWalker;
use oci_minidump::stack::elf::file::Elf;
use oci_minidump::stack::elf::functions::{Functions, TABLES};
use oci_minidump::stack::elf::lines::Lines;
use oci_minidump::stack::elf::unwind::Unwind;

/// How many addresses are asked for, and how far they are from each other.
const ADDRESSES: u64 = 256;
const STEP: usize = 5;

/// A frame all of whose registers and words of memory are known.
struct Frame;

impl FrameWalker for Frame {
    fn get_instruction(&self) -> u64 {
        0x1000
    }
    fn has_grand_callee(&self) -> bool {
        false
    }
    fn get_grand_callee_parameter_size(&self) -> u32 {
        0
    }
    fn get_register_at_address(&self, address: u64) -> Option<u64> {
        Some(!address)
    }
    fn get_callee_register(&self, name: &str) -> Option<u64> {
        Some(name.len() as u64)
    }
    fn set_caller_register(&mut self, _name: &str, _value: u64) -> Option<()> {
        Some(())
    }
    fn clear_caller_register(&mut self, _name: &str) {}
    fn set_cfa(&mut self, _value: u64) -> Option<()> {
        Some(())
    }
    fn set_ra(&mut self, _value: u64) -> Option<()> {
        Some(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let elf = match Elf::read(&bytes) {
        Ok(elf) => elf,
        Err(error) => return check_error(&error),
    };
    assert!(!elf.build_id.is_empty() && elf.build_id.len() <= 64);
    let (unwind, lines) = (Unwind::read(&elf, &bytes), Lines::read(&elf, &bytes));
    let functions = TABLES.map(|table| Functions::read(&elf, &bytes, table));
    let first = elf.base.saturating_add(0x180);
    for address in (first..first.saturating_add(ADDRESSES * STEP as u64)).step_by(STEP) {
        if let Ok(unwind) = &unwind {
            let _answer = unwind.step(address, 0x5555_0000, &mut Frame);
        }
        for function in functions.iter().flatten().filter_map(|functions| functions.at(address)) {
            assert!(!function.name.is_empty() && function.name.len() <= 3 * 4096);
            assert!(function.start <= address);
        }
        let line = lines.as_ref().ok().and_then(|lines| lines.at(address, &mut 100_000));
        assert!(line.is_none_or(|(path, _)| path.len() <= 2 * 3 * 4096 + 1));
    }
});
