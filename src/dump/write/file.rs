//! A minidump as a file: the header, the directory, and what the streams hold.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::dump::records::{Cpu, SystemInfo};
use crate::dump::write::buffer::{Buffer, Place};
use crate::dump::write::contents::Contents;
use crate::dump::write::lists;

/// The lower half of the header's version.
const VERSION: u32 = 0xa793;
const HEADER: usize = 32;
const ENTRY: usize = 12;
/// The streams that are always there: the lists, the crash, the system, the process.
const STREAMS: usize = 7;

/// Writes a minidump.
#[must_use]
pub fn write(contents: &Contents) -> Vec<u8> {
    let count = contents.texts.len().saturating_add(STREAMS);
    let mut buffer = Buffer::default();
    buffer.zeros(HEADER.saturating_add(count.saturating_mul(ENTRY)));
    let (places, memory) = lists::memory(&mut buffer, &contents.memory);
    let (contexts, threads) = lists::threads(&mut buffer, contents, &places);
    let context = contexts.first().copied().unwrap_or_default();
    let mut directory = vec![
        (7, system(&mut buffer, contents)),
        (15, process(&mut buffer, contents)),
        (3, threads),
        (24, lists::names(&mut buffer, &contents.threads)),
        (6, exception(&mut buffer, contents, context)),
        (4, lists::modules(&mut buffer, &contents.modules)),
        (5, memory),
    ];
    directory.extend(contents.texts.iter().map(|(kind, text)| (*kind, buffer.add(text))));
    let mut head = Buffer::default();
    head.raw(b"MDMP").u32(VERSION).u32(u32::try_from(count).unwrap_or(0)).u32(32);
    head.u32(0).u32(contents.time).u64(0);
    for (kind, place) in directory {
        head.u32(kind).place(place);
    }
    for (to, from) in buffer.bytes.iter_mut().zip(head.bytes) {
        *to = from;
    }
    buffer.bytes
}

/// `MINIDUMP_SYSTEM_INFO`.
fn system(buffer: &mut Buffer, contents: &Contents) -> Place {
    let version = buffer.text(contents.system.as_bytes());
    let cpu = match contents.cpu {
        Cpu::X86 => 0,
        Cpu::Arm => 5,
        Cpu::X86_64 => 9,
        Cpu::Arm64 => 12,
        Cpu::Other(number) => number,
    };
    let mut system = Buffer::default();
    // Level and revision of the CPU; then its product type, and the version of Windows.
    system.u16(cpu).zeros(4).raw(&[contents.processors, 0]).zeros(12);
    // The suite of Windows; then what CPUID says.
    system.u32(SystemInfo::LINUX).u32(version).zeros(4).zeros(24);
    buffer.add(&system.bytes)
}

/// `MINIDUMP_MISC_INFO`: the process id.
fn process(buffer: &mut Buffer, contents: &Contents) -> Place {
    let mut process = Buffer::default();
    // MINIDUMP_MISC1_PROCESS_ID.
    process.u32(24).u32(1).u32(contents.process).zeros(12);
    buffer.add(&process.bytes)
}

/// `MINIDUMP_EXCEPTION_STREAM`.
fn exception(buffer: &mut Buffer, contents: &Contents, context: Place) -> Place {
    let thread = contents.threads.first().map_or(0, |thread| thread.id);
    let crash = contents.crash;
    let mut exception = Buffer::default();
    exception.u32(thread).u32(0).u32(crash.signal).u32(crash.code).u64(0).u64(crash.address);
    // No parameters.
    exception.zeros(8).zeros(15 * 8).place(context);
    buffer.add(&exception.bytes)
}
