//! The registers of every machine end up where another reader of minidumps looks for them.

use minidump::{
    Minidump, MinidumpContext, MinidumpException, MinidumpMiscInfo, MinidumpSystemInfo, MinidumpThreadList,
};
use oci_minidump::coredump::{Head, registers};
use oci_minidump::dump::write::{Contents, Crash, Thread, write};

use crate::head_builder::{ARM, ARM64, HeadBuilder, Kind, X86, X86_64};

/// Notes by type and length; places in a context, with the place in the note from which they come.
type Notes = &'static [(u32, usize)];
type Places = &'static [(usize, usize)];

/// Registers whose bytes say at which offset they are: each word is its offset plus 0x1000.
fn numbered(kind: Kind) -> Vec<u8> {
    let word = if kind.wide { 8 } else { 4 };
    let words = (0..kind.general).step_by(word).map(|at| (at as u64 + 0x1000).to_le_bytes());
    words.flat_map(|bytes| bytes[..word].to_vec()).collect()
}

fn dump(builder: &HeadBuilder) -> Vec<u8> {
    let head = Head::read(&builder.bytes()[..]).unwrap();
    let cpu = head.machine.cpu;
    let threads = head.threads.iter().map(|thread| Thread {
        id: thread.id,
        context: registers::context(cpu, thread),
        ..Thread::default()
    });
    write(&Contents {
        cpu,
        time: 7,
        processors: 2,
        system: "Linux 1.2.3".to_owned(),
        process: head.process.id,
        crash: Crash { signal: head.signal.number, code: head.signal.code, address: head.signal.address },
        threads: threads.collect(),
        modules: Vec::new(),
        memory: Vec::new(),
        texts: Vec::new(),
    })
}

/// The crashed thread's registers, by name.
fn registers_of(bytes: Vec<u8>) -> MinidumpContext {
    let dump = Minidump::read(bytes).unwrap();
    let system = dump.get_stream::<MinidumpSystemInfo>().unwrap();
    let misc = dump.get_stream::<MinidumpMiscInfo>().ok();
    assert_eq!(misc.as_ref().and_then(|misc| misc.raw.process_id().copied()), Some(7));
    let threads = dump.get_stream::<MinidumpThreadList<'_>>().unwrap();
    let exception = dump.get_stream::<MinidumpException<'_>>().unwrap();
    assert_eq!((exception.thread_id, threads.threads.len()), (8, 1));
    assert_eq!(exception.raw.exception_record.exception_address, 0x1234);
    exception.context(&system, misc.as_ref()).unwrap().into_owned()
}

#[test]
fn every_register_is_where_other_readers_look_for_it() {
    #[rustfmt::skip]
    let cases: [(Kind, &[(&str, u64)]); 4] = [
        (X86_64, &[("r15", 0), ("r14", 8), ("r13", 16), ("r12", 24), ("rbp", 32), ("rbx", 40), ("r11", 48), ("r10", 56),
            ("r9", 64), ("r8", 72), ("rax", 80), ("rcx", 88), ("rdx", 96), ("rsi", 104), ("rdi", 112), ("rip", 128),
            ("rsp", 152)]),
        (X86, &[("ebx", 0), ("ecx", 4), ("edx", 8), ("esi", 12), ("edi", 16), ("ebp", 20), ("eax", 24), ("eip", 48),
            ("eflags", 56), ("esp", 60)]),
        (ARM64, &[("x0", 0), ("x1", 8), ("x19", 152), ("x28", 224), ("fp", 232), ("lr", 240), ("sp", 248), ("pc", 256)]),
        (ARM, &[("r0", 0), ("r1", 4), ("r7", 28), ("r10", 40), ("fp", 44), ("r12", 48), ("sp", 52), ("lr", 56), ("pc", 60)]),
    ];
    for (kind, expected) in cases {
        let mut builder = HeadBuilder::new(kind);
        builder.thread(8, &numbered(kind)).process(7, b"app").signal(11, 1, 0x1234);
        let context = registers_of(dump(&builder));
        for (name, at) in expected {
            assert_eq!(context.get_register(name), Some(at + 0x1000), "{name} of {kind:?}");
        }
        let head = Head::read(&builder.bytes()[..]).unwrap();
        let pointer = registers::stack_pointer(head.machine.cpu, &head.threads[0]);
        assert_eq!(pointer, Some(context.get_stack_pointer()));
        assert_eq!(
            registers::values(head.machine.cpu, &head.threads[0]).count(),
            numbered(kind).len() / if kind.wide { 8 } else { 4 }
        );
    }
}

#[test]
fn the_registers_for_floating_point_numbers_follow() {
    let content = |size: usize| (0..size).map(|n| (n % 251) as u8).collect::<Vec<u8>>();
    // The notes of each machine; then, of the context: flags, and what lies at an offset.
    #[rustfmt::skip]
    let cases: [(Kind, Notes, u32, Places); 4] = [
        (X86_64, &[(2, 512)], 0x0010_000f, &[(256, 0), (52, 24)]),
        (X86, &[(2, 108), (0x46e6_2b7f, 512)], 0x0001_002f, &[(28, 0), (204, 0)]),
        (ARM64, &[(2, 528)], 0x0040_0007, &[(272, 0), (784, 516), (788, 512)]),
        (ARM, &[(0x400, 260)], 0x4000_0006, &[(80, 0), (72, 256)]),
    ];
    for (kind, notes, flags, places) in cases {
        let mut builder = HeadBuilder::new(kind);
        builder.thread(8, &numbered(kind));
        for (note, size) in notes {
            builder.note("LINUX", *note, content(*size));
        }
        let head = Head::read(&builder.bytes()[..]).unwrap();
        let context = registers::context(head.machine.cpu, &head.threads[0]);
        let at = if kind.number == X86_64.number { 48 } else { 0 };
        assert_eq!(context[at..at + 4], flags.to_le_bytes(), "{kind:?}");
        for (place, from) in places {
            assert_eq!(context[*place..*place + 4], content(528)[*from..*from + 4], "{kind:?} at {place}");
        }
    }
}
