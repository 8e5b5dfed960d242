//! Dumps that want `oci-minidump-stack` to read what it must not, or to take all memory or time.

use std::fs;
use std::path::Path;

use oci_minidump::error::ErrorKind;
use oci_minidump::stack::input::{self, MAX_SIZE};
use oci_minidump::stack::symbols::Symbols;
use oci_minidump::stack::walk::{MAX_FRAMES, MAX_THREADS, walk};

use crate::build::{Dump, LINUX, MODULES, NAMES, THREADS, registers};
use crate::oracle::info;
use crate::samples::{self, WHOLE};
use crate::stack::{breakpad_place, symbols};
use crate::support::host::stack_program;
use crate::support::random::Random;

const THREAD_DUMP: &str = "breakpad-thread-uid1000.dmp";
/// Where the stack of the dumps made by hand begins.
pub(crate) const STACK: u64 = 0x7000_0000;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The sample with its program under another name of the same length.
fn renamed(name: &str) -> Vec<u8> {
    let (old, new) = (utf16("/bin/crashbp"), utf16(name));
    assert_eq!(old.len(), new.len());
    let mut bytes = samples::bytes(THREAD_DUMP);
    let places: Vec<usize> =
        (0..bytes.len() - old.len()).filter(|at| bytes[*at..].starts_with(&old)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(&new);
    }
    bytes
}

#[test]
fn names_of_modules_never_lead_out_of_the_directory_of_symbols() {
    let dir = tempfile::tempdir().unwrap();
    let (store, dump) = (dir.path().join("store"), dir.path().join("a.dmp"));
    fs::create_dir(&store).unwrap();
    let place = breakpad_place();
    let (_, rest) = place.split_once('/').unwrap();
    let id = rest.split('/').next().unwrap();
    // Where a name that is believed would lead: beside the store, above it, and by an absolute name.
    for trap in [format!("{id}/...sym"), place.clone(), format!("{id}/crashbp.sym"), format!("{id}/..sym")] {
        symbols(dir.path(), &trap);
    }
    for name in
        ["/bin/abcd/..", "/bin/abcde/.", "/bin/abcdef/", "/b/../..\\\\..", "../../../../", "\0bin/crashbp"]
    {
        fs::write(&dump, renamed(name)).unwrap();
        let said = info(&dump, std::slice::from_ref(&store));
        assert_eq!(said["stacks"][0]["frames"][0]["function"], serde_json::Value::Null, "{name:?}");
    }
    // The same directory finds it by the name that is one.
    symbols(&store, &place);
    fs::write(&dump, renamed("/..//crashbp")).unwrap();
    assert_eq!(info(&dump, &[store])["stacks"][0]["frames"][0]["function"], "crash_now");
}

/// A thread with a stack of `words` from its pointer on; the frame pointer leads to the first of them.
pub(crate) fn with_stack(dump: &mut Dump, count: u32, words: &[u64]) {
    let mut context = registers(0x10010);
    context[48..52].copy_from_slice(&0x10_000b_u32.to_le_bytes());
    context[152..160].copy_from_slice(&STACK.to_le_bytes());
    context[160..168].copy_from_slice(&STACK.to_le_bytes());
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let stack = dump.put(&bytes);
    let size = u32::try_from(context.len()).unwrap();
    let place = dump.put(&context);
    let mut threads = Vec::from(count.to_le_bytes());
    for id in 0..count {
        for field in [id + 7, 0, 0, 0, 0, 0] {
            threads.extend(field.to_le_bytes());
        }
        threads.extend(STACK.to_le_bytes());
        for field in [u32::try_from(bytes.len()).unwrap(), stack, size, place] {
            threads.extend(field.to_le_bytes());
        }
    }
    dump.system(9, LINUX).exception(11, 1, 0x1234, &context).stream(THREADS, &threads);
}

/// Frames as long as they can be many: each saved frame pointer leads 16 bytes up, each return address into the module.
pub(crate) fn chain(frames: u64) -> Vec<u64> {
    (1..=frames).flat_map(|frame| [STACK + 16 * frame, 0x10020]).collect()
}

#[test]
fn frame_pointers_are_followed_and_endless_stacks_are_cut() {
    let mut dump = Dump::new();
    with_stack(dump.module("/bin/app", &[]), 1, &chain(6));
    let threads = walk(&dump.bytes(), &Symbols::default()).unwrap();
    assert!(
        threads[0].frames.iter().filter(|frame| frame.found_by == "frame_pointer").count() >= 5,
        "{threads:?}"
    );
    assert!(!threads[0].cut);

    let mut dump = Dump::new();
    with_stack(dump.module("/bin/app", &[]), 1, &chain(500_000));
    let threads = walk(&dump.bytes(), &Symbols::default()).unwrap();
    assert_eq!((threads[0].frames.len(), threads[0].cut), (MAX_FRAMES, true));
}

#[test]
fn more_threads_than_are_walked_are_bounded_and_the_crashed_one_is_among_them() {
    let mut dump = Dump::new();
    with_stack(dump.module("/bin/app", &[]), 5000, &chain(50_000));
    let threads = walk(&dump.bytes(), &Symbols::default()).unwrap();
    assert_eq!(threads.len(), MAX_THREADS);
    assert!(threads[0].crashed && threads[0].id == 7 && threads[0].cut);
    // Those after the limit of all frames are not walked.
    assert!(threads[MAX_THREADS - 1].frames.is_empty());
}

/// Why a dump is refused.
fn refusal(dump: &[u8]) -> String {
    let error = walk(dump, &Symbols::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    error.report()
}

#[test]
fn lists_and_names_that_are_too_large_are_refused_before_they_are_read() {
    let mut dump = Dump::new();
    with_stack(dump.module(&"x".repeat(5000), &[]), 1, &chain(6));
    assert!(refusal(&dump.bytes()).contains("larger than those of any real dump"));
    for kind in [MODULES, NAMES] {
        let mut dump = Dump::new();
        with_stack(&mut dump, 1, &chain(6));
        let record = if kind == MODULES { 108 } else { 12 };
        let list = [Vec::from(10_000_u32.to_le_bytes()), vec![0; record * 10_000]].concat();
        assert!(refusal(&dump.stream(kind, &list).bytes()).contains("larger"), "{kind}");
    }
    // The other reader takes the last of two lists, ours the first.
    let mut dump = Dump::new();
    with_stack(dump.module("/bin/app", &[]), 1, &chain(6));
    assert!(refusal(&dump.module("/bin/other", &[]).bytes()).contains("several streams of type 4"));
    assert!(refusal(b"MDMP").contains("no stacks"));
    assert!(refusal(&samples::truncated()).contains("no stacks"));
}

#[test]
fn files_that_are_no_dumps_are_neither_waited_for_nor_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let (fifo, large) = (dir.path().join("fifo.dmp"), dir.path().join("large.dmp"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::File::create(&large).unwrap().set_len(MAX_SIZE + 1).unwrap();
    for path in [&*fifo, &*large, Path::new("/dev/zero"), dir.path()] {
        assert_eq!(input::read(path).unwrap_err().kind(), ErrorKind::Input, "{}", path.display());
    }
    let good = samples::path(THREAD_DUMP);
    let output = stack_program().arg("info").args([&fifo, &good]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("thread 5"), "the others follow");
}

/// A random place in `length` bytes.
fn place(random: &mut Random, length: usize) -> usize {
    random.between(0, length as u64) as usize
}

#[test]
fn damage_anywhere_is_survived() {
    let mut random = Random::new(2026);
    for sample in &WHOLE {
        let whole = samples::bytes(sample.name);
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..8 {
                // The directory, the lists and the records are among the first and the last bytes.
                let at = place(&mut random, bytes.len());
                bytes[at] = random.next() as u8;
                let at = place(&mut random, 512);
                bytes[at] ^= 1 << place(&mut random, 8);
            }
            bytes.truncate(bytes.len() - place(&mut random, 64));
            match walk(&bytes, &Symbols::default()) {
                Ok(threads) => assert!(threads.len() <= MAX_THREADS),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Input, "{}", error.report()),
            }
        }
    }
}
