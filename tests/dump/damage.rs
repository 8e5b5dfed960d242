//! Damage: dumps cut at every place, dumps with bytes changed at random.

use std::cell::Cell;
use std::io;

use oci_minidump::dump::{Completeness, Report, Source, completeness, is_minidump};
use oci_minidump::error::ErrorKind;

use crate::allocations::{self, Allocated};
use crate::samples::{self, WHOLE};

/// Counts what is read of it.
struct Watched<'a> {
    bytes: &'a [u8],
    reads: Cell<usize>,
}

impl Source for Watched<'_> {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.read_at(offset, buffer)
    }
}

/// Reads `bytes` in every way there is; fails if that takes more steps or memory than a small file may.
fn read_bounded(what: &str, bytes: &[u8]) -> Option<Report> {
    let watched = Watched { bytes, reads: Cell::new(0) };
    let (report, Allocated { largest, total }) = allocations::during(|| {
        let report = match Report::read(&watched) {
            Ok(report) => report,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Input, "{what}: {}", error.report());
                assert!(!is_minidump(bytes), "{what}");
                return None;
            }
        };
        let text = format!("{report}\n{}", report.details());
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{what}: {text:?}");
        Some(report)
    });
    let reads = watched.reads.get();
    assert!(reads < 10_000, "{what}: {reads} reads");
    assert!(largest < 1 << 18 && total < 1 << 21, "{what}: {largest} bytes at once, {total} in all");
    let verdict = completeness(bytes).ok().map(Completeness::reason);
    assert_eq!(verdict, report.as_ref().map(|report| report.truncated.clone()), "{what}");
    report
}

#[test]
fn no_beginning_of_a_dump_is_called_complete() {
    for sample in &WHOLE {
        let bytes = samples::bytes(sample.name);
        // All of the smallest one, one in 13 of the others.
        let step = if bytes.len() < 10_000 { 1 } else { 13 };
        for end in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            let what = format!("the first {end} bytes of {}", sample.name);
            match read_bounded(&what, &bytes[..end]) {
                Some(report) => assert!(report.truncated.is_some(), "{what}: {report}"),
                None => assert!(end < 4, "{what} are said to be no minidump"),
            }
        }
    }
}

#[test]
fn a_cut_dump_still_gives_what_is_there() {
    let sample = &WHOLE[1];
    let bytes = samples::bytes(sample.name);
    let report = read_bounded("cut by one byte", &bytes[..bytes.len() - 1]).unwrap();
    assert!(report.to_string().starts_with(&format!("{}, build id {}", sample.summary, sample.build_id)));
    assert!(report.to_string().contains(" (truncated: stream 0x4767000a: 344 bytes at offset "), "{report}");
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) >> 1).unwrap() % end
    }
}

#[test]
fn random_damage_costs_neither_time_nor_memory() {
    const WORDS: [u32; 10] =
        [0, 1, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff, 0x1000, 0x10000, 0x0100_0000];
    for (seed, sample) in WHOLE.iter().enumerate() {
        let whole = samples::bytes(sample.name);
        let mut random = Random(seed as u64);
        for round in 0..6_000 {
            let mut bytes = whole.clone();
            // Header, directory, and lists are at the front and before the texts; hit them more often.
            let end = if round % 3 == 0 { bytes.len() } else { 600 };
            for _ in 0..=random.below(8) {
                let at = random.below(end - 4);
                if round % 2 == 0 {
                    bytes[at] = u8::try_from(random.below(256)).unwrap();
                } else {
                    bytes[at..at + 4].copy_from_slice(&WORDS[random.below(WORDS.len())].to_le_bytes());
                }
            }
            read_bounded(&format!("{} with seed {seed}, round {round}", sample.name), &bytes);
        }
    }
}
