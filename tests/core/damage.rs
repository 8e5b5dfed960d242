//! Heads that are cut, changed or made up: they are refused or read, within bounds, and never end the handler.

use oci_minidump::coredump::notes::MAX_THREADS;
use oci_minidump::coredump::{Head, registers};
use oci_minidump::error::ErrorKind;

use crate::head_builder::{ARM, HeadBuilder, X86_64};
use crate::real::WORKER;
use crate::support::random::Random;

/// Uses everything in a head.
fn use_up(head: &Head) {
    assert!(!head.threads.is_empty() && head.threads.len() <= MAX_THREADS);
    for thread in &head.threads {
        let context = registers::context(head.machine.cpu, thread);
        assert!(!context.is_empty() && context.len() <= 1232);
        let pointer = registers::stack_pointer(head.machine.cpu, thread).unwrap();
        if let Some(mapping) = head.mapping_from(pointer) {
            assert!(mapping.start < mapping.end);
        }
    }
    assert!(head.files.iter().all(|file| file.start < file.end));
    let _any = (head.auxiliary(9), head.auxiliary(33));
}

#[test]
fn a_head_that_is_cut_anywhere_is_refused_or_says_so() {
    let whole = Head::read(WORKER).unwrap().threads.len();
    for length in 0..WORKER.len() {
        match Head::read(&WORKER[..length]) {
            Ok(head) => {
                use_up(&head);
                assert!(head.cut && head.threads.len() <= whole, "{length}");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Input, "{length}: {}", error.report()),
        }
    }
}

#[test]
fn changed_heads_are_refused_or_read() {
    let mut random = Random::new(17);
    for _ in 0..3000 {
        let mut bytes = WORKER.to_vec();
        for _ in 0..random.between(1, 8) {
            // Mostly where the structure is.
            let end = random.one_of(&[64, 0x708, 0x1000, bytes.len() as u64]);
            let at = random.between(0, end - 1) as usize;
            bytes[at] = random.one_of(&[0, 1, 0x7f, 0x80, 0xff, bytes[at].wrapping_add(1)]);
        }
        if let Ok(head) = Head::read(&bytes[..]) {
            use_up(&head);
        }
    }
}

#[test]
fn thousands_of_threads_are_read_up_to_a_limit() {
    let mut builder = HeadBuilder::new(X86_64);
    for id in 1..=3000 {
        builder.thread(id, &[0; 216]).note("LINUX", 0x202, vec![0; 2432]);
    }
    let head = Head::read(&builder.bytes()[..]).unwrap();
    assert_eq!((head.threads.len(), head.threads[0].id, head.cut), (MAX_THREADS, 1, true));
}

#[test]
fn more_mappings_than_the_header_can_say_are_read() {
    for count in [65_533, 65_534, 70_000] {
        let mut builder = HeadBuilder::new(X86_64);
        builder.mappings = (1..=count).map(|n| (n << 13, (n << 13) + 4096)).collect();
        builder.thread(7, &[0; 216]);
        let head = Head::read(&builder.bytes()[..]).unwrap();
        assert_eq!((head.threads[0].id, head.cut), (7, false));
        assert_eq!(head.mappings.len(), count.min(65_536) as usize);
    }
}

#[test]
fn claims_are_not_believed() {
    let huge = u32::MAX;
    let mut builder = HeadBuilder::new(ARM);
    builder.thread(7, &[0xff; 72]).files(&[
        (0x1000, 0x2000, 0, b"/a"),
        (0x2000, 0x3000, 1, b"/a"),
        (9, 4, 0, b"/b"),
    ]);
    let head = Head::read(&builder.bytes()[..]).unwrap();
    assert_eq!((head.files.len(), head.files[0].end), (1, 0x3000));
    assert_eq!(head.mapping_from(u64::MAX), None);
    // A note that claims to be huge, and files that are not there.
    for (kind, content) in [(0x4649_4c45, [huge; 4]), (6, [huge; 4]), (0x5349_4749, [huge; 4])] {
        let mut builder = builder.clone();
        builder.note("CORE", kind, content.iter().flat_map(|n| n.to_le_bytes()).collect());
        use_up(&Head::read(&builder.bytes()[..]).unwrap());
    }
    let mut bytes = builder.bytes();
    let end = bytes.len();
    bytes.extend([huge.to_le_bytes(), huge.to_le_bytes(), 1_u32.to_le_bytes()].concat());
    let size = (bytes.len() - 52 - 32) as u32;
    bytes[52 + 16..52 + 20].copy_from_slice(&size.to_le_bytes());
    let head = Head::read(&bytes[..]).unwrap();
    assert!(head.cut && end < bytes.len());
}

#[test]
fn other_files_are_refused() {
    let mut executable = WORKER.to_vec();
    executable[16] = 2;
    let mut big_endian = WORKER.to_vec();
    big_endian[5] = 2;
    let mut mips = WORKER.to_vec();
    mips[18] = 8;
    let no_thread = HeadBuilder::new(X86_64).bytes();
    for bytes in [b"".to_vec(), b"MDMP".to_vec(), vec![0; 4096], executable, big_endian, mips, no_thread] {
        assert_eq!(Head::read(&bytes[..]).unwrap_err().kind(), ErrorKind::Input);
    }
}
