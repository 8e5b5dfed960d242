//! The head of a core file that Linux 6.18 wrote of a program whose fourth thread read address 0x1234.

use oci_minidump::coredump::{Head, registers};
use oci_minidump::dump::records::Cpu;

pub(crate) const WORKER: &[u8] = include_bytes!("../data/cores/worker-x86_64.core");

#[test]
fn everything_is_read() {
    let head = Head::read(WORKER).unwrap();
    assert_eq!((head.machine.cpu, head.machine.wide, head.cut), (Cpu::X86_64, true, false));
    assert_eq!((head.signal.number, head.signal.code, head.signal.address), (11, 1, 0x1234));
    assert_eq!(head.process.name, b"crash");
    assert_eq!(head.threads.len(), 4);
    // The thread that crashed comes first, and is not the main thread.
    assert_ne!(head.threads[0].id, head.process.id);
    assert!(head.threads[1..].iter().any(|thread| thread.id == head.process.id));
    assert!(head.threads.iter().all(|thread| thread.float.len() == 512));
    assert_eq!(head.mappings.len(), 30);
    for thread in &head.threads {
        let pointer = registers::stack_pointer(head.machine.cpu, thread).unwrap();
        assert!(head.mapping_from(pointer).unwrap().start <= pointer);
    }
}

#[test]
fn files_and_the_program_are_known() {
    let head = Head::read(WORKER).unwrap();
    let name = |n: usize| String::from_utf8_lossy(&head.files[n].name).into_owned();
    assert!(name(0).ends_with("/crash"), "{}", name(0));
    assert!(head.files.iter().any(|file| file.name.ends_with(b"/libc.so.6")));
    // All mappings of a file are one.
    let names: std::collections::BTreeSet<_> = head.files.iter().map(|file| &file.name).collect();
    assert_eq!(names.len(), head.files.len());
    let entry = head.auxiliary(9).unwrap();
    assert!(head.files[0].start < entry && entry < head.files[0].end);
    assert_eq!(head.auxiliary(4711), None);
}
