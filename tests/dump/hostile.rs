//! What no real dump at hand has: other CPUs, foreign texts, traps.

use std::cell::Cell;
use std::io;

use minidump::{Minidump, MinidumpException, MinidumpModuleList, MinidumpSystemInfo, Module};
use oci_minidump::dump::{Completeness, Report, Source, completeness};
use oci_minidump::error::ErrorKind;

use crate::allocations;
use crate::build::{Dump, LINUX, MEMORY, MODULES, NAMES, STATUS, THREADS, registers};
use crate::samples::{self, WHOLE};

fn report(dump: &Dump) -> Report {
    Report::read(dump.bytes().as_slice()).unwrap()
}

#[test]
fn the_instruction_pointer_is_found_on_every_cpu() {
    // Number of the CPU, size of its registers, offset and bytes of the flags that name it.
    let cases: [(&str, u16, usize, &[u8]); 5] = [
        ("x86", 0, 716, &0x10000_u32.to_le_bytes()),
        ("x86_64", 9, 1232, &[0; 0]),
        ("arm", 5, 368, &0x4000_0000_u32.to_le_bytes()),
        ("arm64", 12, 912, &0x40_0000_u32.to_le_bytes()),
        ("arm64", 0x8003, 796, &0x8000_0000_u64.to_le_bytes()),
    ];
    for (name, cpu, size, flags) in cases {
        let mut context: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        context[..flags.len()].copy_from_slice(flags);
        if name == "x86_64" {
            context[48..52].copy_from_slice(&0x10_0000_u32.to_le_bytes());
        }
        let bytes = Dump::new().system(cpu, LINUX).exception(11, 1, 0x1234, &context).bytes();
        let oracle = Minidump::read(bytes.as_slice()).unwrap();
        let system = oracle.get_stream::<MinidumpSystemInfo>().unwrap();
        let exception = oracle.get_stream::<MinidumpException<'_>>().unwrap();
        let theirs = exception.context(&system, None).unwrap().get_instruction_pointer();
        let report = Report::read(bytes.as_slice()).unwrap();
        assert_eq!(report.place.as_ref().unwrap().address.0, theirs, "{name}");
        assert_eq!(report.system.unwrap().cpu, name);
        assert_eq!(report.truncated, None, "{name}");
    }
}

#[test]
fn signals_have_names_and_only_faults_have_addresses() {
    let cases: [(u32, i32, &str); 14] = [
        (11, 2, "SIGSEGV (SEGV_ACCERR) at 0x1234"),
        (11, 0x80, "SIGSEGV (SI_KERNEL)"),
        (11, 0, "SIGSEGV (SI_USER)"),
        (11, -6, "SIGSEGV (SI_TKILL)"),
        (11, 77, "SIGSEGV (77) at 0x1234"),
        (6, -6, "SIGABRT (SI_TKILL)"),
        (6, 1, "SIGABRT (1)"),
        (7, 2, "SIGBUS (BUS_ADRERR) at 0x1234"),
        (8, 1, "SIGFPE (FPE_INTDIV) at 0x1234"),
        (4, 2, "SIGILL (ILL_ILLOPN) at 0x1234"),
        (5, 1, "SIGTRAP (TRAP_BRKPT) at 0x1234"),
        (31, 1, "SIGSYS (SYS_SECCOMP)"),
        (40, i32::MIN, "signal 40 (-2147483648)"),
        (u32::MAX, 0, "DUMP_REQUESTED"),
    ];
    for (signal, code, expected) in cases {
        let report = report(Dump::new().system(9, LINUX).exception(signal, code, 0x1234, &[]));
        assert_eq!(report.crash.unwrap().to_string(), expected);
    }
}

#[test]
fn places_and_builds_are_told_as_far_as_they_are_known() {
    let rsds = [b"RSDS".as_slice(), &[0x11; 16], &0x2a_u32.to_le_bytes(), b"x\0"].concat();
    let cases: [(&[u8], u64, &str); 5] = [
        (b"LEpB\x01\x02\x03", 0x10010, " in libx.so+0x10, thread 7, build id 010203"),
        (&rsds, 0x10fff, " in libx.so+0xfff, thread 7, debug id 111111111111111111111111111111112a"),
        (b"", 0x10000, " in libx.so+0x0, thread 7"),
        (b"LEpB", 0x11000, " in 0x11000, outside all modules, thread 7"),
        (b"LEpB\xff", 0, " in 0x0, outside all modules, thread 7, build id ff"),
    ];
    for (codeview, address, expected) in cases {
        let mut dump = Dump::new();
        dump.system(9, LINUX).module("/usr/lib/libx.so", codeview);
        let report = report(dump.exception(11, 1, 0x1234, &registers(address)));
        assert_eq!(report.to_string(), format!("SIGSEGV (SEGV_MAPERR) at 0x1234{expected}"));
        assert_eq!(report.truncated, None);
    }
}

#[test]
fn names_from_the_container_cannot_drive_a_terminal() {
    let evil = "a\u{1b}[2J\nerror: b\u{202e}";
    let mut dump = Dump::new();
    dump.system(9, LINUX).module(&format!("/{evil}"), b"").thread_name(evil);
    dump.exception(11, 1, 0x1234, &registers(0x10001));
    let status = "Name:\tx\u{9b}1m\nTgid:\t7\nPid:\t7\nUid:\t1 2 3 4\n";
    let report = report(dump.stream(STATUS, status.as_bytes()));
    let escaped = "a\\u{1b}[2J\\nerror: b\\u{202e}";
    assert_eq!(
        report.to_string(),
        format!("SIGSEGV (SEGV_MAPERR) at 0x1234 in {escaped}+0x1, thread 7 \"{escaped}\"")
    );
    let details = report.details().to_string();
    assert!(!details.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{details:?}");
    assert!(details.contains(&format!("process:    {escaped}, pid 7, uid 1 ")), "{details}");
    assert_eq!(report.thread.unwrap().name.as_deref(), Some(evil), "the report itself is not changed");
}

#[test]
fn environment_and_arguments_are_never_shown() {
    for sample in &WHOLE {
        let bytes = samples::bytes(sample.name);
        for secret in ["PATH=/usr", "TERM=", "/minidumps"] {
            assert!(bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
            let report = Report::read(bytes.as_slice()).unwrap();
            let shown = format!("{report} {} {}", report.details(), serde_json::to_string(&report).unwrap());
            assert!(!shown.contains(secret), "{}: {shown}", sample.name);
        }
    }
}

#[test]
fn what_is_no_minidump_is_refused() {
    for bytes in [b"".as_slice(), b"MDM", b"\x7fELF and more", b"PMD", b"DMPM\x93\xa7", &[0; 4096]] {
        for error in [completeness(bytes).unwrap_err(), Report::read(bytes).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Input);
            assert_eq!(error.report(), "not a minidump: it does not begin with MDMP or PMDM");
        }
    }
}

/// What a writer says on a machine of either order is the same but for the order. Of the registers only the CPUs that
/// are known here have a place for the instruction pointer, and none of them is big-endian.
#[test]
fn dumps_of_big_endian_machines_are_read() {
    let dump = |mut dump: Dump| {
        let elf = dump.elf(&(1..=20).collect::<Vec<u8>>());
        dump.system(1, LINUX).exception(11, 1, 0x1234, &[0; 64]).module("/bin/\u{e9}app", &elf);
        dump.thread_name("worker");
        dump
    };
    let (little, big) = (dump(Dump::new()), dump(Dump::big_endian()));
    let (expected, bytes) = (report(&little), big.bytes());
    assert_eq!(expected.truncated, None);
    assert!(!expected.big_endian && bytes.starts_with(b"PMDM"));
    let found = report(&big);
    let debug_id = found.program.as_ref().unwrap().debug_id.clone();
    assert_eq!(debug_id.as_deref(), Some("0102030405060708090A0B0C0D0E0F100"));
    let mut same = found.clone();
    same.big_endian = false;
    same.program.as_mut().unwrap().debug_id = expected.program.as_ref().unwrap().debug_id.clone();
    assert_eq!(same, expected);
    assert!(found.details().to_string().contains("bytes:      big-endian\n"), "{}", found.details());
    let oracle = Minidump::read(bytes.as_slice()).unwrap();
    let modules = oracle.get_stream::<MinidumpModuleList>().unwrap();
    let theirs = modules.main_module().unwrap();
    assert_eq!(theirs.code_file(), found.program.as_ref().unwrap().path);
    assert_eq!(theirs.debug_identifier().map(|id| id.breakpad().to_string()), debug_id);
    let exception = oracle.get_stream::<MinidumpException<'_>>().unwrap();
    assert_eq!(exception.raw.exception_record.exception_code, 11);
    for end in 4..bytes.len() {
        let cut = Report::read(&bytes[..end]).unwrap();
        assert!(cut.truncated.is_some() && cut.big_endian, "the first {end} bytes");
    }
}

/// A file as large as files can be: some bytes, then the same one for ever.
struct Endless {
    bytes: Vec<u8>,
    filler: u8,
    reads: Cell<usize>,
}

impl Source for Endless {
    fn size(&self) -> io::Result<u64> {
        Ok(i64::MAX as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.set(self.reads.get() + 1);
        for (i, byte) in buffer.iter_mut().enumerate() {
            let at = usize::try_from(offset).unwrap() + i;
            *byte = self.bytes.get(at).copied().unwrap_or(self.filler);
        }
        Ok(buffer.len())
    }
}

/// Lists and texts that take all the room there is, as a sparse file in a container can have them.
#[test]
fn huge_counts_in_a_huge_file_are_bounded() {
    for (count, filler) in [(u32::MAX, 0xff), (16_385, 0), (16_384, 0), (16_384, 0xff), (16_384, 1)] {
        let mut dump = Dump::new();
        let list = dump.put(&count.to_le_bytes());
        dump.system(9, LINUX).exception(11, 1, 0, &registers(1));
        for kind in [THREADS, MODULES, NAMES, STATUS, MEMORY] {
            dump.entry(kind, u32::MAX, list);
        }
        let source = Endless { bytes: dump.bytes(), filler, reads: Cell::new(0) };
        let (report, allocated) = allocations::during(|| Report::read(&source).unwrap());
        assert!(source.reads.get() < 60_000, "{count} {filler}: {} reads", source.reads.get());
        assert!(allocated.largest < 1 << 16 && allocated.total < 1 << 20, "{count} {filler}: {allocated:?}");
        let expected = (count > 16_384).then(|| format!("not all of the {count} threads are there"));
        if filler == 0 || expected.is_some() {
            assert_eq!(report.truncated, expected, "{count} {filler}");
        }
    }
}

#[test]
fn a_failing_disk_is_an_error_and_not_a_cut_dump() {
    struct Broken;
    impl Source for Broken {
        fn size(&self) -> io::Result<u64> {
            Ok(10_000)
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    let error = completeness(&Broken).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::System);
    assert!(matches!(completeness(samples::truncated().as_slice()), Ok(Completeness::Truncated(_))));
    assert!(error.report().starts_with("cannot read the dump at offset 0: "), "{}", error.report());
}
