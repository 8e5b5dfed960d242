//! The head of a core file: it is refused with a reason, or everything in it can be used, and the minidump of it is whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oci_minidump::coredump::{Head, registers};
use oci_minidump::dump::write::{Contents, Crash, Thread, write};
use oci_minidump::dump::{Completeness, completeness};

fuzz_target!(|bytes: &[u8]| {
    let Ok(head) = Head::read(bytes) else { return };
    let cpu = head.machine.cpu;
    let thread = |thread: &oci_minidump::coredump::registers::Thread| {
        let pointer = registers::stack_pointer(cpu, thread);
        let mapping = pointer.and_then(|pointer| head.mapping_from(pointer));
        assert!(mapping.is_none_or(|mapping| mapping.start < mapping.end));
        Thread { id: thread.id, context: registers::context(cpu, thread), ..Thread::default() }
    };
    let contents = Contents {
        cpu,
        time: 1,
        processors: 1,
        system: String::new(),
        process: head.process.id,
        crash: Crash { signal: head.signal.number, code: head.signal.code, address: head.signal.address },
        threads: head.threads.iter().map(thread).collect(),
        modules: Vec::new(),
        memory: Vec::new(),
        texts: vec![(0x4767_0008, head.auxv.clone())],
    };
    assert_eq!(completeness(&write(&contents)[..]).unwrap(), Completeness::Complete);
});
