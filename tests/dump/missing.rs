//! Dumps that lack something, one thing at a time.

use oci_minidump::dump::{Report, completeness};

use crate::build::{Dump, LINUX, MEMORY, MODULES, NAMES, THREADS, registers};

#[test]
fn what_only_begins_as_a_minidump_is_truncated() {
    let good = Dump::new().system(9, LINUX).exception(11, 1, 0, &[]).bytes();
    let changed = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    let system_only = Dump::new().system(9, LINUX).bytes();
    let mut late = Dump::new();
    late.system(9, LINUX).exception(11, 1, 0, &[]).entry(0, 0, 0).entry(0, 0, 0);
    let cases: [(&str, Vec<u8>, Option<&str>); 9] = [
        ("good", good.clone(), None),
        ("no crash", system_only, None),
        ("four bytes", b"MDMP".to_vec(), Some("it ends inside the header, after 4 bytes")),
        ("zeros", changed(4, 0), Some("the header has format version 0x0 instead of 0xa793")),
        ("no streams", changed(8, 0), Some("the header promises 0 streams")),
        ("many streams", changed(8, 513), Some("the header promises 513 streams")),
        ("directory", changed(12, 0xffff_fff0), Some("it ends inside the directory, after 0 of 2 entries")),
        (
            "stream",
            changed(36, 0xffff_ffff),
            Some("stream 0x7: 4294967295 bytes at offset 128, but the file ends at"),
        ),
        ("late", late.bytes(), Some("the last 2 streams were never written")),
    ];
    for (name, bytes, expected) in cases {
        let reason = completeness(bytes.as_slice()).unwrap().reason();
        match (&reason, expected) {
            (Some(reason), Some(expected)) => assert!(reason.starts_with(expected), "{name}: {reason}"),
            _ => assert_eq!(reason.as_deref(), expected, "{name}"),
        }
    }
}

/// A list of one record of `size` bytes, whose little-endian words at some offsets are given.
fn list_of_one(size: usize, words: &[(usize, u32)]) -> Vec<u8> {
    let mut record = vec![0; size];
    for (at, word) in words {
        record[*at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    [&1_u32.to_le_bytes(), record.as_slice()].concat()
}

#[test]
fn whatever_a_dump_points_at_has_to_be_there() {
    const FAR: u32 = 0xffff_0000;
    let cases: [(u32, Vec<u8>, &str); 10] = [
        (THREADS, list_of_one(48, &[(32, 16), (36, FAR)]), "a thread's stack: 16 bytes at offset "),
        (THREADS, list_of_one(48, &[(40, 16), (44, FAR)]), "a thread's registers: 16 bytes at offset "),
        (MODULES, list_of_one(108, &[(20, FAR)]), "a module's name: 4 bytes at offset "),
        (MODULES, list_of_one(108, &[(20, 4)]), "a module's name: 42899 bytes at offset 8"),
        (MODULES, list_of_one(108, &[(76, 24), (80, FAR)]), "a module's build id: 24 bytes at offset "),
        (MODULES, list_of_one(108, &[(84, 1), (88, FAR)]), "a module's debug data: 1 bytes at offset "),
        (MEMORY, list_of_one(16, &[(8, 4096), (12, FAR)]), "a piece of memory: 4096 bytes at offset "),
        (NAMES, list_of_one(12, &[(4, FAR)]), "a thread's name: 4 bytes at offset "),
        (NAMES, list_of_one(11, &[]), "not all of the 1 thread names are there"),
        (MEMORY, vec![1, 0, 0], "not all of the 0 pieces of memory are there"),
    ];
    for (kind, stream, expected) in cases {
        let mut dump = Dump::new();
        dump.system(9, LINUX).exception(11, 1, 0, &[]).stream(kind, &stream);
        let reason = completeness(dump.bytes().as_slice()).unwrap().reason();
        assert!(reason.as_ref().is_some_and(|reason| reason.starts_with(expected)), "{expected}: {reason:?}");
    }
}

#[test]
fn a_dump_without_its_crash_is_truncated_when_a_stream_is_missing() {
    let reason = |dump: &mut Dump| completeness(dump.bytes().as_slice()).unwrap().reason();
    let expected = "no exception (1 of the promised streams were never written)";
    assert_eq!(reason(Dump::new().entry(0, 0, 0).system(9, LINUX)).as_deref(), Some(expected));
    let expected = "the crashed thread's registers: 1232 bytes at offset ";
    let mut dump = Dump::new();
    let mut bytes = dump.exception(11, 1, 0, &registers(0)).system(9, LINUX).bytes();
    let context = bytes.iter().rposition(|byte| *byte == 0xd0).unwrap();
    assert_eq!(bytes[context..context + 2], 1232_u16.to_le_bytes());
    bytes[context + 7] = 0x7f;
    let reason = completeness(bytes.as_slice()).unwrap().reason().unwrap();
    assert!(reason.starts_with(expected), "{reason}");
}

#[test]
fn lists_may_be_aligned_and_the_first_stream_of_a_kind_counts() {
    let mut dump = Dump::new();
    let mut aligned = list_of_one(48, &[]);
    aligned.splice(4..4, [0; 4]);
    dump.system(9, LINUX).system(0, LINUX).stream(THREADS, &aligned).exception(11, 1, 0, &[]);
    dump.stream(NAMES, &{
        let mut names = list_of_one(12, &[(0, 7)]);
        names.splice(4..4, [0; 4]);
        names
    });
    let name = dump.text("aligned");
    let mut bytes = dump.bytes();
    // The last record before the text: its name.
    let end = usize::try_from(name).unwrap();
    bytes[end - 8..end - 4].copy_from_slice(&name.to_le_bytes());
    let report = Report::read(bytes.as_slice()).unwrap();
    assert_eq!(report.truncated, None);
    assert_eq!((report.threads, report.system.unwrap().cpu.as_str()), (Some(1), "x86_64"));
    assert_eq!(report.thread.unwrap().name.as_deref(), Some("aligned"));
}
